"""Streams and WebSockets without end are ended by the rules, not waited for and not cut off.

    uvicorn --app-dir examples 07_streams:app &
    curl -N localhost:8000/events & curl -N localhost:8000/feed & curl -N localhost:8000/download &
    kill %1

What to see: the two streams end with a farewell, and whole: curl exits with 0. The download has an end,
and reaches it. A WebSocket (/ws) is closed with 1012, "service restart".
"""

import itertools
from collections.abc import AsyncIterator, Iterable

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from lifecycle import End, Lifecycle, LifecycleMiddleware


async def tick(text: str, times: Iterable[int]) -> AsyncIterator[str]:
    for _ in times:
        yield text
        await anyio.sleep(0.1)


async def events(request: Request) -> Response:
    return StreamingResponse(
        tick("data: tick\n\n", itertools.count()), media_type="text/event-stream"
    )


async def feed(request: Request) -> Response:
    return StreamingResponse(tick("tick\n", itertools.count()))


async def download(request: Request) -> Response:
    return StreamingResponse(tick("part\n", range(10)))


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


routes = [Route(f"/{view.__name__}", view) for view in (events, feed, download)]
app = LifecycleMiddleware(
    Starlette(routes=[*routes, WebSocketRoute("/ws", echo)]),
    Lifecycle(),
    routes={"/events": "end", "/feed": End(farewell=b"goodbye\n")},
)
