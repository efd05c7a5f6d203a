"""WebSockets at the drain: the message in work is dealt with, then a close frame says why."""

from typing import Final

import anyio

from lifecycle.asgi._http import Message, Receive, Send
from lifecycle.asgi._interrupt import Interruptible
from lifecycle.core import End

PATIENCE: Final = 1.0
"""Seconds for a handler that only sends, and so never hears of the end, before it is cancelled."""


class Connection(Interruptible):
    """A WebSocket; with an `end` it is closed when the drain begins, else when the budget is used up."""

    def __init__(self, end: End | None, receive: Receive, send: Send) -> None:
        super().__init__(receive)
        self._policy = end
        self._close = end or End()
        self._send = send
        self._accepted = anyio.Event()
        self._closed = False
        self._hung_up = False
        """It was told, and had time to say its last words: from here on it is as if the client had gone."""
        self._in_work = False
        self._idle = anyio.Event()

    async def when_draining(self) -> None:
        if self._policy is None:
            return
        await self._accepted.wait()
        self.interrupt()
        if self._in_work:
            # The handler took a message and has not come back for the next one: let it finish this one.
            await self._idle.wait()
        await anyio.sleep(PATIENCE)
        if self.told:
            self._hung_up = True
        else:
            self.cancel()

    def interruption(self) -> Message:
        return {
            "type": "websocket.disconnect",
            "code": self._close.code,
            "reason": self._close.reason,
        }

    async def receive(self) -> Message:
        self._in_work = False
        self._idle.set()
        message = await super().receive()
        if message["type"] == "websocket.receive":
            self._in_work = True
            self._idle = anyio.Event()
        elif message["type"] == "websocket.disconnect" and not self.interrupted:
            self._closed = True
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if self._hung_up and kind == "websocket.send":
            raise OSError("the WebSocket is being closed: the process is stopping")
        if kind == "websocket.close" or kind.startswith("websocket.http.response"):
            self._closed = True
        await self._send(message)
        if kind == "websocket.accept":
            self._accepted.set()

    async def finish(self) -> None:
        """The close frame, if neither the application nor the client has closed."""
        if self._closed or not self._accepted.is_set() or not (self.interrupted or self.cancelled):
            return
        try:
            await self._send(
                {"type": "websocket.close", "code": self._close.code, "reason": self._close.reason}
            )
        except Exception:  # noqa: BLE001 - each server has its own way to say that the client has gone meanwhile
            self._closed = True
