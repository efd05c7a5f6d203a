"""A machine under the rehearsing kubelet that is made of timers: what happens is written down beforehand."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import ByteStream, TaskGroup

from lifecycle.kube import Container, Grpc, HttpGet, Pod
from lifecycle.rehearse import (
    CannotStartError,
    Event,
    ExecResult,
    Exit,
    HttpResult,
    Journal,
    Kind,
    Knobs,
    NoAnswerError,
    PodClock,
    PodWorker,
)
from lifecycle.rehearse._grpc import SERVING

NEVER = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What one instance of a container does. Without a handler it ignores SIGTERM, as PID 1 does."""

    exits_after: float = NEVER
    code: int = 0
    term_after: float | None = None
    """Seconds from SIGTERM to its exit; None: no handler."""
    term_code: int = 0
    starts: bool = True
    log: bytes = b""
    message: bytes = b""


@dataclass(frozen=True, slots=True)
class Act:
    """What a command or a request does: it takes so long, and ends with an exit code or status; None is no answer."""

    seconds: float = 0
    result: int | None = 0
    output: str = ""
    error: str = ""


IGNORES = Life()


@dataclass(eq=False)
class FakeProcess:
    clock: PodClock
    tasks: TaskGroup
    life: Life
    acts: Mapping[str, Act | list[Act]]
    pid: int
    started_at: float
    gone: anyio.Event = field(default_factory=anyio.Event)
    exit: Exit | None = None
    runs: int = 0

    def __post_init__(self) -> None:
        if self.life.exits_after < NEVER:
            self.tasks.start_soon(self._end_in, self.life.exits_after, self.life.code)

    @property
    def alive(self) -> bool:
        return self.exit is None

    async def _end_in(self, seconds: float, code: int) -> None:
        await self.clock.sleep(seconds)
        self.end(code)

    def end(self, code: int) -> None:
        if self.exit is None:
            reason = "Error" if code else "Completed"
            self.exit = Exit(
                code=code,
                at=self.clock.now(),
                reason=reason,
                file=self.life.message,
                log=self.life.log,
            )
            self.gone.set()

    async def signal(self, number: int) -> bool:
        if self.life.term_after is None:
            return False
        self.tasks.start_soon(self._end_in, self.life.term_after, self.life.term_code)
        return True

    async def kill(self) -> None:
        self.end(137)

    async def wait(self) -> Exit:
        await self.gone.wait()
        assert self.exit is not None
        return self.exit

    async def run(self, command: Sequence[str]) -> ExecResult:
        if self.exit is not None:
            return ExecResult(code=-1, error="container is not running")
        act = next_act(self.acts, command[0])
        ended = ExecResult(code=137)
        async with anyio.create_task_group() as tasks:

            async def work() -> None:
                nonlocal ended
                await self.clock.sleep(act.seconds)
                assert act.result is not None
                ended = ExecResult(code=act.result, output=act.output, error=act.error)
                tasks.cancel_scope.cancel()

            tasks.start_soon(work)
            await self.gone.wait()
            tasks.cancel_scope.cancel()
        return ended


def next_act(acts: Mapping[str, Act | list[Act]], name: str) -> Act:
    act = acts[name]
    if isinstance(act, Act):
        return act
    return act.pop(0) if len(act) > 1 else act[0]


@dataclass(eq=False)
class FakeMachine:
    """Runtime and network in one."""

    clock: PodClock
    tasks: TaskGroup
    lives: Mapping[str, Sequence[Life]]
    acts: Mapping[str, Act | list[Act]]
    address: str = "127.83.0.1"
    processes: list[tuple[str, FakeProcess]] = field(default_factory=list)
    probed: list[tuple[float, str]] = field(default_factory=list)

    async def start(self, container: Container, instance: int) -> FakeProcess:
        lives = self.lives.get(container.name, (IGNORES,))
        life = lives[min(instance, len(lives) - 1)]
        if not life.starts:
            raise CannotStartError("no such file")
        process = FakeProcess(
            self.clock, self.tasks, life, self.acts, len(self.processes) + 2, self.clock.now()
        )
        self.processes.append((container.name, process))
        return process

    async def hook(self, get: HttpGet, container: Container) -> HttpResult:
        return await self._get(get)

    async def probe(self, get: HttpGet, container: Container) -> HttpResult:
        self.probed.append((self.clock.now(), get.path))
        return await self._get(get)

    async def _get(self, get: HttpGet) -> HttpResult:
        act = next_act(self.acts, get.path)
        await self.clock.sleep(act.seconds)
        if act.result is None:
            raise NoAnswerError("connection refused")
        return HttpResult(status=act.result, warning=act.error)

    async def dial(self, host: str, port: int) -> ByteStream:
        raise ConnectionRefusedError

    async def connect(self, host: str | None, port: int) -> None:
        if next_act(self.acts, str(port)).result is None:
            raise NoAnswerError("connection refused")

    async def health(self, check: Grpc, container: Container) -> str:
        await self.connect(None, check.port)
        return SERVING


@dataclass(eq=False)
class Play:
    worker: PodWorker
    clock: PodClock
    journal: Journal
    machine: FakeMachine
    tasks: TaskGroup

    def events(self, kind: Kind, container: str = "", detail: str = "") -> list[Event]:
        return [
            event
            for event in self.journal.events
            if event.kind is kind and event.container == container and detail in event.detail
        ]

    def times(self, kind: Kind, container: str = "app", detail: str = "") -> list[float]:
        """To the millisecond."""
        return [round(event.at, 3) for event in self.events(kind, container, detail)]

    def phase(self) -> str:
        return self.worker.phase.value

    def warnings(self, container: str = "app") -> list[str]:
        return [str(event.data["reason"]) for event in self.events(Kind.WARNING, container)]

    async def until(self, at: float) -> None:
        await self.clock.sleep(at - self.clock.now())

    async def delete(self, at: float, grace: float | None = None) -> None:
        """And wait for the end of the pod."""
        await self.until(at)
        self.worker.delete(grace)
        await self.worker.ended.wait()


@asynccontextmanager
async def played(
    pod: Pod,
    *,
    acts: Mapping[str, Act | list[Act]] | None = None,
    knobs: Knobs | None = None,
    **lives: Life | Sequence[Life],
) -> AsyncIterator[Play]:
    """The pod runs; `lives` by the names of its containers, `acts` by first word of a command or path of a request."""
    clock = PodClock((knobs or Knobs()).speed)
    journal = Journal(clock)
    clock.now()
    async with anyio.create_task_group() as tasks:
        scripts = {
            name: (life,) if isinstance(life, Life) else tuple(life) for name, life in lives.items()
        }
        machine = FakeMachine(clock, tasks, scripts, acts or {})
        worker = PodWorker(
            pod,
            name="pod-0",
            runtime=machine,
            network=machine,
            clock=clock,
            journal=journal,
            knobs=knobs,
        )
        tasks.start_soon(worker.run)
        yield Play(worker, clock, journal, machine, tasks)
        tasks.cancel_scope.cancel()
    assert not [name for name, process in machine.processes if process.alive]
