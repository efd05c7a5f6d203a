"""Work that is not a request, in tasks and in threads, and is waited for all the same.

    python examples/08_in_flight.py

What to see: main has returned, but the letters are waited for; the archive is closed after the last one.
"""

import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import anyio

from lifecycle import Lifecycle

life = Lifecycle()
threads = ThreadPoolExecutor()
tasks: set[asyncio.Task[None]] = set()


@life.track
async def send(letter: str) -> None:
    await anyio.sleep(0.6)
    print(letter, "sent")


def print_out(letter: str) -> None:
    with life.in_flight(f"{letter} on paper"):
        time.sleep(0.3)
        print(letter, "printed")


@life.on_shutdown
def close_archive() -> None:
    print("archive closed")


async def main() -> None:
    tasks.add(asyncio.create_task(send("letter 1")))
    threads.submit(print_out, "letter 2")
    await anyio.sleep(0.1)
    print("nothing more to do")


if __name__ == "__main__":
    status = life.run(main)
    print(life.report.finished, "works finished,", len(life.report.abandoned), "abandoned")
    sys.exit(status)
