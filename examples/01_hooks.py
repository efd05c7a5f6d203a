"""Hooks and resources, without HTTP.

    python examples/01_hooks.py

What to see: what was opened last is closed first, and then the process ends with 0. It does so after
five seconds, or when you press Ctrl-C.
"""

import sys
from collections.abc import AsyncIterator

import anyio

from lifecycle import Lifecycle

life = Lifecycle()


@life.on_startup
def read_configuration() -> None:
    print("configuration read")


@life.resource
async def pool() -> AsyncIterator[list[str]]:
    print("pool opened")
    yield ["connection 1", "connection 2"]
    print("pool closed")


@life.on_startup
async def warm_up() -> None:
    print("caches warm, with", life.state.pool[0])


@life.on_shutdown
def say_goodbye() -> None:
    print("goodbye, with", life.state.pool[0])


async def main() -> None:
    print("working")
    with anyio.move_on_after(5):
        await life.stop_requested.wait()
    print("worked enough")


if __name__ == "__main__":
    sys.exit(life.run(main))
