"""What we do about it: hooks run, signals are heard, the deadline is kept, on asyncio and on trio."""

from lifecycle.runtime._attempt import Attempt, Resource
from lifecycle.runtime._container import container_started_at
from lifecycle.runtime._engine import Engine
from lifecycle.runtime._host import Host
from lifecycle.runtime._in_flight import InFlight, Work
from lifecycle.runtime._lifecycle import Lifecycle
from lifecycle.runtime._loop import Flag, Loop
from lifecycle.runtime._main import main_hook
from lifecycle.runtime._report import report_path, write_report
from lifecycle.runtime._signals import STOP_SIGNALS, EarlySignals, SignalRelay
from lifecycle.runtime._trigger import TriggerWatch, wait_for_file
from lifecycle.runtime._watchdog import Watchdog, end_without_the_interpreter

__all__ = [
    "Attempt",
    "EarlySignals",
    "Engine",
    "Flag",
    "Host",
    "InFlight",
    "Lifecycle",
    "Loop",
    "Resource",
    "STOP_SIGNALS",
    "SignalRelay",
    "TriggerWatch",
    "Watchdog",
    "Work",
    "container_started_at",
    "end_without_the_interpreter",
    "main_hook",
    "report_path",
    "wait_for_file",
    "write_report",
]
