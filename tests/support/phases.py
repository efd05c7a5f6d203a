"""A served application, held in any phase for as long as a test wants to look at it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from lifecycle import Lifecycle, LifecycleMiddleware, Phase
from lifecycle.asgi._http import App, Receive, Scope, Send
from tests.support.asgi import Server, no_lifespan, serving


@no_lifespan
async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """The plainest application: no lifespan, one answer."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


@asynccontextmanager
async def held_in(
    phase: Phase, app: App = hello, *, life: Lifecycle | None = None, **options: Any
) -> AsyncIterator[tuple[Lifecycle, Server]]:
    """A lifecycle in `phase` (give it no `life` with hooks of its own), and the server that serves it."""
    life = life or Lifecycle(shutdown_delay=1)
    release = anyio.Event()
    stopping = phase in (Phase.STOPPING, Phase.ABORTING)
    aborting = phase in (Phase.ABORTING, Phase.FAILED)
    asked = phase not in (Phase.STARTING, Phase.READY) and not aborting

    @life.on_startup(name="held")
    async def start() -> None:
        if phase is Phase.STARTING:
            await release.wait()

    @life.on_shutdown(name="held")
    async def stop() -> None:
        if stopping:
            await release.wait()

    @life.on_startup
    async def fail() -> None:
        if aborting:
            raise ValueError("no database")

    async with serving(LifecycleMiddleware(app, life, **options), wait=False) as server:
        await anyio.sleep(0.1)
        if asked:
            with life.in_flight("held work"):
                life.request_stop("the test asks")
                if phase is Phase.LAME_DUCK:
                    yield life, server
                    return
                await anyio.sleep(1.1)
                if phase is Phase.DRAINING:
                    yield life, server
                    return
            await anyio.sleep(0.1)
        assert life.phase is phase
        yield life, server
        release.set()
