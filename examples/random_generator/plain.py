"""The same service without the library, as most are written: see what its pod lives through.

nox -s rehearse
"""

import os
from collections.abc import AsyncIterator
from uuid import uuid4

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

ID = str(uuid4())


def number() -> int:
    return int.from_bytes(os.urandom(4))


async def random_number(request: Request) -> Response:
    if milliseconds := int(request.query_params.get("burn", "0")):
        await anyio.sleep(milliseconds / 1000)
    return JSONResponse({"random": number(), "id": ID})


async def health(request: Request) -> Response:
    return PlainTextResponse("ok")


async def events(request: Request) -> Response:
    async def numbers() -> AsyncIterator[str]:
        while True:
            yield f"data: {number()}\n\n"
            await anyio.sleep(0.1)

    return StreamingResponse(numbers(), media_type="text/event-stream")


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    async for _ in websocket.iter_text():
        await websocket.send_text(str(number()))


app = Starlette(
    routes=[
        Route("/", random_number),
        Route("/health", health),
        Route("/events", events),
        WebSocketRoute("/ws", talk),
    ]
)
