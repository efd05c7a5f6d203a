"""What a parent and its workers tell each other: JSON, a line a message, over a socket pair."""

import json
import socket
from collections.abc import AsyncIterator
from typing import Any, Final

import anyio

LINE_LIMIT_BYTES: Final = 1 << 20
"""A report of a thousand hooks is far below; more is no message of ours."""


class Channel:
    """One end, of which nobody else reads or writes.

    Not anyio's own stream over it: cancelled in the moment in which something comes, that leaves a traceback in the
    log under uvloop ("invalid state"), and a stop is such a moment.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        self._sock = sock
        self._speaking = anyio.Lock()

    async def tell(self, **message: Any) -> None:
        """Send a message; a peer that has gone is none the worse for not hearing it."""
        rest = json.dumps(message, default=str).encode() + b"\n"
        async with self._speaking:
            while rest:
                try:
                    rest = rest[self._sock.send(rest) :]
                except BlockingIOError:
                    await anyio.wait_writable(self._sock)
                except OSError:
                    return

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """What the peer says, until it has gone."""
        buffer = b""
        while part := await self._receive():
            *lines, buffer = (buffer + part).split(b"\n")
            if len(buffer) > LINE_LIMIT_BYTES:
                return
            for line in lines:
                yield json.loads(line)

    async def _receive(self) -> bytes:
        while True:
            try:
                return self._sock.recv(65536)
            except BlockingIOError:
                await anyio.wait_readable(self._sock)
            except OSError:
                return b""

    def close(self) -> None:
        """Nobody waits for a message any more."""
        self._sock.close()
