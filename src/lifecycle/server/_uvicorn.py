"""uvicorn, leaving as we want it to. The only file that knows its private names.

uvicorn does HTTP; listening, signals and leaving are ours. What is overridden here is not documented by uvicorn, but
has had the same name and role since 2019 or, for the signals, since 0.29; where one is missing, `missing()` says so,
and the server falls back to `uvicorn.Server` as it is: the middleware then does what it does under `uvicorn app:app`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Generator
from socket import socket
from typing import Any, Final

import uvicorn

logger = logging.getLogger("lifecycle")

PRIVATE: Final = ("capture_signals", "main_loop", "on_tick", "shutdown", "startup")
"""Methods of `uvicorn.Server` that are overridden or called here."""
PRIVATE_ATTRIBUTES: Final = ("server_state", "should_exit", "started")
"""Attributes of a `uvicorn.Server` that are read or set here; `servers` appears once it listens."""

TICK: Final = 1.0
"""Seconds between two updates of the `Date` header."""
LINGER: Final = 0.3
"""Seconds for peers to answer the end of an idle connection, before it is cut: TLS peers that read nothing never do,
and asyncio would wait 30 s for them (`ssl_shutdown_timeout`)."""


def missing() -> list[str]:
    """The private names that the installed uvicorn does not have."""
    server = uvicorn.Server(uvicorn.Config(_nothing))
    absent = [name for name in PRIVATE if not callable(getattr(server, name, None))]
    return absent + [name for name in PRIVATE_ATTRIBUTES if not hasattr(server, name)]


async def _nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    """An application to ask a configuration about."""


class Server(uvicorn.Server):
    """Waits for `leave` instead of looking ten times a second, and closes what is open without resetting anybody.

    `remaining` tells the seconds that the budget has left.
    """

    def __init__(self, config: uvicorn.Config, remaining: Callable[[], float]) -> None:
        super().__init__(config)
        self._remaining = remaining
        self._left = asyncio.Event()
        self.connection_ended = asyncio.Event()

    def leave(self) -> None:
        """All work is done: stop listening, close what is idle, and return."""
        self.should_exit = True
        self._left.set()

    def stop_listening(self) -> None:
        """Accept nothing more; what is open goes on."""
        for server in self.servers:
            server.close()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # The signals are the lifecycle's; uvicorn would raise each once more at its end.
        yield

    async def main_loop(self) -> None:
        while not await self.on_tick(0) and not self._left.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._left.wait(), TICK)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        logger.debug(
            "closing the listeners", extra={"connections": len(self.server_state.connections)}
        )
        # The kernel has completed handshakes that nobody has accepted yet: a turn of the loop takes them in, and the
        # answer tells them; closed away, they would be reset.
        for _ in range(2):
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        for sock in sockets or []:
            sock.close()
        await self._close_connections()
        await self.lifespan.shutdown()

    async def _close_connections(self) -> None:
        loop = asyncio.get_running_loop()
        told: set[Any] = set()
        linger_until = loop.time() + LINGER
        while connections := set(self.server_state.connections):
            # Again and again: a TLS handshake that was under way becomes a connection only now.
            for connection in connections - told:
                connection.shutdown()
            told |= connections
            late = loop.time() >= linger_until
            for connection in connections:
                transport = connection.transport
                if late and not transport.get_write_buffer_size():
                    transport.abort()
            if self._remaining() <= 0:
                logger.warning("connections were cut off", extra={"connections": len(connections)})
                for connection in connections:
                    connection.transport.abort()
                await asyncio.sleep(0)
                return
            self.connection_ended.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.connection_ended.wait(), 0.02)
