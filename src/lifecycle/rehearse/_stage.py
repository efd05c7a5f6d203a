"""One scenario, from the first process to the last: pods, a Service in front of them, load on it, and what happens."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Protocol

import anyio
from anyio.abc import TaskGroup

from lifecycle.core import RehearsalError
from lifecycle.kube import Pod, Workload
from lifecycle.rehearse._clock import PodClock
from lifecycle.rehearse._events import Event, Journal, Kind
from lifecycle.rehearse._faults import Faults, FaultyNetwork, FaultyRuntime
from lifecycle.rehearse._kubelet import PodWorker
from lifecycle.rehearse._load import Load
from lifecycle.rehearse._options import Options, service_port, with_commands
from lifecycle.rehearse._proxy import Proxy
from lifecycle.rehearse._rollout import Counts, Rollout
from lifecycle.rehearse._runtime import Network, Runtime
from lifecycle.rehearse._scenarios import SCENARIOS
from lifecycle.rehearse._service import Backend, Service

MOST_RESTARTS: Final = 2
"""What was started again so often before it was ready does not get ready by waiting."""


class Machine(Protocol):
    """Where pods are played."""

    def open(
        self, name: str, pod: Pod, journal: Journal, clock: PodClock
    ) -> AbstractAsyncContextManager[tuple[Runtime, Network]]:
        """On leaving, nothing of the pod is left."""
        ...


@dataclass(slots=True)
class Replica:
    """A pod that is being played."""

    name: str
    faults: Faults
    renewed: bool = False
    """Made by the rollout."""
    leaving: bool = False
    ready_since: float | None = None
    restarts: int = 0
    worker: PodWorker = field(init=False)
    address: str = ""
    ended: anyio.Event = field(default_factory=anyio.Event)

    @property
    def hopeless(self) -> bool:
        return self.ended.is_set() or self.restarts >= MOST_RESTARTS


class Stage:
    """Everything that a scenario works with. `play` plays it, once."""

    def __init__(self, workload: Workload, options: Options, machine: Machine) -> None:
        if options.scenario not in SCENARIOS:
            known = ", ".join(SCENARIOS)
            raise RehearsalError(f"there is no scenario {options.scenario!r}: known are {known}")
        self.scenario = SCENARIOS[options.scenario]
        self.workload = with_commands(workload, options.run)
        self.options = options
        self.clock = PodClock(options.knobs.speed)
        self.journal = Journal(self.clock)
        self.port = service_port(workload.pod, options.port)
        self.rolls = self.scenario.name == "rollout"
        self.service = Service(
            self.clock, self.journal, lag=options.knobs.endpoint_lag, alone=self.rolls
        )
        self.service.told = self._wake
        self.load = Load(self.service, self.clock, options.traffic)
        self.proxy = Proxy(self.service)
        self.replicas: list[Replica] = []
        self.tasks: TaskGroup
        self.became_ready = False
        self.finished = False
        self.calm_at: float | None = None
        """When the story was over; what comes after is clearing up."""
        self._machine = machine
        self._numbers = count(1)
        self._changed = anyio.Event()

    @property
    def pod(self) -> Replica:
        return self.replicas[0]

    async def play(self) -> None:
        """Start, load, scenario, calm; then whatever still runs is killed."""
        unsubscribe = self.journal.subscribe(self._hear)
        try:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(self.service.follow())
                if self.port is not None:
                    await stack.enter_async_context(self.proxy.open())
                    self._say(
                        f"http://{self.proxy.address} leads to the pods, for clients of yours"
                    )
                self.tasks = await stack.enter_async_context(anyio.create_task_group())
                await self._play()
                self.calm_at = self.clock.now()
                self.tasks.cancel_scope.cancel()
        finally:
            unsubscribe()

    async def _play(self) -> None:
        if self.scenario.begin is not None:
            self.tasks.start_soon(self.scenario.begin, self)
        if self.rolls:
            self._say(
                "replicas share this machine's ports: 0.0.0.0 in commands is each one's own address"
            )
        for _ in range(
            Rollout.of(self.workload, self.options.replicas).replicas if self.rolls else 1
        ):
            await self._add()
        self.became_ready = await self._until(
            lambda: all(one.ready_since is not None for one in self.replicas),
            self.options.start_within,
            unless=lambda: any(one.hopeless for one in self.replicas),
        )
        patience = self.options.patience(self.workload.pod, ready=self.became_ready)
        with self.clock.move_on_after(patience):
            await (self._perform() if self.became_ready else self._give_up())
            self.finished = True

    async def _perform(self) -> None:
        async with anyio.create_task_group() as clients:
            self.service.catch_up()
            if self.port is not None:
                clients.start_soon(self.load.run)
            # Without traffic too: a program that has only just begun has no handler yet.
            await self.clock.sleep(self.options.before)
            await self.scenario.play(self)
            await self._until(self._calm, self.options.end_within)
            if not self._over():
                await self.clock.sleep(self.options.after)
            self.load.stop()

    def _over(self) -> bool:
        return all(one.ended.is_set() for one in self.replicas)

    def _calm(self) -> bool:
        """Nobody is led to where nobody is."""
        return self.service.settled or (self._over() and not self.service.routed)

    async def _give_up(self) -> None:
        """It is stopped all the same: there may be something to see."""
        if self.port is not None:
            await self._look_elsewhere(self.port)
        for one in self.replicas:
            if not one.ended.is_set():
                one.worker.delete()
        for one in self.replicas:
            await one.ended.wait()

    async def _look_elsewhere(self, port: int) -> None:
        """The classic: a server that listens on the loopback address only, where no kubelet comes."""
        for host, reached in ((self.pod.address, True), ("127.0.0.1", False)):
            try:
                with anyio.move_on_after(1) as slow:
                    await (await anyio.connect_tcp(host, port)).aclose()
            except OSError:
                if reached:
                    continue
                return
            if reached or slow.cancelled_caught:
                return
        self.journal.append(
            Kind.NOTE,
            detail=f"port {port} answers on 127.0.0.1 only",
            pod=self.pod.name,
            loopback=True,
        )

    # What scenarios do

    async def heard(self, kind: Kind, *, since: int | None = None) -> Event | None:
        """The next event of this kind; None if none comes before the pod could have started."""
        begin = len(self.journal.events) if since is None else since
        await self._until(
            lambda: any(event.kind is kind for event in self.journal.events[begin:]),
            self.options.start_within,
        )
        return next((event for event in self.journal.events[begin:] if event.kind is kind), None)

    async def crash(self, *, out_of_memory: bool = False) -> None:
        """The regular containers die, and come back."""
        names = {one.name for one in self.workload.pod.containers}
        begin = len(self.journal.events)
        for name, process in list(self.pod.faults.processes.items()):
            if name in names:
                await process.crash(out_of_memory=out_of_memory)
        await self._back(begin)

    async def back_again(self, *, until: Kind, before: Callable[[], None]) -> None:
        """Wait for the event, do something, and wait for the pod to be ready again."""
        begin = len(self.journal.events)
        if await self.heard(until, since=begin):
            before()
            await self._back(begin)

    async def _back(self, begin: int) -> None:
        def is_back() -> bool:
            events = self.journal.events[begin:]
            started = {event.container for event in events if event.kind is Kind.STARTED}
            ready: set[str] = set()
            for event in events:
                if event.kind is Kind.READY:
                    ready.add(event.container)
                elif event.kind in {Kind.STARTED, Kind.NOT_READY, Kind.EXITED}:
                    ready.discard(event.container)
            return bool(started) and started <= ready

        await self._until(is_back, self.options.start_within, unless=self.pod.ended.is_set)

    async def roll_out(self) -> None:
        """Replace all pods, as the workload's controller does."""
        plan = Rollout.of(self.workload, self.options.replicas)
        while not plan.over(self._counts()):
            step = plan.step(self._counts())
            for _ in range(step.create):
                await self._add(renewed=True)
            for one in self._victims(step.delete):
                one.leaving = True
                one.worker.delete()
            if not step.create and not step.delete:
                await self._change()

    def _victims(self, number: int) -> list[Replica]:
        """Those that are not ready first, then those that have been so for the shortest time."""
        old = [one for one in self.replicas if not one.renewed and not one.leaving]
        old.sort(key=lambda one: (one.ready_since is not None, -(one.ready_since or 0)))
        return old[:number]

    def _counts(self) -> Counts:
        there = [one for one in self.replicas if not one.leaving and not one.ended.is_set()]
        now = self.clock.now()

        def available(one: Replica) -> bool:
            since = one.ready_since
            return since is not None and now - since >= self.workload.min_ready_seconds

        return Counts(
            old=sum(not one.renewed for one in there),
            old_available=sum(not one.renewed and available(one) for one in there),
            new=sum(one.renewed for one in there),
            new_available=sum(one.renewed and available(one) for one in there),
            leaving=sum(one.leaving and not one.ended.is_set() for one in self.replicas),
        )

    # How it is done

    async def _add(self, *, renewed: bool = False) -> None:
        faults = Faults()
        self.scenario.prepare(faults, self.options)
        name = f"{self.workload.name}-{next(self._numbers)}" if self.rolls else self.workload.name
        replica = Replica(name, faults, renewed)
        self.replicas.append(replica)
        await self.tasks.start(self._live, replica)

    async def _live(
        self,
        replica: Replica,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        opened = self._machine.open(replica.name, self.workload.pod, self.journal, self.clock)
        async with opened as (runtime, network):
            replica.worker = PodWorker(
                self.workload.pod,
                name=replica.name,
                runtime=FaultyRuntime(
                    runtime,
                    self.clock,
                    replica.faults,
                    address=network.address if self.rolls else "",
                ),
                network=FaultyNetwork(network, replica.faults),
                clock=self.clock,
                journal=self.journal,
                knobs=self.options.knobs,
            )
            replica.address = network.address
            if self.port is not None or self.rolls:
                self.service.add(Backend(replica.name, network.address, self.port or 0))
            task_status.started()
            await replica.worker.run()
            replica.ended.set()
            self._wake()

    def _hear(self, event: Event) -> None:
        replica = next((one for one in self.replicas if one.name == event.pod), None)
        if replica is not None:
            match event.kind:
                case Kind.POD_READY:
                    replica.ready_since = event.at
                case Kind.POD_NOT_READY:
                    replica.ready_since = None
                case Kind.RESTARTED:
                    replica.restarts += 1
                case _:
                    pass
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def _change(self) -> None:
        """Something happened, or minReadySeconds may have passed."""
        with self.clock.move_on_after(self.workload.min_ready_seconds or float("inf")):
            await self._changed.wait()

    async def _until(
        self,
        condition: Callable[[], bool],
        seconds: float,
        *,
        unless: Callable[[], bool] = lambda: False,
    ) -> bool:
        with self.clock.move_on_after(seconds):
            while not condition() and not unless():
                changed = self._changed
                await changed.wait()
        return condition()

    def _say(self, text: str) -> None:
        self.journal.append(Kind.NOTE, detail=text)
