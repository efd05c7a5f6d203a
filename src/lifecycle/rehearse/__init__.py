"""Plays the kubelet to real local processes, and says what came of it."""

from lifecycle.rehearse._clock import PodClock
from lifecycle.rehearse._events import STOPS, Event, Journal, Kind
from lifecycle.rehearse._html import to_html
from lifecycle.rehearse._knobs import Knobs
from lifecycle.rehearse._kubelet import PodWorker
from lifecycle.rehearse._live import live
from lifecycle.rehearse._play import play, pod_ip
from lifecycle.rehearse._recipe import LocalOptions
from lifecycle.rehearse._result import (
    Fate,
    Finding,
    Outcome,
    Promise,
    Purse,
    Result,
    Sample,
    Severity,
    Share,
    Way,
)
from lifecycle.rehearse._runtime import (
    CannotStartError,
    ExecResult,
    Exit,
    HttpResult,
    Network,
    NoAnswerError,
    Process,
    Runtime,
)
from lifecycle.rehearse._state import ContainerStatus, PodPhase

__all__ = [
    "CannotStartError",
    "ContainerStatus",
    "Event",
    "ExecResult",
    "Exit",
    "Fate",
    "Finding",
    "HttpResult",
    "Journal",
    "Kind",
    "Knobs",
    "LocalOptions",
    "Network",
    "NoAnswerError",
    "Outcome",
    "PodClock",
    "PodPhase",
    "PodWorker",
    "Process",
    "Promise",
    "Purse",
    "Result",
    "Runtime",
    "STOPS",
    "Sample",
    "Severity",
    "Share",
    "Way",
    "live",
    "play",
    "pod_ip",
    "to_html",
]
