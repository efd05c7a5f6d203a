"""Plays the kubelet to real local processes, and says what came of it."""

from lifecycle.rehearse._advice import Advice, advise
from lifecycle.rehearse._asserts import assert_inside_budget, assert_kept, assert_nothing_lost
from lifecycle.rehearse._baseline import read_baseline, worse
from lifecycle.rehearse._clock import PodClock
from lifecycle.rehearse._events import STOPS, Event, Journal, Kind
from lifecycle.rehearse._html import to_html
from lifecycle.rehearse._knobs import Knobs
from lifecycle.rehearse._kubelet import PodWorker
from lifecycle.rehearse._live import live
from lifecycle.rehearse._load import Load, Traffic
from lifecycle.rehearse._machine import LocalMachine
from lifecycle.rehearse._options import Options, signals_of_images
from lifecycle.rehearse._play import play, pod_ip
from lifecycle.rehearse._recipe import LocalOptions
from lifecycle.rehearse._rehearse import Watch, rehearse
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
from lifecycle.rehearse._scenarios import SCENARIOS, Scenario
from lifecycle.rehearse._schema import schema
from lifecycle.rehearse._stage import Machine, Stage
from lifecycle.rehearse._state import ContainerStatus, PodPhase
from lifecycle.rehearse._stored import read_results
from lifecycle.rehearse._summary import findings, in_a_line, side_by_side, summary
from lifecycle.rehearse._timeline import line, timeline

__all__ = [
    "Advice",
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
    "Load",
    "LocalMachine",
    "LocalOptions",
    "Machine",
    "Network",
    "NoAnswerError",
    "Options",
    "Outcome",
    "PodClock",
    "PodPhase",
    "PodWorker",
    "Process",
    "Promise",
    "Purse",
    "Result",
    "Runtime",
    "SCENARIOS",
    "STOPS",
    "Sample",
    "Scenario",
    "Severity",
    "Share",
    "Stage",
    "Traffic",
    "Watch",
    "Way",
    "advise",
    "assert_inside_budget",
    "assert_kept",
    "assert_nothing_lost",
    "findings",
    "in_a_line",
    "line",
    "live",
    "play",
    "pod_ip",
    "read_baseline",
    "read_results",
    "rehearse",
    "schema",
    "side_by_side",
    "signals_of_images",
    "summary",
    "timeline",
    "to_html",
    "worse",
]
