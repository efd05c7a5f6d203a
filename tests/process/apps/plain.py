"""The service with the middleware added, and nothing else: the server command stays as it was."""

import atexit

from starlette.applications import Starlette

from lifecycle import Lifecycle, LifecycleMiddleware
from tests.process.apps.service import note, routes

life = Lifecycle()
atexit.register(note, "exiting")


@life.on_startup
async def start() -> None:
    note("started")


@life.on_shutdown
async def stop() -> None:
    note("shut down")


app = LifecycleMiddleware(Starlette(routes=routes), life, routes={"/events": "end"})
