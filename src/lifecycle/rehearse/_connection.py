"""A client's end of a connection: it says exactly how it was let down.

Plain sockets, and not anyio's streams: whether an idle connection has been closed has to be asked of the kernel, before
something is sent on it. A transport of asyncio's has read the end already, or has not yet.
"""

import errno
import os
import socket
from types import TracebackType
from typing import Any, Final, Self

import anyio
import h11

from lifecycle.rehearse._result import Outcome
from lifecycle.rehearse._service import Backend

CHUNK: Final = 65536
SERVER_ERROR: Final = 500
USER_AGENT: Final = "lifecycle-rehearse"


class LostError(Exception):
    """Ends a request."""

    def __init__(self, outcome: Outcome, detail: str = "") -> None:
        super().__init__(outcome, detail)
        self.outcome = outcome
        self.detail = detail


class Connection:
    """One socket; closed on leaving."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        # Requests are small, and are sent in two pieces.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = 0
        """Bytes, since somebody set it to 0."""

    async def open(self) -> None:
        failure = self._socket.connect_ex((self.backend.address, self.backend.port))
        if failure == errno.EINPROGRESS:
            await anyio.wait_writable(self._socket)
            failure = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failure == errno.ECONNREFUSED:
            raise LostError(Outcome.REFUSED)
        if failure:
            raise LostError(Outcome.RESET, os.strerror(failure))

    def is_closed_by_peer(self) -> bool:
        """Asked of the kernel, now. What nobody asked for counts too: nothing can follow it."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    async def send(self, data: bytes) -> None:
        """All of it. A failure is not told: an early answer may be there all the same, and reading will say."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                await anyio.wait_writable(self._socket)
            except OSError:
                return

    async def receive(self) -> bytes:
        """What there is; nothing at the end."""
        while True:
            try:
                data = self._socket.recv(CHUNK)
            except BlockingIOError:
                await anyio.wait_readable(self._socket)
            except OSError as error:
                raise self.lost(os.strerror(error.errno or 0)) from None
            else:
                self.received += len(data)
                return data

    def lost(self, detail: str) -> LostError:
        """By whether an answer had begun."""
        return LostError(Outcome.TRUNCATED if self.received else Outcome.RESET, detail)

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class HttpConnection(Connection):
    """HTTP/1.1 on it, one request after the other."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self._http = h11.Connection(h11.CLIENT)

    async def ask(self, path: str, *, keep: bool, accept: str = "*/*") -> int:
        """The status, as soon as it is there; `read` has the rest."""
        self.received = 0
        headers = [
            ("Host", self.backend.host),
            ("User-Agent", USER_AGENT),
            ("Accept", accept),
        ]
        if not keep:
            headers.append(("Connection", "close"))
        await self.send(
            self._http.send(h11.Request(method="GET", target=path, headers=headers))
            + self._http.send(h11.EndOfMessage())
        )
        answer = await self._next()
        while isinstance(answer, h11.InformationalResponse):
            answer = await self._next()
        if not isinstance(answer, h11.Response):
            raise self.lost(f"{type(answer).__name__} in place of an answer")
        return answer.status_code

    async def read(self) -> bytes | None:
        """A piece of the body; None at its end."""
        event = await self._next()
        return bytes(event.data) if isinstance(event, h11.Data) else None

    def again(self) -> bool:
        """Whether another request may be sent: both sides want it."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    async def _next(self) -> Any:  # h11's events have no common type of use
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self.receive())
        except h11.RemoteProtocolError as error:
            raise self.lost(str(error) if self.received else "closed without an answer") from None
        if isinstance(event, h11.ConnectionClosed):
            raise self.lost("closed without an answer")
        return event
