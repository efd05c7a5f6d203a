"""A hook that hangs costs neither the others nor the deadline, and the report has its name.

    python examples/10_slow_hook.py; echo $?

What to see: `leave_cluster` is given up after its 0.5 s, and `close_pool` runs all the same. The report
says which hook it was, where it was registered and how long it ran. The exit status is 5.
"""

import sys

import anyio

from lifecycle import Lifecycle

life = Lifecycle()


@life.on_shutdown
async def close_pool() -> None:
    print("pool closed")


@life.on_shutdown(timeout=0.5)
async def leave_cluster() -> None:
    print("leaving the cluster ...")
    await anyio.sleep_forever()


async def main() -> None:
    print("working")


if __name__ == "__main__":
    status = life.run(main)
    print(life.report)
    sys.exit(status)
