"""A start that fails is undone: exactly what was started is shut down, last started first.

    python examples/12_failed_start.py; echo $?

What to see: the cache cannot be opened, so the pool is closed again, and main never runs. Nothing was
opened of the cache, so nothing of it is closed. The exit status is 3.
"""

import sys
from collections.abc import AsyncIterator

from lifecycle import Lifecycle

life = Lifecycle()


@life.resource
async def pool() -> AsyncIterator[str]:
    print("pool opened")
    yield "pool"
    print("pool closed")


@life.on_startup(name="cache")
async def open_cache() -> None:
    raise ConnectionError("no cache at 10.0.0.7")


@life.on_shutdown(name="cache")
async def close_cache() -> None:
    print("never seen")


async def main() -> None:
    print("never seen")


if __name__ == "__main__":
    status = life.run(main)
    print("because", life.report.reason)
    sys.exit(status)
