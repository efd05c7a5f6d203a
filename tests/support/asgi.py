"""An ASGI server without sockets: as strict as uvicorn, and it shows every message.

    async with serving(app) as server:
        answer = await server.ask("/")          # a whole answer
        exchange = server.begin("/slow")        # one that is looked at while it is under way
        socket = server.connect("/echo")        # a WebSocket

Like gunicorn's own worker it keeps a Python handler of SIGTERM, so that the library hands the signal over at the end;
`server.told` is set then. It goes on serving until the block is left: tests look at what comes after.
"""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel

from lifecycle.asgi import App, Message, Receive, Scope, Send
from lifecycle.testing import NEAR, Answer, Exchange, Headers, Socket, make_scope

__all__ = [
    "FAR",
    "NEAR",
    "Answer",
    "Exchange",
    "Headers",
    "Server",
    "Socket",
    "no_lifespan",
    "serving",
]

FAR = ("203.0.113.7", 50000)
"""A stranger: https://www.rfc-editor.org/rfc/rfc5737"""


def no_lifespan(app: App) -> App:
    """An application of requests only, as most hand-written ones are."""

    async def only_requests(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError("no lifespan here")
        await app(scope, receive, send)

    return only_requests


class Server:
    """The application being served. `serving` makes one."""

    def __init__(
        self, app: App, group: anyio.abc.TaskGroup, *, carries_state: bool, asgi: str
    ) -> None:
        self.app = app
        self.told = anyio.Event()
        """The server's own handler of SIGTERM was called: time to leave."""
        self.started = anyio.Event()
        self.messages: list[Message] = []
        """The lifespan's."""
        self.state: dict[str, Any] = {}
        self.error: Exception | None = None
        """What the lifespan raised after it had said that it failed."""
        self._group = group
        self._asgi = {"version": "3.0", "spec_version": asgi}
        self._carries_state = carries_state
        self._leaving = anyio.Event()
        self._received = 0
        self.left = anyio.Event()

    @property
    def failure(self) -> str | None:
        """The message of `lifespan.startup.failed`."""
        failures = [m["message"] for m in self.messages if m["type"] == "lifespan.startup.failed"]
        return failures[0] if failures else None

    # Requests.

    def begin(
        self, path: str, *, method: str = "GET", body: bytes | None = b"", **scope: Any
    ) -> Exchange:
        exchange = Exchange(self._scope("http", path, method=method, **scope), body)
        self._group.start_soon(exchange.run, self.app)
        return exchange

    async def ask(self, path: str, *, method: str = "GET", **scope: Any) -> Answer:
        return await self.begin(path, method=method, **scope).answer()

    def connect(self, path: str, **scope: Any) -> Socket:
        socket = Socket(self._scope("websocket", path, **scope))
        self._group.start_soon(socket.run, self.app)
        return socket

    def _scope(self, kind: str, path: str, **more: Any) -> Scope:
        state = self.state if self._carries_state else None
        return make_scope(kind, path, state=state, asgi=self._asgi["spec_version"], **more)

    # The lifespan.

    async def live(self) -> None:
        scope: Scope = {"type": "lifespan", "asgi": self._asgi}
        if self._carries_state:
            scope["state"] = self.state
        try:
            await self.app(scope, self._receive, self._send)
        except Exception as error:
            # After its message an application may raise, too, as Starlette does.
            if self.failure is None:
                raise
            self.error = error
        finally:
            self.started.set()
            self.left.set()

    def leave(self) -> None:
        """The port is closed: `lifespan.shutdown`."""
        self._leaving.set()

    async def _receive(self) -> Message:
        self._received += 1
        if self._received == 1:
            return {"type": "lifespan.startup"}
        await self._leaving.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        await anyio.lowlevel.checkpoint()
        self.messages.append(message)
        self.started.set()


@asynccontextmanager
async def serving(
    app: App, *, wait: bool = True, carries_state: bool = True, asgi: str = "2.3"
) -> AsyncIterator[Server]:
    """`app`, from when its start is done (`wait=False`: from its very beginning) to the end of its lifespan."""
    async with anyio.create_task_group() as group:
        server = Server(app, group, carries_state=carries_state, asgi=asgi)
        before = signal.signal(signal.SIGTERM, lambda _number, _frame: server.told.set())
        try:
            group.start_soon(server.live)
            if wait:
                await server.started.wait()
            yield server
            server.leave()
            await server.left.wait()
        finally:
            signal.signal(signal.SIGTERM, before)
