"""A consumer that stops taking, finishes the job in hand, acknowledges it, and ends.

    python examples/05_queue_consumer.py asyncio &    # or trio
    kill %1

What to see: every job that was taken is acknowledged, on asyncio and on trio.
"""

import itertools
import sys

import anyio

from lifecycle import Lifecycle

life = Lifecycle()


async def take(number: int) -> str:
    """Stands for a broker."""
    await anyio.sleep(0.1)
    return f"job {number}"


async def main() -> None:
    for number in itertools.count(1):
        if life.stop_requested.is_set():
            break
        job = await take(number)
        print(f"{job} taken")
        await anyio.sleep(0.5)
        print(f"{job} acknowledged")
    print(f"stopped; {life.remaining():.1f} s would have been left")


if __name__ == "__main__":
    sys.exit(life.run(main, backend="trio" if "trio" in sys.argv else "asyncio"))
