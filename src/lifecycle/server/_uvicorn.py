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
from typing import Any, ClassVar, Final, cast

import uvicorn

from lifecycle.server._arrivals import Arrivals
from lifecycle.server._keep_alive import KeepAlive

logger = logging.getLogger("lifecycle")

PRIVATE: Final = ("capture_signals", "main_loop", "on_tick", "shutdown", "startup")
"""Methods of `uvicorn.Server` that are overridden or called here."""
PRIVATE_ATTRIBUTES: Final = ("server_state", "should_exit", "started")
"""Attributes of a `uvicorn.Server` that are read or set here; `servers` appears once it listens."""
PRIVATE_OF_PROTOCOLS: Final = (
    "connection_made",
    "connection_lost",
    "data_received",
    "handle_websocket_upgrade",
    "shutdown",
)
"""Methods of its HTTP/1.1 protocols that are overridden or called here."""
PRIVATE_ATTRIBUTES_OF_PROTOCOLS: Final = (
    "app",
    "cycle",
    "loop",
    "timeout_keep_alive_task",
    "transport",
)
"""Their attributes that are read or set here, and `default_headers`, `response_complete` and
`response_started` of the `cycle`."""
STREAMS_OF_HTTP2: Final = "cycles"
"""The attribute of its HTTP/2 protocol that has the streams that are under way; where it is missing, they are left to
uvicorn."""

TICK: Final = 1.0
"""Seconds between two updates of the `Date` header."""
TURNS: Final = 5
"""Turns of the event loop in which a connection that the kernel has made is accepted, made known and read."""
LINGER: Final = 0.3
"""Seconds for peers to answer the end of an idle connection, before it is cut: TLS peers that read nothing never do,
and asyncio would wait 30 s for them (`ssl_shutdown_timeout`)."""
FRESH: Final = 0.1
"""Seconds in which a client that has just connected sends its first request: until then it is not idle."""
CUT_AHEAD: Final = 0.5
"""Seconds before the watchdog's deadline at which slow readers are cut off."""
RECEIVING_PATIENCE: Final = 5.0
"""Seconds between two parts of a request at a stop: who is silent for longer will not finish it."""


def missing(server: uvicorn.Server) -> list[str]:
    """The private names that the installed uvicorn does not have."""
    absent = [name for name in PRIVATE if not callable(getattr(server, name, None))]
    return absent + [name for name in PRIVATE_ATTRIBUTES if not hasattr(server, name)]


def missing_of_protocol(connection: Any) -> list[str]:
    """The private names that a connection of uvicorn's does not have: none for HTTP/1.1."""
    absent = [
        name for name in PRIVATE_OF_PROTOCOLS if not callable(getattr(connection, name, None))
    ]
    return absent + [
        name for name in PRIVATE_ATTRIBUTES_OF_PROTOCOLS if not hasattr(connection, name)
    ]


