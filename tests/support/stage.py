"""Scenarios on the machine of `kubelet.py`: a whole rehearsal in no time, as long as nobody listens on a port."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count

import anyio

from lifecycle.kube import Container, HttpGet, Pod, Probe, Workload
from lifecycle.rehearse import Event, Journal, Kind, PodClock, Result
from lifecycle.rehearse._options import Options
from lifecycle.rehearse._stage import Stage
from lifecycle.rehearse._verdict import judge
from tests.support.kubelet import Act, FakeMachine, Life

POLITE = Life(term_after=1)


@dataclass(eq=False)
class Theatre:
    """Every pod gets a machine of its own, with the same script."""

    lives: Mapping[str, Sequence[Life]]
    acts: Mapping[str, Act | list[Act]]
    numbers: "count[int]" = field(default_factory=lambda: count(1))
    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def open(
        self, name: str, pod: Pod, journal: Journal, clock: PodClock
    ) -> AsyncIterator[tuple[FakeMachine, FakeMachine]]:
        self.opened.append(name)
        async with anyio.create_task_group() as tasks:
            address = f"127.83.1.{next(self.numbers)}"
            machine = FakeMachine(clock, tasks, self.lives, self.acts, address)
            try:
                yield machine, machine
            finally:
                self.closed.append(name)
                tasks.cancel_scope.cancel()


def pod(*, grace: float = 30, **fields: object) -> Pod:
    """One container, `web`, and no port."""
    container = Container(name="web", command=("serve",), **fields)  # type: ignore[arg-type]  # what a test writes
    return Pod(containers=(container,), grace_period=grace)


def probe(path: str, **fields: float) -> Probe:
    return Probe(check=HttpGet(port=80, path=path), **fields)  # type: ignore[arg-type]  # what a test writes


async def rehearsed(
    workload: Workload | Pod,
    scenario: str = "delete",
    *,
    acts: Mapping[str, Act | list[Act]] | None = None,
    web: Life | Sequence[Life] = POLITE,
    **options: object,
) -> tuple[Result, Theatre]:
    """Play it, and see that no pod is left open."""
    if isinstance(workload, Pod):
        workload = Workload(kind="Pod", name="pod", pod=workload)
    lives = {"web": (web,) if isinstance(web, Life) else tuple(web)}
    theatre = Theatre(lives, acts or {})
    # No traffic: sockets know nothing of a virtual clock.
    chosen = replace(Options(scenario=scenario), **options)  # type: ignore[arg-type]  # what a test writes
    stage = Stage(workload, chosen, theatre)
    stage.port = None
    await stage.play()
    assert sorted(theatre.opened) == sorted(theatre.closed)
    return judge(stage), theatre


def times(result: Result, kind: Kind, detail: str = "") -> list[float]:
    """From the moment at which the kubelet first began to kill."""
    began = next((event.at for event in result.events if event.kind is Kind.KILLING), 0.0)
    return [round(event.at - began, 2) for event in events(result, kind, detail)]


def events(result: Result, kind: Kind, detail: str = "") -> list[Event]:
    return [event for event in result.events if event.kind is kind and detail in event.detail]


def broken(result: Result) -> list[str]:
    return [promise.id for promise in result.promises if promise.kept is False]


def found(result: Result) -> list[str]:
    return [finding.id for finding in result.findings]
