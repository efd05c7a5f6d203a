"""A small web service with everything that a stop can hurt. It knows nothing of `lifecycle`: `plain.py` adds it.

What happens is written to the file `JOURNAL`, one line per event: workers are processes, and share nothing else.
"""

import os
import time
from collections.abc import AsyncIterator

import anyio
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket


def note(event: str) -> None:
    with open(os.environ["JOURNAL"], "a") as journal:  # noqa: PTH123 - O_APPEND: lines of several processes stay whole
        journal.write(f"{time.monotonic():.4f} {os.getpid()} {event}\n")


async def fast(request: Request) -> Response:
    return PlainTextResponse(str(os.getpid()))


async def slow(request: Request) -> Response:
    await anyio.sleep(float(request.query_params["seconds"]))
    return PlainTextResponse("at last")


async def upload(request: Request) -> Response:
    """Answers at once, and works on in the background."""

    async def work() -> None:
        note("background started")
        await anyio.sleep(float(request.query_params["seconds"]))
        note("background finished")

    return PlainTextResponse("accepted", status_code=202, background=BackgroundTask(work))


async def stream(request: Request) -> Response:
    async def numbers() -> AsyncIterator[str]:
        for number in range(int(request.query_params["count"])):
            yield f"{number}\n"
            await anyio.sleep(0.1)

    return StreamingResponse(numbers(), media_type="text/plain")


async def events(request: Request) -> Response:
    """Server-sent events without end."""

    async def ticks() -> AsyncIterator[str]:
        while True:
            yield "data: tick\n\n"
            await anyio.sleep(0.1)

    return StreamingResponse(ticks(), media_type="text/event-stream")


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    note("talking")
    async for message in websocket.iter_text():
        await websocket.send_text(message)


routes = [
    Route("/fast", fast),
    Route("/slow", slow),
    Route("/upload", upload, methods=["POST"]),
    Route("/stream", stream),
    Route("/events", events),
    WebSocketRoute("/echo", echo),
]
