"""SIGHUP reads the configuration again, as daemons do; the service goes on.

    python examples/09_reload.py &
    kill -HUP %1
    kill -HUP %1
    kill %1

What to see: a line for each SIGHUP. The hook runs in the event loop, so it may await, and needs no lock.
"""

import signal
import sys

from lifecycle import Lifecycle

life = Lifecycle()
versions = [1]


@life.on_signal(signal.SIGHUP)
async def reload() -> None:
    versions.append(versions[-1] + 1)
    print(f"configuration {versions[-1]}")


async def main() -> None:
    print("ready")
    await life.stop_requested.wait()


if __name__ == "__main__":
    sys.exit(life.run(main))
