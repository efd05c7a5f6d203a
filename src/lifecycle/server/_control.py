"""What a parent and its workers tell each other: JSON, a line a message, over a socket pair."""

import json
import socket
from collections.abc import AsyncIterator
from typing import Any, Final

import anyio
import anyio.abc

LINE_LIMIT_BYTES: Final = 1 << 20
"""A report of a thousand hooks is far below; more is no message of ours."""


class Channel:
    """One end. Made inside the event loop, from a socket that nobody else reads."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self._stream = stream

    @classmethod
    async def over(cls, sock: socket.socket) -> "Channel":
        sock.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        return cls(await anyio.abc.UNIXSocketStream.from_socket(sock))

    async def tell(self, **message: Any) -> None:
        """Send a message; a peer that has gone is none the worse for not hearing it."""
        try:
            await self._stream.send(json.dumps(message, default=str).encode() + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """What the peer says, until it has gone."""
        buffer = b""
        try:
            async for part in self._stream:
                *lines, buffer = (buffer + part).split(b"\n")
                if len(buffer) > LINE_LIMIT_BYTES:
                    return
                for line in lines:
                    yield json.loads(line)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, ValueError):
            return

    async def close(self) -> None:
        await self._stream.aclose()
