"""A stable address in front of the pods, for clients that are not ours: a browser, curl, a load generator."""

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
from anyio.abc import SocketAttribute, SocketStream

from lifecycle.rehearse._service import Service

RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""See SO_LINGER in https://man7.org/linux/man-pages/man7/socket.7.html"""
BROKEN: Final = (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)


class Proxy:
    """Passes bytes on. A pod that refuses, or none at all, is a reset: a connection that was taken cannot be refused."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.address = ""
        """`host:port`, once it is `open`."""

    @asynccontextmanager
    async def open(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[None]:
        async with await anyio.create_tcp_listener(local_host=host, local_port=port) as listener:
            taken = listener.extra(SocketAttribute.local_port)  # noqa: S610 - not Django's
            self.address = f"{host}:{taken}"
            async with anyio.create_task_group() as group:
                group.start_soon(listener.serve, self._serve)
                yield
                group.cancel_scope.cancel()

    async def _serve(self, client: SocketStream) -> None:
        async with client:
            backend = self._service.pick()
            if backend is None:
                _reset(client)
                return
            try:
                pod = await anyio.connect_tcp(backend.address, backend.port)
            except OSError:
                _reset(client)
                return
            async with pod, anyio.create_task_group() as group:
                group.start_soon(_copy, client, pod)
                group.start_soon(_copy, pod, client)


async def _copy(source: SocketStream, target: SocketStream) -> None:
    try:
        async for data in source:
            await target.send(data)
        await target.send_eof()
    except BROKEN:
        _reset(source)
        _reset(target)
        for stream in (source, target):
            await stream.aclose()


def _reset(stream: SocketStream) -> None:
    """The close that follows tells the other side that it was not meant to be one."""
    try:
        raw = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - not Django's
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    except BROKEN:
        pass
