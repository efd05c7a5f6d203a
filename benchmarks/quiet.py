"""Streams and WebSockets that have something to say once, and then wait: what is measured is their end."""

from collections.abc import AsyncIterator

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from lifecycle import Lifecycle, LifecycleMiddleware


async def fast(_request: Request) -> Response:
    return PlainTextResponse("done")


async def events(_request: Request) -> Response:
    async def one() -> AsyncIterator[str]:
        yield "data: hello\n\n"
        await anyio.sleep_forever()

    return StreamingResponse(one(), media_type="text/event-stream")


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    async for _ in websocket.iter_text():
        continue


service = Starlette(
    routes=[Route("/fast", fast), Route("/events", events), WebSocketRoute("/talk", talk)]
)
app = LifecycleMiddleware(service, Lifecycle(), routes={"/events": "end"})
