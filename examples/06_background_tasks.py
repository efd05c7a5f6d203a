"""Background tasks that a process can do without, and one that it cannot.

    python examples/06_background_tasks.py; echo $?

What to see: that `refresh` crashes is logged, and all goes on. `heartbeat` is essential: its crash stops
the process in good order, with hooks and with the exit status 6, so that the platform starts another
one. `poll` looks whether a stop is requested, and comes to its own end.
"""

import sys

import anyio

from lifecycle import Lifecycle

life = Lifecycle()


@life.task
async def refresh() -> None:
    raise ConnectionError("the cache cannot be refreshed")


@life.task(essential=True)
async def heartbeat() -> None:
    await anyio.sleep(0.3)
    raise ConnectionError("nobody hears the heartbeat")


@life.task
async def poll() -> None:
    while not life.stop_requested.is_set():
        print("polling")
        await anyio.sleep(0.2)
    print("polled for the last time")


@life.on_shutdown
def close() -> None:
    print("closed")


if __name__ == "__main__":
    status = life.run(life.stop_requested.wait)
    print("because", life.report.reason)
    sys.exit(status)
