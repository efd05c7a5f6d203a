"""What came of a rehearsal. Times are pod seconds since it began; `to_dict` is the JSON that `SCHEMA` describes."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from lifecycle.kube import Where
from lifecycle.rehearse._events import Event

PLACES: Final = 3
"""Digits after the point: a process cannot be watched more finely than in milliseconds."""


class Outcome(StrEnum):
    """What became of a request."""

    ANSWERED = "answered"
    """With a status below 500; a WebSocket or a stream that was ended by the rules."""
    REFUSED = "refused"
    """Nobody listened."""
    RESET = "reset"
    """The connection broke before an answer."""
    TRUNCATED = "truncated"
    """The answer broke off."""
    TIMEOUT = "timeout"
    """No answer in time."""
    SERVER_ERROR = "server error"
    """A status of 500 or above."""
    CUT_OFF = "cut off"
    """A WebSocket without a close frame, or with a code that says failure."""


class Way(StrEnum):
    """How a client keeps its connection."""

    NEW = "new connection"
    KEPT = "kept connection"
    WEBSOCKET = "websocket"
    STREAM = "stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One request. A WebSocket or a stream is one, however much it carries."""

    at: float
    seconds: float
    outcome: Outcome
    way: Way = Way.NEW
    pod: str = ""
    path: str = "/"
    detail: str = ""
    """The status, the close code, or what the system said."""
    after_signal: float | None = None
    """Seconds from the stop signal of its pod to its sending: negative before, None where there was no signal."""

    @property
    def failed(self) -> bool:
        return self.outcome is not Outcome.ANSWERED

    def to_dict(self) -> dict[str, Any]:
        return {
            "at": _rounded(self.at),
            "seconds": _rounded(self.seconds),
            "outcome": self.outcome.value,
            "way": self.way.value,
            "pod": self.pod,
            "path": self.path,
            "detail": self.detail,
            "after_signal": _rounded(self.after_signal),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """How a container ended. `exit_code` None: it never started, or has not ended."""

    exit_code: int | None = None
    restarts: int = 0
    message: str = ""
    """Its termination message."""

    def to_dict(self) -> dict[str, Any]:
        return {"exit_code": self.exit_code, "restarts": self.restarts, "message": self.message}


class Severity(StrEnum):
    """What a finding costs: an error breaks a promise, a warning may do so elsewhere, a note explains."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that went wrong, or nearly, and what to write instead."""

    id: str
    severity: Severity
    what: str
    fix: str
    container: str = ""
    pod: str = ""
    at: float | None = None
    where: Where | None = None
    """In the manifest."""
    times: int = 1
    """How often the same was found: in several lives of a container, or in several pods."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "severity": self.severity.value,
            "what": self.what,
            "fix": self.fix,
            "container": self.container,
            "pod": self.pod,
            "at": _rounded(self.at),
            "where": None if self.where is None else str(self.where),
            "times": self.times,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a scenario asks for. `kept` None: it was not put to the test, and `detail` says why."""

    id: str
    title: str
    kept: bool | None
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {"id": self.id, "title": self.title, "kept": self.kept, "detail": self.detail}


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A part of the grace period, and who spent it."""

    who: str
    began: float
    """Seconds since the rehearsal began."""
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "who": self.who,
            "began": _rounded(self.began),
            "seconds": _rounded(self.seconds),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """The grace period of one container, and where it went."""

    container: str
    pod: str
    granted: float
    began: float
    shares: tuple[Share, ...] = ()
    life: int = 1
    """Which one of the container's lives it ended: 2 after the first restart."""

    @property
    def spent(self) -> float:
        return sum(share.seconds for share in self.shares)

    @property
    def unused(self) -> float:
        return max(self.granted - self.spent, 0.0)

    def to_dict(self) -> dict[str, Any]:
        return {
            "container": self.container,
            "pod": self.pod,
            "granted": self.granted,
            "began": _rounded(self.began),
            "shares": [share.to_dict() for share in self.shares],
            "unused": _rounded(self.unused),
            "life": self.life,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a file keeps of requests that were answered: one by one only those that failed are in it."""

    sent: int
    p50: float | None = None
    p99: float | None = None
    in_flight: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One scenario, played once."""

    title: str
    """The workload: `Pod/web`."""
    scenario: str
    what: str = ""
    """The scenario in a sentence."""
    events: tuple[Event, ...] = ()
    containers: Mapping[str, Fate] = field(default_factory=dict[str, Fate])
    """By name; by `pod/name` where there are several pods."""
    samples: tuple[Sample, ...] = ()
    totals: Totals | None = None
    """Of a result that was read from a file: `samples` are those that failed."""
    reconnected: int = 0
    """Kept connections that were closed before anything was sent on them: no failure, clients open another."""
    findings: tuple[Finding, ...] = ()
    promises: tuple[Promise, ...] = ()
    purses: tuple[Purse, ...] = ()
    phases: Mapping[str, str] = field(default_factory=dict[str, str])
    """Succeeded or Failed, by pod."""
    notes: tuple[str, ...] = ()
    """What was not as in a cluster."""
    seconds: float = 0.0
    """How long it took."""

    @property
    def sent(self) -> int:
        return len(self.samples) if self.totals is None else self.totals.sent

    @property
    def failed(self) -> tuple[Sample, ...]:
        return tuple(sample for sample in self.samples if sample.failed)

    @property
    def kept(self) -> bool:
        """The verdict: no promise was broken."""
        return all(promise.kept is not False for promise in self.promises)

    @property
    def several_pods(self) -> bool:
        return len({event.pod for event in self.events if event.pod}) > 1

    def purse_name(self, purse: Purse) -> str:
        """Whose it is, and of which life where the container had several."""
        name = f"{purse.pod}/{purse.container}" if self.several_pods else purse.container
        others = (one for one in self.purses if one is not purse)
        again = any((one.pod, one.container) == (purse.pod, purse.container) for one in others)
        return f"{name}, life {purse.life}" if again or purse.life > 1 else name

    def in_flight(self) -> Iterator[tuple[float, int]]:
        """Steps: from this moment on so many requests were under way. Long-lived streams are not counted."""
        if self.totals is not None:
            yield from self.totals.in_flight
            return
        steps: dict[float, int] = {}
        for sample in self.samples:
            if sample.way in {Way.NEW, Way.KEPT}:
                for at, step in ((sample.at, 1), (sample.at + sample.seconds, -1)):
                    steps[at] = steps.get(at, 0) + step
        count = 0
        for at in sorted(steps):
            count += steps[at]
            yield at, count

    def latency(self, share: float) -> float | None:
        """Seconds within which this share of the answered requests was answered: 0.5, 0.99."""
        if self.totals is not None:
            return {0.5: self.totals.p50, 0.99: self.totals.p99}.get(share)
        took = sorted(
            sample.seconds
            for sample in self.samples
            if sample.way in {Way.NEW, Way.KEPT} and not sample.failed
        )
        return percentile(took, share)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON types: what `SCHEMA` describes."""
        return {
            "title": self.title,
            "scenario": self.scenario,
            "what": self.what,
            "kept": self.kept,
            "seconds": _rounded(self.seconds),
            "events": [_event(event) for event in self.events],
            "containers": {name: fate.to_dict() for name, fate in self.containers.items()},
            "requests": {
                "sent": self.sent,
                "failed": len(self.failed),
                "reconnected": self.reconnected,
                "latency": {
                    name: _rounded(self.latency(share))
                    for name, share in (("p50", 0.5), ("p99", 0.99))
                },
                "failures": [sample.to_dict() for sample in self.failed],
                "in_flight": [[_rounded(at), count] for at, count in self.in_flight()],
            },
            "findings": [finding.to_dict() for finding in self.findings],
            "promises": [promise.to_dict() for promise in self.promises],
            "purses": [purse.to_dict() for purse in self.purses],
            "phases": dict(self.phases),
            "notes": list(self.notes),
        }


def percentile(in_order: list[float], share: float) -> float | None:
    """By the nearest rank: of twenty values the p99 is the largest."""
    if not in_order:
        return None
    return in_order[max(math.ceil(share * len(in_order)), 1) - 1]


def _event(event: Event) -> dict[str, Any]:
    return {
        "at": _rounded(event.at),
        "container": event.container,
        "kind": event.kind.value,
        "detail": event.detail,
        "pod": event.pod,
        "data": dict(event.data),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, PLACES)
