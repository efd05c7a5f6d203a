"""Who spent the grace period: the hook, the lame duck, the drain, the shutdown hooks, or nobody."""

import itertools
from collections.abc import Iterator
from typing import Any, Final

from lifecycle.kube import Role
from lifecycle.rehearse._result import Purse, Share
from lifecycle.rehearse._story import Stop, Story

PHASES: Final = {
    "lame duck": "lame duck: served on, while routers forget the address",
    "draining": "drain: work in flight",
    "stopping": "shutdown hooks",
}
"""What this library reports of itself, in the order in which it happens."""
PRE_STOP: Final = "preStop hook"
AFTER_SIGNAL: Final = "after {signal}"
WAITING: Final = "waiting for the containers before it"
AT_ONCE: Final = 0.1
"""Seconds within which the signal follows the hook, where nobody waits for anybody."""
SHORTEST: Final = 0.001
"""Seconds: nothing below it is seen."""


def purses(story: Story) -> Iterator[Purse]:
    """Of every container that was stopped and has ended."""
    for stop in story.stops:
        if stop.exited is not None:
            yield Purse(
                container=stop.container,
                pod=stop.pod,
                granted=stop.granted,
                began=stop.began,
                shares=tuple(_shares(stop, stop.exited, waits=_waits(story, stop))),
                life=stop.life,
            )


def _waits(story: Story, stop: Stop) -> bool:
    """Only a sidecar waits for others; the signal of any other container is late because this machine is busy."""
    container = story.container(stop.container)
    return container is not None and container.role is Role.SIDECAR


def _shares(stop: Stop, end: float, *, waits: bool) -> Iterator[Share]:
    phases = list(_phases(stop, end))
    rest = list(_rest(stop, end, waits=waits))
    edges = sorted({edge for _, *span in (*phases, *rest) for edge in span})
    last: Share | None = None
    for began, ended in itertools.pairwise(edges):
        who = next((who for who, a, b in (*phases, *rest) if a <= began and ended <= b), None)
        if who is None:
            continue
        if last is not None and last.who == who:
            last = Share(who=who, began=last.began, seconds=ended - last.began)
            continue
        if last is not None and last.seconds >= SHORTEST:
            yield last
        last = Share(who=who, began=began, seconds=ended - began)
    if last is not None and last.seconds >= SHORTEST:
        yield last


def _rest(stop: Stop, end: float, *, waits: bool) -> Iterator[tuple[str, float, float]]:
    """What the kubelet saw."""
    signal = min(stop.signal if stop.signal is not None else end, end)
    hook = stop.began
    if stop.pre_stop_began is not None:
        hook = min(signal if stop.pre_stop_ended is None else stop.pre_stop_ended, signal)
        hook = signal if signal - hook < AT_ONCE else hook
        yield PRE_STOP, stop.began, hook
    waited = signal if waits and signal - hook >= AT_ONCE else hook
    yield WAITING, hook, waited
    yield AFTER_SIGNAL.format(signal=stop.signal_name), waited, end


def _phases(stop: Stop, end: float) -> Iterator[tuple[str, float, float]]:
    """What the application says itself, moved to where the kubelet saw it begin."""
    asked_by_hook = stop.report.get("signal") is None and stop.pre_stop_began is not None
    at = stop.pre_stop_began if asked_by_hook else stop.signal
    if at is None:
        return
    for phase, seconds in phase_seconds(stop.report):
        if phase in PHASES and at < end:
            yield PHASES[phase], at, min(at + seconds, end)
            at += seconds


def phase_seconds(report: Any) -> Iterator[tuple[str, float]]:
    """Phases that are over, with how long they took."""
    for one in report.get("phases", ()):
        if one["seconds"] is not None:
            yield str(one["phase"]), float(one["seconds"])
