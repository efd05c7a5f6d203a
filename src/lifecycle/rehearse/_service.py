"""The Service in front of the pods: which of them gets the next connection, and when it hears of a change.

An endpoint is *serving* while its pod is Ready, *terminating* once the pod is deleted, and *ready* if it serves and does
not terminate. Routers hear of a change `lag` seconds later, and nothing orders that with the stop signal. They choose
among the ready ones, and where there is none, among those that serve and terminate. An established connection stays
where it is. A pod that its own node stops is not deleted: its endpoint stays until its containers are gone.

See https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#conditions
"""

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

import anyio

from lifecycle.rehearse._clock import EARLY, PodClock
from lifecycle.rehearse._events import Event, Journal, Kind

FINAL_PHASES: Final = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class Backend:
    """Where a connection goes."""

    pod: str
    address: str
    port: int

    @property
    def host(self) -> str:
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    backend: Backend
    serving: bool = False
    terminating: bool = False
    gone: bool = False

    @property
    def ready(self) -> bool:
        return self.serving and not self.terminating

    def after(self, event: Event) -> "Endpoint":
        """What an event of the pod makes of it."""
        match event.kind:
            case Kind.POD_READY | Kind.POD_NOT_READY:
                return replace(self, serving=event.kind is Kind.POD_READY)
            case Kind.DELETED:
                return replace(self, terminating=True)
            case Kind.PHASE if event.detail in FINAL_PHASES:
                return replace(self, serving=False, gone=True)
            case _:
                return self

    @property
    def spare(self) -> bool:
        """For when none is ready."""
        return self.serving and self.terminating


@dataclass(slots=True)
class _Slice:
    """As the API server has it, or as the routers see it."""

    endpoints: dict[str, Endpoint] = field(default_factory=dict[str, Endpoint])

    def routed(self, *, alone: bool) -> list[Backend]:
        ready = [one.backend for one in self.endpoints.values() if one.ready]
        if ready or not alone:
            return ready
        return [one.backend for one in self.endpoints.values() if one.spare]


class Service:
    """`alone` False: there are other replicas, which are not rehearsed, and which take what is routed away from here."""

    def __init__(
        self, clock: PodClock, journal: Journal, *, lag: float, alone: bool = False
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._lag = lag
        self._alone = alone
        self._known = _Slice()
        self._seen = _Slice()
        self._turn = 0
        self._due: deque[tuple[float, Endpoint]] = deque()
        """What the routers will hear of, and when: one lag for all, so these are in order."""
        self._more = anyio.Event()
        self.told: Callable[[], None] = lambda: None
        """Called whenever the routers have heard of something."""

    def add(self, backend: Backend) -> None:
        """A pod that exists, and is not ready yet."""
        self._known.endpoints[backend.pod] = Endpoint(backend=backend)

    def pick(self) -> Backend | None:
        """The next one's turn."""
        routed = self.routed
        if not routed:
            return None
        self._turn += 1
        return routed[self._turn % len(routed)]

    @property
    def routed(self) -> list[Backend]:
        """Those that get new connections now."""
        return self._seen.routed(alone=self._alone)

    def catch_up(self) -> None:
        """The routers hear of everything now. A rehearsal need not wait for what was long before its story."""
        while self._due:
            self._see(self._due.popleft()[1])

    @property
    def settled(self) -> bool:
        """The routers know all that there is to know."""
        return not self._due

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[None]:
        """Hear of the pods' events, and let the routers hear of them after the lag."""
        unsubscribe = self._journal.subscribe(self._hear)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._tell)
                yield
                group.cancel_scope.cancel()
        finally:
            unsubscribe()

    def _hear(self, event: Event) -> None:
        before = self._known.endpoints.get(event.pod)
        if before is None:
            return
        after = before.after(event)
        if after != before:
            self._known.endpoints[event.pod] = after
            self._due.append((self._clock.now() + self._lag, after))
            self._more.set()

    async def _tell(self) -> None:
        while True:
            while self._due:
                await self._clock.sleep(max(self._due[0][0] - self._clock.now(), 0.0))
                # `catch_up` may have been here meanwhile.
                while self._due and self._due[0][0] <= self._clock.now() + EARLY:
                    self._see(self._due.popleft()[1])
            self._more = anyio.Event()
            await self._more.wait()

    def _see(self, endpoint: Endpoint) -> None:
        backend = endpoint.backend
        before = {one.pod for one in self.routed}
        if endpoint.gone:
            self._seen.endpoints.pop(backend.pod, None)
        else:
            self._seen.endpoints[backend.pod] = endpoint
        after = {one.pod for one in self.routed}
        for pod in sorted(after - before):
            self._journal.append(Kind.ENDPOINT_ADDED, detail=backend.host, pod=pod)
        for pod in sorted(before - after):
            self._journal.append(Kind.ENDPOINT_REMOVED, detail=backend.host, pod=pod)
        self.told()
