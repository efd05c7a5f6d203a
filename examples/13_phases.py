"""Watching the phases go by.

    LIFECYCLE_SHUTDOWN_DELAY=1 uvicorn --app-dir examples 13_phases:app &
    kill %1

What to see: lame duck for a second, while routers forget the address, then draining and stopping. In
Kubernetes the delay is there by itself; elsewhere no router has to be waited for.
"""

import asyncio

from starlette.applications import Starlette

from lifecycle import Lifecycle, LifecycleMiddleware

life = Lifecycle()
watches: list[asyncio.Task[None]] = []


async def watch() -> None:
    async for change in life.changes():
        print(f"{change.at:5.2f} s  {change.before} -> {change.after} ({change.cause})")


@life.on_startup
async def begin() -> None:
    # Not with @life.task: the drain waits for those, and this one waits for what comes after it.
    watches.append(asyncio.create_task(watch()))


app = LifecycleMiddleware(Starlette(), life)
