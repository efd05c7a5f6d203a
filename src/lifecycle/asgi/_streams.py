"""Ending a response that has no end of its own: its last chunk, then the end of the message, as HTTP has it."""

import logging
from typing import Final

import anyio

from lifecycle.asgi._http import Message, Receive, Send
from lifecycle.asgi._interrupt import Interruptible
from lifecycle.core import FAREWELL, End

logger = logging.getLogger("lifecycle")

PATIENCE: Final = 1.0
"""Seconds for an application that was told that its client has gone, before its task is cancelled."""


class EndingStream(Interruptible):
    """A response that is ended once the drain has begun and it is under way."""

    def __init__(self, end: End, receive: Receive, send: Send) -> None:
        super().__init__(receive)
        self._end = end
        self._send = send
        self._begun = anyio.Event()
        self._finished = False
        self._headers: dict[bytes, bytes] = {}
        self._tail = b"\n\n"

    async def when_draining(self) -> None:
        # An answer that has not begun is no stream yet: it is an ordinary request, and is finished.
        await self._begun.wait()
        self.interrupt()
        await anyio.sleep(PATIENCE)
        self.cancel()

    def interruption(self) -> Message:
        # Starlette's StreamingResponse, and all who wait for it, take this for the client's leaving, and clean up.
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self._headers = {name.lower(): value for name, value in message.get("headers", ())}
            await self._send(message)
            self._begun.set()
            return
        if kind == "http.response.body":
            if self.interrupted and message.get("more_body", False):
                raise OSError(
                    "the stream is being ended: the process is stopping"
                )  # as ASGI 2.4 says to a sender
            self._tail = (self._tail + message.get("body", b""))[-4:]
            self._finished = not message.get("more_body", False)
        await self._send(message)

    async def finish(self) -> None:
        """The farewell and the end, if the application has left them to us."""
        if (
            self._finished
            or not self._begun.is_set()
            or not self.interrupted
            or b"content-length" in self._headers
        ):
            return
        await self._send(
            {"type": "http.response.body", "body": self._farewell(), "more_body": False}
        )

    def _farewell(self) -> bytes:
        if b"content-encoding" in self._headers:
            return b""  # Plain text in the middle of a compressed body would spoil it.
        if self._end.farewell is not None:
            return self._end.farewell
        is_events = self._headers.get(b"content-type", b"").startswith(b"text/event-stream")
        between_events = self._tail.endswith((b"\n\n", b"\r\r", b"\r\n\r\n"))
        return FAREWELL if is_events and between_events else b""
