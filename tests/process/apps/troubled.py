"""The service with one thing wrong, which `TROUBLE` names."""

import asyncio
import atexit
import os
import time
from collections.abc import AsyncIterator

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lifecycle import Lifecycle, LifecycleMiddleware
from tests.process.apps.service import note, routes

TROUBLE = os.environ["TROUBLE"]

life = Lifecycle()
atexit.register(note, "exiting")


@life.resource
async def witness() -> AsyncIterator[None]:
    """What the application left running, and did not cancel."""

    async def run() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            note("finally")

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    yield
    assert not task.done()


@life.on_startup
async def start() -> None:
    note("starting")
    if TROUBLE == "start fails":
        raise RuntimeError("no database")
    if TROUBLE == "start hangs":
        await anyio.sleep(3600)
    note("started")


@life.on_shutdown
async def stop() -> None:
    note("shut down")
    if TROUBLE == "hook fails":
        raise RuntimeError("the pool does not close")


@life.task(essential=True)
async def work() -> None:
    if TROUBLE == "task crashes":
        await anyio.sleep(0.5)
        raise RuntimeError("the queue has gone")
    await life.stop_requested.wait()


async def block(request: Request) -> Response:
    note("blocking")
    time.sleep(3600)  # noqa: ASYNC251 - the trouble
    return PlainTextResponse("never")


if TROUBLE == "import takes time":
    note("importing")
    time.sleep(1)

app = LifecycleMiddleware(Starlette(routes=[*routes, Route("/block", block)]), life)
