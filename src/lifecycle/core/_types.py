"""What hooks are given, and what those who watch are told."""

from dataclasses import dataclass
from enum import StrEnum
from signal import Signals

from lifecycle.core._table import Event, Phase


class StopSource(StrEnum):
    """Who asked for the stop."""

    SIGNAL = "signal"
    """SIGTERM, SIGINT or SIGQUIT."""
    ENDPOINT = "endpoint"
    """preStop: the `/shutdown` endpoint."""
    WORKER = "worker"
    """preStop reached another worker of the same server, which answers for all."""
    CALL = "call"
    """`Lifecycle.request_stop`, or the main function returned."""
    TASK = "task"
    """An essential task, the main function or the application's lifespan crashed."""
    SERVER = "server"
    """The server sent `lifespan.shutdown` and nobody had asked before: its port is closed already."""


@dataclass(frozen=True, slots=True)
class StopRequest:
    """The first request to stop; later ones join it."""

    reason: str
    source: StopSource
    signal: Signals | None
    requested_at: float
    """Wall clock, seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class PhaseChange:
    """One move of the state machine."""

    before: Phase
    after: Phase
    cause: Event
    at: float
    """Seconds since the start, on the event loop's clock."""
