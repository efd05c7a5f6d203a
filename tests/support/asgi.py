"""An ASGI server without sockets: as strict as uvicorn, and it shows every message.

    async with serving(app) as server:
        answer = await server.ask("/")          # a whole answer
        exchange = server.begin("/slow")        # one that is looked at while it is under way
        socket = server.connect("/echo")        # a WebSocket

Like gunicorn's own worker it keeps a Python handler of SIGTERM, so that the library hands the signal over at the end;
`server.told` is set then. It goes on serving until the block is left: tests look at what comes after.
"""

import signal
from collections import deque
from collections.abc import AsyncIterator, Iterable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel

from lifecycle.asgi._http import App, Message, Receive, Scope, Send

Headers = Iterable[tuple[str, str]]

NEAR = ("127.0.0.1", 50000)
"""A caller that the guard lets in."""
FAR = ("203.0.113.7", 50000)
"""A stranger: https://www.rfc-editor.org/rfc/rfc5737"""


def no_lifespan(app: App) -> App:
    """An application of requests only, as most hand-written ones are."""

    async def only_requests(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError("no lifespan here")
        await app(scope, receive, send)

    return only_requests


@dataclass(frozen=True)
class Answer:
    """What a client has at the end of its connection."""

    status: int | None
    """`None`: the connection was closed without one."""
    headers: list[tuple[bytes, bytes]]
    body: bytes
    complete: bool

    def header(self, name: str) -> str | None:
        values = [value.decode() for key, value in self.headers if key.lower() == name.encode()]
        assert len(values) < 2, f"{name} is there twice: {values}"
        return values[0] if values else None

    @property
    def dropped(self) -> bool:
        return self.status is None

    @property
    def truncated(self) -> bool:
        return self.status is not None and not self.complete


class Conversation:
    """What an HTTP request and a WebSocket have in common: messages in, messages out, an end."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.sent: list[Message] = []
        """What was accepted: the client sees this."""
        self.rejected: list[Message] = []
        """What a server refuses, because it is out of its place."""
        self.error: BaseException | None = None
        self.done = anyio.Event()
        """The application has returned."""
        self._changed = anyio.Event()
        self._incoming: deque[Message] = deque()
        self._gone = False

    async def run(self, app: App) -> None:
        try:
            await app(self.scope, self.receive, self.send)
        except Exception as error:  # noqa: BLE001 - a server logs it and goes on
            self.error = error
        finally:
            self.done.set()
            self._change()

    async def receive(self) -> Message:
        await anyio.lowlevel.checkpoint()
        while True:
            if self._incoming:
                return self._incoming.popleft()
            if self._gone:
                return self.departure()
            await self._changed.wait()

    async def send(self, message: Message) -> None:
        await anyio.lowlevel.checkpoint()
        if self._gone and self._is_deaf():
            raise OSError("the client has gone")
        if not self.accepts(message):
            self.rejected.append(message)
            raise RuntimeError(f"Unexpected ASGI message {message['type']!r}")
        self.sent.append(message)
        self._change()

    def accepts(self, message: Message) -> bool:
        raise NotImplementedError

    def departure(self) -> Message:
        raise NotImplementedError

    def hang_up(self) -> None:
        """The client leaves."""
        self._gone = True
        self._change()

    async def until_sent(self, count: int) -> Message:
        """The `count`-th message that was accepted; waits for it, unless the application returns before."""
        while len(self.sent) < count:
            assert not self.done.is_set(), f"ended after {self.sent}, {self.error!r}"
            await self._changed.wait()
        return self.sent[count - 1]

    def _is_deaf(self) -> bool:
        """ASGI 2.4: `send` raises OSError when the client has gone; before, it did nothing."""
        return tuple(map(int, self.scope["asgi"]["spec_version"].split("."))) >= (2, 4)

    def _change(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()


class Exchange(Conversation):
    """One HTTP request and its answer."""

    def __init__(self, scope: Scope, body: bytes | None = b"") -> None:
        super().__init__(scope)
        self._stage = "start"
        if body is not None:
            self._incoming.append({"type": "http.request", "body": body, "more_body": False})

    def accepts(self, message: Message) -> bool:
        kind = message["type"].removeprefix("http.response.")
        if kind != self._stage:
            return False
        if kind == "start":
            self._stage = "body"
            # uvicorn finds out that there is no such status after it has noted that the answer has begun.
            return bool(100 <= message["status"] < 600)
        if not message.get("more_body", False):
            self._stage = "nothing"
            self._gone = True
        return True

    def departure(self) -> Message:
        return {"type": "http.disconnect"}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    async def answer(self) -> Answer:
        """What the client has got, once the application has returned."""
        await self.done.wait()
        if not self.sent:
            if self._stage == "start":
                # A server answers for an application that did not.
                return Answer(500, [], b"Internal Server Error", complete=True)
            return Answer(None, [], b"", complete=False)
        start = self.sent[0]
        return Answer(
            start["status"], list(start["headers"]), self.body, complete=self._stage == "nothing"
        )


class Socket(Conversation):
    """One WebSocket."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._stage = "connecting"
        self._incoming.append({"type": "websocket.connect"})

    def accepts(self, message: Message) -> bool:
        kind = message["type"]
        moves = {
            "connecting": {
                "websocket.accept": "open",
                "websocket.close": "closed",
                "websocket.http.response.start": "denied",
            },
            "open": {"websocket.send": "open", "websocket.close": "closed"},
            "denied": {"websocket.http.response.body": "closed"},
            "closed": {},
        }
        if kind not in moves[self._stage]:
            return False
        self._stage = moves[self._stage][kind]
        if self._stage == "closed":
            self._gone = True
        return True

    def departure(self) -> Message:
        return {"type": "websocket.disconnect", "code": 1005 if self.close else 1006, "reason": ""}

    def say(self, text: str) -> None:
        self._incoming.append({"type": "websocket.receive", "text": text})
        self._change()

    @property
    def texts(self) -> list[str]:
        return [m["text"] for m in self.sent if m["type"] == "websocket.send"]

    @property
    def close(self) -> tuple[int, str] | None:
        """The close frame's code and reason."""
        closes = [m for m in self.sent if m["type"] == "websocket.close"]
        assert len(closes) < 2
        return (closes[0].get("code", 1000), closes[0].get("reason") or "") if closes else None


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

    def _scope(
        self, kind: str, path: str, *, headers: Headers = (), root_path: str = "", **more: Any
    ) -> Scope:
        path, _, query = path.partition("?")
        scope: MutableMapping[str, Any] = {
            "type": kind,
            "asgi": self._asgi,
            "http_version": "1.1",
            "scheme": "http" if kind == "http" else "ws",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": root_path,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
            "client": NEAR,
            "server": ("127.0.0.1", 8000),
        }
        if self._carries_state:
            scope["state"] = self.state.copy()
        if kind == "websocket":
            scope["subprotocols"] = []
        return {**scope, **more}

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
