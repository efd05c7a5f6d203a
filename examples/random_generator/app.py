"""The random number service of "Kubernetes Patterns", with its life in a few decorators.

    uvicorn app:app --port 8080

    GET  /                  a random number, and who made it; ?burn=800 works 800 ms for it
    GET  /info              how it is, and what woke it
    GET  /events            numbers without end, as server-sent events
    GET  /ws                a WebSocket: a number for every message
    POST /batch?count=20    202 at once; then, in the background, ten numbers a second into a file

The library adds /livez, /readyz and /startupz for the probes, and /shutdown for the preStop hook.
"""

import hashlib
import json
import logging
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from io import FileIO
from pathlib import Path
from uuid import uuid4

import anyio
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from lifecycle import Lifecycle, LifecycleMiddleware, StopRequest, Trigger

ID = str(uuid4())
BATCH = Path(tempfile.gettempdir()) / "random_numbers.txt"
LONGEST_BURN = 60_000
"""Milliseconds."""

log = logging.getLogger("random-generator")
life = Lifecycle()  # All its settings are LIFECYCLE_* variables in pod.yaml.
woken_by: list[str] = []


@life.resource
def source() -> Iterator[FileIO]:
    """Open before the first request and until after the last; then it is at `request.state.source`."""
    with FileIO("/dev/urandom") as device:
        yield device


@life.on_post_start
async def wake_up(trigger: Trigger) -> None:
    woken_by.append(trigger.message)
    log.info("the postStart hook says", extra={"words": trigger.message})


@life.on_pre_stop
async def say_why(request: StopRequest) -> None:
    log.info("asked to stop", extra={"by": request.source.value, "reason": request.reason})


@life.on_shutdown
def say_goodbye() -> None:
    log.info("goodbye", extra={"source_is_open": not life.state.source.closed})


def number(connection: HTTPConnection) -> int:
    return int.from_bytes(connection.state.source.read(4))


def whole(request: Request, name: str, most: int) -> int:
    """A number in the query; 0 if it is not there."""
    text = request.query_params.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= most):
        raise HTTPException(400, f"{name}={text!r} is not a whole number up to {most}")
    return int(text)


def burn(milliseconds: int) -> None:
    until = time.monotonic() + milliseconds / 1000
    block = b"\0" * 65536
    while time.monotonic() < until:
        hashlib.sha256(block)  # large enough for the interpreter to let other threads run


async def random_number(request: Request) -> Response:
    if milliseconds := whole(request, "burn", LONGEST_BURN):
        await anyio.to_thread.run_sync(burn, milliseconds)
    return JSONResponse({"random": number(request), "id": ID})


async def info(request: Request) -> Response:
    return JSONResponse(
        {
            "id": ID,
            "python": sys.version.split()[0],
            "phase": life.phase,
            "woken_by": woken_by,
            "seconds_to_stop": life.remaining(),
        }
    )


async def events(request: Request) -> Response:
    async def numbers() -> AsyncIterator[str]:
        while True:
            yield f"data: {number(request)}\n\n"
            await anyio.sleep(0.1)

    return StreamingResponse(numbers(), media_type="text/event-stream")


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    async for _ in websocket.iter_text():
        await websocket.send_text(str(number(websocket)))


async def batch(request: Request) -> Response:
    count = whole(request, "count", 1000)

    async def write() -> None:
        async with await anyio.open_file(BATCH, "w") as file:
            for _ in range(count):
                await anyio.sleep(0.1)
                await file.write(f"{number(request)}\n")

    return JSONResponse({"file": str(BATCH)}, status_code=202, background=BackgroundTask(write))


class JsonLines(logging.Formatter):
    """A record in a line, with its fields: the library logs constant sentences, and the facts beside them."""

    known = frozenset(vars(logging.makeLogRecord({})))

    def format(self, record: logging.LogRecord) -> str:
        line = {"level": record.levelname, "logger": record.name, "message": record.getMessage()}
        line |= {name: fact for name, fact in vars(record).items() if name not in self.known}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(JsonLines())
logging.basicConfig(level=logging.INFO, handlers=[handler])

app = Starlette(
    routes=[
        Route("/", random_number),
        Route("/info", info),
        Route("/events", events),
        Route("/batch", batch, methods=["POST"]),
        WebSocketRoute("/ws", talk),
    ],
    # A stream without end must be ended: nobody can wait for it. WebSockets are, and requests are not, by default.
    middleware=[Middleware(LifecycleMiddleware, lifecycle=life, routes={"/events": "end"})],
)
