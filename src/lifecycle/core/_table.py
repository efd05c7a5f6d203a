"""The one state machine: what may happen to a process under a platform, and what each phase promises.

A phase changes only through an event, and only where `TABLE` has a row for the pair. Events that come from
outside (`EXTERNAL`) may come at any time, any number of times, because hooks are delivered at least once and
signals whenever somebody sends them: in every phase without a row of its own they are joined to what is under
way and change nothing. Every other event is the engine's own step; out of its place it is a defect.

Liveness stays green to the end: a process that is killed for draining has lost what it was draining.
See https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from lifecycle.core._errors import IllegalMoveError


class Phase(StrEnum):
    """Where in its life the process is."""

    STARTING = "starting"
    READY = "ready"
    LAME_DUCK = "lame duck"
    DRAINING = "draining"
    STOPPING = "stopping"
    ABORTING = "aborting"
    STOPPED = "stopped"
    FAILED = "failed"


class Event(StrEnum):
    """What has happened. The first three come from outside, at any time and any number of times."""

    STOP_REQUESTED = "stop requested"
    FORCED = "forced"
    TASK_CRASHED = "essential task crashed"
    STARTED = "started"
    START_FAILED = "start failed"
    ROUTES_WITHDRAWN = "routes withdrawn"
    DRAINED = "drained"
    DRAIN_TIMED_OUT = "drain timed out"
    SHUT_DOWN = "shut down"
    SHUT_DOWN_UNCLEAN = "shut down with losses"
    ROLLED_BACK = "rolled back"


EXTERNAL: Final = frozenset({Event.STOP_REQUESTED, Event.FORCED, Event.TASK_CRASHED})

TABLE: Final = MappingProxyType(
    {
        Phase.STARTING: MappingProxyType(
            {
                Event.STARTED: Phase.READY,
                Event.START_FAILED: Phase.ABORTING,
                Event.TASK_CRASHED: Phase.ABORTING,
                Event.FORCED: Phase.ABORTING,
                Event.STOP_REQUESTED: Phase.STOPPING,
            }
        ),
        Phase.READY: MappingProxyType(
            {
                Event.STOP_REQUESTED: Phase.LAME_DUCK,
                Event.TASK_CRASHED: Phase.LAME_DUCK,
                Event.FORCED: Phase.STOPPING,
            }
        ),
        Phase.LAME_DUCK: MappingProxyType(
            {
                Event.ROUTES_WITHDRAWN: Phase.DRAINING,
                Event.FORCED: Phase.STOPPING,
            }
        ),
        Phase.DRAINING: MappingProxyType(
            {
                Event.DRAINED: Phase.STOPPING,
                Event.DRAIN_TIMED_OUT: Phase.STOPPING,
                Event.FORCED: Phase.STOPPING,
            }
        ),
        Phase.STOPPING: MappingProxyType(
            {
                Event.SHUT_DOWN: Phase.STOPPED,
                Event.SHUT_DOWN_UNCLEAN: Phase.FAILED,
            }
        ),
        Phase.ABORTING: MappingProxyType({Event.ROLLED_BACK: Phase.FAILED}),
        Phase.STOPPED: MappingProxyType({}),
        Phase.FAILED: MappingProxyType({}),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """What a phase means for those outside. Code asks these, never for the phase by name."""

    what: str
    """One line for people."""
    live: bool = True
    """/livez answers 200."""
    ready: bool = False
    """/readyz answers 200."""
    started: bool = False
    """/startupz answers 200."""
    accepts: bool = False
    """New work is served; otherwise it is refused with 503 and `Retry-After`."""
    closes: bool = False
    """Answers carry `Connection: close`, so that kept connections go to another replica."""
    over: bool = False
    """Nothing more will happen."""


PROMISES: Final = MappingProxyType(
    {
        Phase.STARTING: Promises(
            what="startup hooks run and the postStart trigger is awaited; then post-start hooks",
            closes=True,
        ),
        Phase.READY: Promises(what="serving", ready=True, started=True, accepts=True),
        Phase.LAME_DUCK: Promises(
            what="asked to stop: serving while routers forget the address; pre-stop hooks run",
            started=True,
            accepts=True,
            closes=True,
        ),
        Phase.DRAINING: Promises(
            what="nothing new is taken; work in flight is finished", started=True, closes=True
        ),
        Phase.STOPPING: Promises(
            what="shutdown hooks run, last started first", started=True, closes=True
        ),
        Phase.ABORTING: Promises(what="a failed start is rolled back", closes=True),
        Phase.STOPPED: Promises(what="over, nothing lost", started=True, closes=True, over=True),
        Phase.FAILED: Promises(what="over, with a loss or a failure", closes=True, over=True),
    }
)


def move(phase: Phase, event: Event) -> Phase:
    """The phase after `event`; the same phase for an external event that changes nothing.

    Raises:
        IllegalMoveError: A step of the engine's own came out of its place.
    """
    after = TABLE[phase].get(event)
    if after is not None:
        return after
    if event in EXTERNAL:
        return phase
    raise IllegalMoveError(phase, event)
