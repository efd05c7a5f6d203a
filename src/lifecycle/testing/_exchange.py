"""Requests and WebSockets without sockets: as strict as uvicorn, and every message can be looked at."""

import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

import anyio
import anyio.lowlevel

from lifecycle.asgi import App, Message, Scope

Headers = Iterable[tuple[str, str]]

NEAR: Final = ("127.0.0.1", 50000)
"""A caller that the guard of `/shutdown` lets in."""

STATUSES: Final = range(100, 600)


def make_scope(
    kind: str,
    path: str,
    *,
    headers: Headers = (),
    root_path: str = "",
    state: dict[str, Any] | None = None,
    asgi: str = "2.3",
    **more: Any,
) -> Scope:
    """What a server knows of a request; `more` are further keys, or others in place of these."""
    path, _, query = path.partition("?")
    scope: MutableMapping[str, Any] = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": asgi},
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
    if state is not None:
        scope["state"] = state.copy()
    if kind == "websocket":
        scope["subprotocols"] = []
    return {**scope, **more}


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
        if len(values) > 1:
            raise AssertionError(f"{name} is there twice: {values}")
        return values[0] if values else None

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def dropped(self) -> bool:
        """The connection was closed without any status."""
        return self.status is None

    @property
    def truncated(self) -> bool:
        """The answer began, and broke off."""
        return self.status is not None and not self.complete


class Conversation(ABC):
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

    @abstractmethod
    def accepts(self, message: Message) -> bool:
        """Whether a server would take this message now."""

    @abstractmethod
    def departure(self) -> Message:
        """What the application hears when the client has gone."""

    def hang_up(self) -> None:
        """The client leaves."""
        self._gone = True
        self._change()

    async def until_sent(self, count: int) -> Message:
        """The `count`-th message that was accepted; waits for it, unless the application returns before."""
        while len(self.sent) < count:
            if self.done.is_set():
                raise AssertionError(f"ended after {self.sent}, {self.error!r}")
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
            return message["status"] in STATUSES
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
        """Send a message to the application."""
        self._incoming.append({"type": "websocket.receive", "text": text})
        self._change()

    @property
    def texts(self) -> list[str]:
        """What the application has sent so far."""
        return [m["text"] for m in self.sent if m["type"] == "websocket.send"]

    @property
    def close(self) -> tuple[int, str] | None:
        """The close frame's code and reason, once the application has closed."""
        closes = [m for m in self.sent if m["type"] == "websocket.close"]
        return (closes[0].get("code", 1000), closes[0].get("reason") or "") if closes else None
