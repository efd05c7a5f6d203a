"""What was seen of a rehearsal, so that it can be judged: questions that several findings ask of the events."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from lifecycle.kube import Container, Workload
from lifecycle.rehearse._events import Event, Kind
from lifecycle.rehearse._options import Options
from lifecycle.rehearse._result import Fate, Sample
from lifecycle.rehearse._scenarios import Scenario

KILL: Final = "SIGKILL"


@dataclass(frozen=True, slots=True)
class Stop:
    """One container's end at the kubelet's hands, or what there was of it."""

    container: str
    pod: str
    began: float
    granted: float
    life: int = 1
    """Which one of the container's."""
    pre_stop_began: float | None = None
    pre_stop_ended: float | None = None
    abandoned: bool = False
    signal: float | None = None
    signal_name: str = "SIGTERM"
    ignored: bool = False
    killed: float | None = None
    exited: float | None = None
    exit_code: int | None = None
    report: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Its termination message, if this library wrote it."""


@dataclass(frozen=True)
class Story:
    """Events and requests of one scenario; `finished` False: it took longer than it may."""

    workload: Workload
    scenario: Scenario
    options: Options
    events: tuple[Event, ...]
    samples: tuple[Sample, ...]
    became_ready: bool = True
    finished: bool = True
    port: int | None = None

    def of(self, *kinds: Kind) -> Iterator[Event]:
        return (event for event in self.events if event.kind in kinds)

    def container(self, name: str) -> Container | None:
        return next((one for one in self.workload.pod.everyone() if one.name == name), None)

    def label(self, container: str, pod: str) -> str:
        return f"{pod}/{container}" if self.several_pods else container

    @cached_property
    def several_pods(self) -> bool:
        return len({event.pod for event in self.events if event.pod}) > 1

    @cached_property
    def fates(self) -> dict[str, Fate]:
        """In the order in which the containers were first heard of."""
        fates: dict[str, Fate] = {}
        for event in self.events:
            if not event.container:
                continue
            name = self.label(event.container, event.pod)
            fate = fates.get(name, Fate())
            if event.kind is Kind.EXITED:
                fate = Fate(
                    exit_code=int(_number(event.data.get("exit_code"))),
                    restarts=fate.restarts,
                    message=str(event.data.get("message") or ""),
                )
            elif event.kind is Kind.RESTARTED:
                fate = Fate(restarts=fate.restarts + 1, message=fate.message)
            fates[name] = fate
        return fates

    @cached_property
    def stops(self) -> tuple[Stop, ...]:
        """Each time that the kubelet stopped a container."""
        return tuple(self._stops())

    def _stops(self) -> Iterator[Stop]:
        under_way: dict[tuple[str, str], dict[str, Any]] = {}
        lives: Counter[tuple[str, str]] = Counter()
        for event in self.events:
            key = (event.pod, event.container)
            lives[key] += event.kind is Kind.STARTED
            if event.kind is Kind.KILLING:
                # A kubelet that was restarted begins again: the grace period that the pod sees began before.
                under_way.setdefault(
                    key,
                    {
                        "began": event.at,
                        "granted": _number(event.data.get("grace")),
                        "life": max(lives[key], 1),
                    },
                )
                continue
            stop = under_way.get(key)
            if stop is None:
                continue
            _note(stop, event)
            if event.kind is Kind.EXITED:
                yield _made(under_way.pop(key), key)
        for key, stop in under_way.items():
            yield _made(stop, key)

    def started(self, stop: Stop) -> float:
        """When the life began that was ended so."""
        mine = (
            event.at
            for event in self.of(Kind.STARTED)
            if (event.pod, event.container) == (stop.pod, stop.container) and event.at <= stop.began
        )
        return max(mine, default=0.0)

    def signal_near(self, pod: str, at: float) -> float | None:
        """The stop signal of this pod that is nearest to a moment."""
        times = [stop.signal for stop in self.stops if stop.pod == pod and stop.signal is not None]
        return min(times, key=lambda time: abs(at - time), default=None)


def _made(stop: dict[str, Any], key: tuple[str, str]) -> Stop:
    pod, container = key
    return Stop(container=container, pod=pod, **stop)


def _note(stop: dict[str, Any], event: Event) -> None:
    match event.kind:
        case Kind.PRE_STOP_BEGAN:
            stop.setdefault("pre_stop_began", event.at)
        case Kind.PRE_STOP_ENDED if "signal" not in stop:
            stop["pre_stop_ended"] = event.at
        case Kind.PRE_STOP_ABANDONED:
            stop["abandoned"] = True
            stop["pre_stop_ended"] = event.at
        case Kind.SIGNAL if event.detail == KILL:
            stop["killed"] = event.at
        case Kind.SIGNAL:
            stop.setdefault("signal", event.at)
            stop["signal_name"] = event.detail
            stop["ignored"] = bool(event.data.get("ignored"))
        case Kind.EXITED:
            stop["exited"] = event.at
            stop["exit_code"] = int(_number(event.data.get("exit_code")))
            stop["report"] = report_in(str(event.data.get("message") or ""))
        case _:
            pass


def report_in(message: str) -> Mapping[str, Any]:
    """The report of this library in a termination message; empty if there is none."""
    try:
        content: dict[str, Any] | None = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    return content if content and _is_ours(content) else {}


def _is_ours(content: Any) -> bool:
    """Anybody may write there anything."""
    try:
        for phase in content.get("phases", ()):
            float(phase["seconds"] or 0)
        for work in content.get("abandoned", ()):
            str(work["name"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return False
    return "exit_status" in content and "granted" in content


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