class Server(uvicorn.Server):
    """Waits for `leave` instead of looking ten times a second, and closes what is open without resetting anybody.

    `remaining` tells the seconds that the budget has left; `state` is what the lifespan has for the requests.
    """

    def __init__(
        self, config: uvicorn.Config, remaining: Callable[[], float], state: dict[str, Any]
    ) -> None:
        super().__init__(config)
        self._remaining = remaining
        self._state = state
        self._left = asyncio.Event()
        self.worn_out: Callable[[], object] = _nothing
        """Called when as many requests have come as `limit_max_requests` allows, and again until it leaves."""
        self.connection_ended = asyncio.Event()
        self.unread = 0
        """Answers that were given, and not read to their ends by the deadline."""

    def leave(self) -> None:
        """All work is done: stop listening, close what is idle, and return."""
        self.should_exit = True
        self._left.set()

    async def stop_listening(self) -> None:
        """Accept nothing more; what has been accepted goes on."""
        servers: list[asyncio.Server] = getattr(self, "servers", [])
        loop = asyncio.get_running_loop()
        for server in servers:
            for sock in server.sockets:
                loop.remove_reader(sock.fileno())
        # asyncio makes a connection known a turn after it has accepted it, and drops it if the server was closed in
        # between (`Server._attach`).
        await turn()
        for server in servers:
            server.close()

    def watch(self, arrivals: Arrivals) -> None:
        """Tell `arrivals` of new connections. Before `serve`, and in its loop."""
        protocol: Any = self.config.http_protocol_class
        example = protocol(config=self.config, server_state=self.server_state, app_state={})
        if absent := missing_of_protocol(example):
            logger.debug(
                "connections cannot be watched",
                extra={"protocol": str(protocol), "missing": absent},
            )
            return
        self.config.http_protocol_class = watched(protocol, arrivals, self.connection_ended)

    def connections(self) -> list[Any]:
        """Those of HTTP/1.1 that are watched: not WebSockets, whose ends are their policy's."""
        return [known for known in self.server_state.connections if hasattr(known, "part")]

    def let_go_of_http2(self, *, idle_only: bool) -> None:
        """GOAWAY to clients whose streams are over; to the others, unless `idle_only`, after their last stream."""
        for known in list(self.server_state.connections):
            streams: Any = getattr(known, STREAMS_OF_HTTP2, None)
            if streams is not None and not (idle_only and streams):
                known.shutdown()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # The signals are the lifecycle's; uvicorn would raise each once more at its end.
        yield

    async def startup(self, sockets: list[socket] | None = None) -> None:
        # Its own lifespan is off, and has none.
        self.lifespan.state = self._state
        await super().startup(sockets=sockets)

    async def main_loop(self) -> None:
        while not self._left.is_set():
            if await self.on_tick(0) and not self.should_exit:
                self.worn_out()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._left.wait(), TICK)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        # The kernel has completed handshakes that nobody has accepted yet: a few turns of the loop take them in, and
        # an answer tells them; closed away, they would be reset.
        await turn()
        await self.stop_listening()
        for sock in sockets or []:
            sock.close()
        await turn()
        await self._close_connections()
        await self.lifespan.shutdown()

    async def _close_connections(self) -> None:
        loop = asyncio.get_running_loop()
        told: set[Any] = set()
        linger_until = loop.time() + LINGER
        while connections := set(self.server_state.connections):
            # Again and again: a TLS handshake that was under way becomes a connection only now.
            for connection in connections - told:
                getattr(connection, "part", connection.shutdown)()
            told |= connections
            if loop.time() >= linger_until:
                for connection in connections:
                    # A slow reader still has something to read: it is waited for.
                    if not connection.transport.get_write_buffer_size():
                        connection.transport.abort()
            if self._remaining() <= CUT_AHEAD:
                logger.warning("connections were cut off", extra={"connections": len(connections)})
                for connection in connections:
                    self.unread += connection.transport.get_write_buffer_size() > 0
                    connection.transport.abort()
                await asyncio.sleep(0)
                return
            self.connection_ended.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.connection_ended.wait(), 0.02)


def _nothing() -> None:
    """Nobody minds how many requests have come."""


async def turn() -> None:
    """Let everything come in that has come."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


class FirstRequest:
    """In a new connection's place for the application: tells of the arrival, and takes itself out."""

    def __init__(self, connection: Any, arrivals: Arrivals) -> None:
        self._connection = connection
        self._app = connection.app
        self._arrivals = arrivals

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._arrivals.note(scope.get("path", "")) and self._connection.app is self:
            self._connection.app = self._app
        await self._app(scope, receive, send)


class Finishing:
    """In the place of the application, where a request has been received in part when the drain begins."""

    def __init__(self, app: Any, begin: Callable[[Any], object], end: Callable[[], object]) -> None:
        self._app = app
        self._begin = begin
        self._end = end

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._begin(scope)
        try:
            await self._app(scope, receive, send)
        finally:
            self._end()


