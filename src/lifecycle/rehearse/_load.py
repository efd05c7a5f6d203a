"""Steady load on the endpoints of a pod: who was served, who was let down, how, and when.

Requests start at a constant rate, whether or not earlier ones were answered: a server that stalls is not spared. The
clients are well-behaved: they honour `Connection: close`, and replace an idle connection that the server has closed
before they send anything on it, as connection pools do. That is counted (`reconnected`), and is no failure. A request
that was sent and not answered is one, even if a client might try it again: not every request may be repeated.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Final

import anyio
from anyio.abc import TaskGroup

from lifecycle.rehearse._clock import PodClock
from lifecycle.rehearse._connection import SERVER_ERROR, HttpConnection, LostError
from lifecycle.rehearse._long_lived import listen, talk
from lifecycle.rehearse._result import Outcome, Sample, Way
from lifecycle.rehearse._service import Backend, Service

PATIENCE: Final = 10.0
"""Seconds until a request counts as not answered."""
KEPT: Final = 4
"""Connections that are kept at least: one alone would tell little."""
STREAMS: Final = 2
"""Clients for each path of WebSockets or server-sent events."""
RECONNECT: Final = 0.2
"""Seconds until a long-lived client that was let go comes again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What is asked for. `rate` in requests per second, half of them on new connections."""

    rate: float = 20.0
    paths: tuple[str, ...] = ("/",)
    websockets: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    patience: float = PATIENCE


Visit = Callable[[Backend, str], Awaitable[str]]
"""Spends a connection's whole life on a path, and returns how it ended."""


class Load:
    """Clients, from `start` to `stop`. Results are in `samples`, in the order in which they ended."""

    def __init__(
        self,
        service: Service,
        clock: PodClock,
        traffic: Traffic,
        tell: Callable[[Sample], object] | None = None,
    ) -> None:
        self._service = service
        self._tell = tell
        self._clock = clock
        self._traffic = traffic
        self._paths = cycle(traffic.paths)
        self._idle: list[HttpConnection] = []
        self._opened = 0
        self._pacing = anyio.CancelScope()
        self.under_way = 0
        """Requests that were sent and not yet answered."""
        self.samples: list[Sample] = []
        self.reconnected = 0

    async def run(self) -> None:
        """Until `stop`. What is under way then is awaited, for as long as a client's patience lasts."""
        half = self._traffic.rate / 2
        try:
            async with anyio.create_task_group() as requests:
                with self._pacing:
                    async with anyio.create_task_group() as clients:
                        if self._traffic.paths and half:
                            clients.start_soon(self._pace, requests, half, Way.NEW)
                            clients.start_soon(self._pace, requests, half, Way.KEPT)
                        for way, paths, visit in (
                            (Way.WEBSOCKET, self._traffic.websockets, talk),
                            (Way.STREAM, self._traffic.streams, listen),
                        ):
                            for path in paths * STREAMS:
                                clients.start_soon(self._stay, way, path, visit)
        finally:
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    def stop(self) -> None:
        """No new request from now on; long-lived clients hang up."""
        self._pacing.cancel()

    async def _pace(self, requests: TaskGroup, rate: float, way: Way) -> None:
        due = self._clock.now()
        while True:
            if way is Way.NEW:
                if backend := self._service.pick():
                    requests.start_soon(self._request, backend, way)
            else:
                self._reuse(requests)
            due += 1 / rate
            await self._clock.sleep(max(due - self._clock.now(), 0.0))

    def _reuse(self, requests: TaskGroup) -> None:
        if connection := self._take():
            requests.start_soon(self._ask, connection, Way.KEPT)
        elif backend := self._service.pick():
            self._opened += 1
            requests.start_soon(self._request, backend, Way.KEPT)

    def _take(self) -> HttpConnection | None:
        """The connection that has been idle for longest, so that none stays so, and all notice a stop."""
        if self._opened < KEPT:
            return None
        while self._idle:
            connection = self._idle.pop(0)
            if not connection.is_closed_by_peer():
                return connection
            connection.close()
            self.reconnected += 1
        return None

    async def _request(self, backend: Backend, way: Way) -> None:
        await self._ask(HttpConnection(backend), way, opened=False)

    async def _ask(self, connection: HttpConnection, way: Way, *, opened: bool = True) -> None:
        path = next(self._paths)
        keep, again = way is Way.KEPT, False
        at = self._clock.now()
        outcome, detail = Outcome.TIMEOUT, f"no answer within {self._traffic.patience:g} s"
        self.under_way += 1
        try:
            with self._clock.move_on_after(self._traffic.patience):
                if not opened:
                    await connection.open()
                status = await connection.ask(path, keep=keep)
                while await connection.read() is not None:
                    pass
                again = keep and connection.again()
                outcome = Outcome.SERVER_ERROR if status >= SERVER_ERROR else Outcome.ANSWERED
                detail = str(status)
        except LostError as lost:
            outcome, detail = lost.outcome, lost.detail
        finally:
            self.under_way -= 1
            if again:
                self._idle.append(connection)
            else:
                connection.close()
        self._note(at, outcome, way, connection.backend, path, detail)

    async def _stay(self, way: Way, path: str, visit: Visit) -> None:
        """A client that comes back when it is let go, as browsers do."""
        while True:
            if backend := self._service.pick():
                at = self._clock.now()
                outcome, detail = Outcome.ANSWERED, "the client left"
                try:
                    detail = await visit(backend, path)
                except LostError as lost:
                    outcome, detail = lost.outcome, lost.detail
                finally:
                    self._note(at, outcome, way, backend, path, detail)
            await self._clock.sleep(RECONNECT)

    def _note(
        self, at: float, outcome: Outcome, way: Way, backend: Backend, path: str, detail: str
    ) -> None:
        sample = Sample(
            at=at,
            seconds=self._clock.now() - at,
            outcome=outcome,
            way=way,
            pod=backend.pod,
            path=path,
            detail=detail,
        )
        self.samples.append(sample)
        if self._tell:
            self._tell(sample)
