"""`python -m tests.process.apps.triggered PORT BACKEND`: hypercorn, called by a program, ended by the lifecycle."""

import sys
from importlib import import_module
from typing import cast

import anyio
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from starlette.applications import Starlette

from lifecycle import Lifecycle, LifecycleMiddleware
from lifecycle.server import ShutdownTrigger
from tests.process.apps.service import note, routes

life = Lifecycle()


@life.on_startup
async def start() -> None:
    note("started")


@life.on_shutdown
async def stop() -> None:
    note("shut down")


async def main(port: str, backend: str) -> None:
    app = cast("ASGIFramework", LifecycleMiddleware(Starlette(routes=routes), life))
    config = Config.from_mapping(bind=f"127.0.0.1:{port}")
    trigger = ShutdownTrigger(life)
    # Only the one that runs: hypercorn.trio imports trio.
    serve = import_module(f"hypercorn.{backend}").serve
    await serve(app, config, shutdown_trigger=trigger)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], backend=sys.argv[2])
    sys.exit(life.report.exit_status)