class Watched:
    """Mixed into a protocol class of uvicorn's: an eye on its connections. A request costs nothing more for it."""

    arrivals: ClassVar[Arrivals]
    ended: ClassVar[asyncio.Event]
    app: Any
    cycle: Any
    data_received: Callable[[bytes], None]
    loop: Any
    shutdown: Callable[[], None]
    timeout_keep_alive_task: Any
    transport: Any
    parted = False
    made_at = 0.0
    _finish: Callable[[], object] | None = None
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        cast("Any", super()).connection_made(transport)
        # As uvicorn has it after an answer: the first byte cancels it.
        self.loop = self.timeout_keep_alive_task = self._keep_alive = KeepAlive(self.loop)
        self.made_at = self._keep_alive.time()
        self.app = FirstRequest(self, self.arrivals)

    def connection_lost(self, exc: Exception | None) -> None:
        cast("Any", super()).connection_lost(exc)
        self._keep_alive.stop()
        if self._finish is not None:
            self._finish()
        self.ended.set()

    def handle_websocket_upgrade(self, *event: Any) -> None:
        self.arrivals.note()
        self._keep_alive.stop()
        cast("Any", super()).handle_websocket_upgrade(*event)
        if self._finish is not None:
            # Received to its end; from here on it is another protocol's.
            self._finish()

    def say_close(self) -> None:
        """The answer to the request that is under way, if it has not begun, shall be the connection's last."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_started:
            # httptools adds it by itself where it is going to close; h11 leaves it to the application.
            cycle.default_headers = [*cycle.default_headers, (b"connection", b"close")]

    @property
    def answered(self) -> bool:
        """No request is the application's just now."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def receiving(self) -> bool:
        """Bytes have come of a request that the application has not been given yet."""
        return self.answered and not self._keep_alive.silent

    def part(self) -> None:
        """Close it if it is idle, else after its answer. Half first, so that what is on its way is not reset."""
        if self._finish is not None:
            return
        if not self.answered:
            self.shutdown()
            return
        if self.parted or self.transport.is_closing():
            return
        age = self._keep_alive.time() - self.made_at
        if self.cycle is None and age < FRESH:
            # Accepted, and its request is on the way: closed now, the client would have lost it.
            asyncio.get_running_loop().call_later(FRESH - age, self.part)
            return
        self.parted = True
        self._read_with(_ignore)
        # TLS has no half: its close says so to the peer, and is cut short if that does not answer.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def finish(self, begin: Callable[[Any], object], end: Callable[[], object]) -> None:
        """Wait for the rest of the request: `begin` with its scope, `end` when it is over, or will not come."""

        def over() -> None:
            if self._finish is not None:
                self._finish = None
                end()
            if self._patience is not None:
                self._patience.cancel()

        self._finish = over
        self.app = Finishing(self.app, begin, over)
        self._read_with(self._receive_more)
        self._await_more()

    def _read_with(self, receive: Callable[[bytes], None]) -> None:
        """From now on, what comes is for `receive`. uvloop looks the method up once for each protocol that it is given."""
        self.data_received = receive
        self.transport.set_protocol(self)

    def _receive_more(self, data: bytes) -> None:
        cast("Any", super()).data_received(data)
        if self._finish is not None:
            self._await_more()

    def _await_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
        if self.receiving:
            self._patience = asyncio.get_running_loop().call_later(
                RECEIVING_PATIENCE, self._give_up
            )

    def _give_up(self) -> None:
        if self._finish is not None:
            self._finish()
        self.part()


def _ignore(_data: bytes) -> None:
    """What comes after the end has been said."""


def watched(protocol: Any, arrivals: Arrivals, ended: asyncio.Event) -> Any:
    """`protocol`, a class of uvicorn's for HTTP/1.1, with an eye on its connections."""
    return type(
        f"Watched{protocol.__name__}", (Watched, protocol), {"arrivals": arrivals, "ended": ended}
    )
