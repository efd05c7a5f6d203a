"""The service for tests of our own server, with what its environment asks for."""

import os
import threading
import time
from pathlib import Path

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lifecycle import Lifecycle, LifecycleMiddleware
from tests.process.apps.service import note, routes

if "CRASH_AT_IMPORT" in os.environ or Path(os.environ.get("BROKEN_FROM_HERE_ON", "?")).exists():
    raise RuntimeError("no such table")
note("importing")
time.sleep(float(os.environ.get("IMPORT_SECONDS", "0")))

life = Lifecycle()


@life.on_startup
async def start() -> None:
    note("starting")
    if "CRASH_AT_START" in os.environ:
        raise RuntimeError("no database")
    await anyio.sleep(float(os.environ.get("START_SECONDS", "0")))
    note("started")


@life.on_shutdown
async def stop() -> None:
    note("shut down")


async def large(request: Request) -> Response:
    return Response(b"x" * int(request.query_params["size"]))


async def receive(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


def thread(request: Request) -> Response:
    """A synchronous endpoint that nothing can cancel."""
    note("in a thread")
    threading.Event().wait(float(request.query_params["seconds"]))
    return PlainTextResponse("done")


app = LifecycleMiddleware(
    Starlette(
        routes=[
            *routes,
            Route("/large", large),
            Route("/receive", receive, methods=["POST"]),
            Route("/thread", thread),
        ]
    ),
    life,
    routes={"/events": "end"},
)


def make() -> LifecycleMiddleware:
    return app
