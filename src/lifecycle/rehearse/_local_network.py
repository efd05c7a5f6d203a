"""A pod's network, seen from the node."""

import os
import socket
from contextlib import suppress
from errno import ECONNREFUSED

import anyio
from anyio.abc import SocketStream

from lifecycle.kube import Container, Grpc, HttpGet
from lifecycle.rehearse._grpc import check_health
from lifecycle.rehearse._http import HOOK, PROBE, fetch
from lifecycle.rehearse._link import AgentGoneError, Link
from lifecycle.rehearse._runtime import HttpResult, NoAnswerError


class LocalNetwork:
    """Of one pod."""

    def __init__(self, link: Link, address: str, *, own: bool) -> None:
        """`own`: it is in a namespace of its own, and nobody but its agent can make sockets there."""
        self.address = address
        self._link = link
        self._own = own

    async def dial(self, host: str, port: int) -> SocketStream:
        """
        Raises:
            OSError: As the system says.
        """
        if not self._own or host != self.address:
            return await anyio.connect_tcp(host, port)
        try:
            descriptor = await self._link.ask_for_socket()
        except AgentGoneError:
            raise ConnectionRefusedError(ECONNREFUSED, os.strerror(ECONNREFUSED)) from None
        with socket.socket(fileno=descriptor) as made:
            made.setblocking(False)  # noqa: FBT003 - its signature
            with suppress(BlockingIOError):
                made.connect((host, port))
            await anyio.wait_writable(made)
            if number := made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(number, os.strerror(number))
            return await SocketStream.from_socket(made.detach())

    async def hook(self, get: HttpGet, container: Container) -> HttpResult:
        return await fetch(get, container, self.address, self.dial, HOOK)

    async def probe(self, get: HttpGet, container: Container) -> HttpResult:
        return await fetch(get, container, self.address, self.dial, PROBE)

    async def connect(self, host: str | None, port: int) -> None:
        try:
            stream = await self.dial(host or self.address, port)
        except OSError as error:
            raise NoAnswerError(error.strerror or str(error)) from None
        await stream.aclose()

    async def health(self, check: Grpc, container: Container) -> str:  # noqa: ARG002 - as the others
        return await check_health(check, self.address, self.dial)
