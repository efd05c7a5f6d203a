"""Ending a response that has no end of its own: its last chunk, then the end of the message, as HTTP has it."""

import logging
from typing import Final

import anyio

from lifecycle.asgi._http import Message, Receive, Send, cut_short
from lifecycle.asgi._interrupt import LAST_WORDS, Interruptible
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
        if b"content-length" in self._headers:
            # It has an end of its own, and nothing shorter would be whole: a download is finished, too.
            return
        self.interrupt()
        await anyio.sleep(PATIENCE)
        if not (self.told or self._finished):
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
                self.told = True
                raise OSError(
                    "the stream is being ended: the process is stopping"
                )  # as ASGI 2.4 says to a sender
            tail, self._tail = (self._tail + message.get("body", b""))[-4:], b""
            self._finished = not message.get("more_body", False)
            if self._finished and self._scope.cancel_called:
                # It came to its end in the very moment in which it was given up: let it say that.
                with anyio.move_on_after(LAST_WORDS, shield=True):
                    await self._send(message)
            else:
                await self._send(message)
            # Only now: of a chunk whose sending was cancelled nobody knows whether it was sent.
            self._tail = tail
            return
        await self._send(message)

    async def finish(self) -> None:
        """The farewell and the end, if the application has left them to us."""
        if not self._begun.is_set():
            if self.cancelled:
                await cut_short(self.request, self._send)
        elif self.interrupted and not self._finished:
            end = {"type": "http.response.body", "body": self._farewell(), "more_body": False}
            try:
                await self._send(end)
            except Exception:  # noqa: BLE001 - each server has its own way to say that the client has gone meanwhile
                logger.debug(
                    "nobody is left to say farewell to", extra={"path": self.request["path"]}
                )

    def _farewell(self) -> bytes:
        if b"content-encoding" in self._headers:
            return b""  # Plain text in the middle of a compressed body would spoil it.
        is_events = self._headers.get(b"content-type", b"").startswith(b"text/event-stream")
        if is_events and not self._tail.endswith((b"\n\n", b"\r\r", b"\r\n\r\n")):
            return b""  # In the middle of an event: the client drops that one, and would take ours for a part of it.
        if self._end.farewell is not None:
            return self._end.farewell
        return FAREWELL if is_events else b""
