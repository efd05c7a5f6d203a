"""What happened, and when: the one record that the timeline, the report and the verdict are made from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lifecycle.rehearse._clock import PodClock

JSON = str | int | float | bool | None | list["JSON"] | dict[str, "JSON"]


class Kind(StrEnum):
    """What an event is about. Of a container unless it says otherwise."""

    STARTED = "started"
    """The process was started. Data: `pid`, `instance` (0 is the first)."""
    RESTARTED = "restarted"
    """It is about to be started again; `started` follows. Data: `restarts`."""
    EXITED = "exited"
    """Data: `exit_code`, `reason` (Completed, Error, OOMKilled), `message` (termination message)."""
    POST_START_BEGAN = "post-start-began"
    POST_START_ENDED = "post-start-ended"
    """Data: `ok`, `seconds`, `message`; `lost` if a restart of the kubelet cut it off."""
    PRE_STOP_BEGAN = "pre-stop-began"
    """Data: `grace`, the seconds that it may take."""
    PRE_STOP_ENDED = "pre-stop-ended"
    """Data: `ok`, `seconds`, `message`; `abandoned` if nobody waited for it any more."""
    PRE_STOP_ABANDONED = "pre-stop-abandoned"
    """The grace period is used up: the hook runs on, the stop signal is sent."""
    KILLING = "killing"
    """The kubelet begins to stop a container. Data: `reason`, `grace`."""
    SIGNAL = "signal"
    """Detail: SIGTERM, SIGKILL… Data: `ignored` if PID 1 had no handler; `timeout`, seconds until SIGKILL."""
    PROBE = "probe"
    """A probe's outcome, each time it changes. Data: `probe` (startup, liveness, readiness), `ok`, `message`."""
    READY = "ready"
    NOT_READY = "not-ready"
    WAITING = "waiting"
    """Detail: PodInitializing, CrashLoopBackOff… Data: `seconds` until the next attempt, if known."""
    WARNING = "warning"
    """An event of type Warning, as `kubectl describe` shows it. Detail: its message. Data: `reason`."""
    LOG = "log"
    """A line of the container's output, in the detail. Data: `stream`."""
    NOTE = "note"
    """What the reader of a rehearsal should know about the rehearsal itself."""

    POD_READY = "pod-ready"
    POD_NOT_READY = "pod-not-ready"
    PHASE = "phase"
    """Of the pod. Detail: Pending, Running, Succeeded, Failed. Data: `reason`."""
    DELETED = "deleted"
    """Of the pod. Data: `grace`, `force`."""
    EVICTED = "evicted"
    """Of the pod, by its node: no deletionTimestamp. Data: `grace`."""
    NODE_SHUTDOWN = "node-shutdown"
    """Of the pod: graceful node shutdown. Data: `grace`."""
    DEADLINE_EXCEEDED = "deadline-exceeded"
    """Of the pod: activeDeadlineSeconds."""
    KUBELET_RESTARTED = "kubelet-restarted"
    """Of the pod."""
    ENDPOINT_ADDED = "endpoint-added"
    """Of the pod."""
    ENDPOINT_REMOVED = "endpoint-removed"
    """Of the pod."""


STOPS = frozenset({Kind.DELETED, Kind.EVICTED, Kind.NODE_SHUTDOWN, Kind.DEADLINE_EXCEEDED})
"""Each of these is a pod's T0."""


@dataclass(frozen=True, slots=True)
class Event:
    """`at` in seconds of the pod's own time since the rehearsal began; `container` is empty for what is the pod's."""

    at: float
    kind: Kind
    container: str = ""
    pod: str = ""
    detail: str = ""
    data: Mapping[str, JSON] = field(default_factory=dict[str, JSON])


class Journal:
    """All events, in their order; subscribers hear of each at once."""

    def __init__(self, clock: PodClock) -> None:
        self._clock = clock
        self._subscribers: list[Callable[[Event], object]] = []
        self.events: list[Event] = []

    def append(
        self, kind: Kind, container: str = "", detail: str = "", *, pod: str = "", **data: JSON
    ) -> Event:
        event = Event(self._clock.now(), kind, container, pod, detail, data)
        self.events.append(event)
        for subscriber in tuple(self._subscribers):
            subscriber(event)
        return event

    def subscribe(self, subscriber: Callable[[Event], object]) -> Callable[[], None]:
        """What is returned ends the subscription."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)
