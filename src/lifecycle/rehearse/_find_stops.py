"""How containers were stopped: the signal, the grace period, the hooks, and what the application says of it."""

import math
from collections.abc import Callable, Iterator
from typing import Final

from lifecycle.kube import Role, Where
from lifecycle.rehearse._events import Kind
from lifecycle.rehearse._finding import (
    Found,
    command_place,
    found_at,
    found_of,
    hook_place,
    lifecycle_place,
)
from lifecycle.rehearse._story import Stop, Story

LITTLE: Final = 0.1
"""Share of the grace period that ought to be left: a production machine is slower than this one."""
FLOOR: Final = 2.0
"""Seconds that a container has after its stop signal, however little of its grace period is left."""
YOUNG: Final = 2.0
"""Seconds after its start within which a program may not have come to its handlers yet."""


def killed(story: Story) -> Iterator[Found]:
    for stop in story.stops:
        if stop.killed is not None and not stop.ignored:
            yield found_of(
                stop,
                f"it did not end by {stop.signal_name} and was killed {_since(stop, stop.killed):.1f} s after the"
                f" kubelet began to stop it (grace period {stop.granted:g} s)",
                at=stop.killed,
                where=_grace_period(story),
            )


def _grace_period(story: Story) -> Where:
    return story.workload.pod.place.at("terminationGracePeriodSeconds")


def ignored(story: Story) -> Iterator[Found]:
    for stop in story.stops:
        # Whoever ended all the same had other ways to hear of it.
        if stop.ignored and stop.killed is not None:
            age = None if stop.signal is None else stop.signal - story.started(stop)
            yet = f" yet, {age:.2f} s after its start" if age is not None and age < YOUNG else ""
            yield found_of(
                stop,
                f"its PID 1 {'had' if yet else 'has'} no handler for {stop.signal_name}{yet}, so the kernel did not deliver it",
                at=stop.signal,
                where=command_place(story, stop.container),
            )


def exit_status(story: Story) -> Iterator[Found]:
    regular = {one.name for one in story.workload.pod.containers}
    for stop in story.stops:
        if stop.exit_code and stop.killed is None and stop.container in regular:
            died = f", died of signal {stop.exit_code - 128}" if stop.exit_code > 128 else ""  # noqa: PLR2004 - as shells say it
            yield found_of(
                stop,
                f"it ended with exit status {stop.exit_code}{died}: the pod counts as failed",
                at=stop.exited,
                where=command_place(story, stop.container),
            )


def by_itself(story: Story) -> Iterator[Found]:
    """An end that no scenario brought about, and no kubelet."""
    if story.scenario.restarts:
        return
    stopped = {(stop.pod, stop.container, stop.exited) for stop in story.stops}
    for event in story.of(Kind.EXITED):
        container = story.container(event.container)
        if container is None or container.role is Role.INIT:
            continue
        code = event.data.get("exit_code")
        policy = container.restart_policy or story.workload.pod.restart_policy
        if (code or policy == "Always") and ((event.pod, event.container, event.at) not in stopped):
            again = "" if policy == "Never" else f", and restartPolicy {policy} starts it again"
            yield found_at(
                event,
                f"it ended with exit status {code}, and nobody had asked it to{again}",
                command_place(story, event.container),
            )


def pre_stop_took_all(story: Story) -> Iterator[Found]:
    for stop in story.stops:
        if stop.pre_stop_began is None or stop.pre_stop_ended is None:
            continue
        took = stop.pre_stop_ended - stop.pre_stop_began
        if stop.abandoned or stop.granted - took < FLOOR:
            gave_up = ", and nobody waits for it any longer" if stop.abandoned else ""
            yield found_of(
                stop,
                f"the preStop hook took {took:.1f} s of {stop.granted:g} s{gave_up}: {FLOOR:g} s are left to end",
                at=stop.pre_stop_ended,
                where=hook_place(story, stop.container, "preStop"),
            )


def little_left(story: Story) -> Iterator[Found]:
    for stop in story.stops:
        ended = stop.exited is not None and stop.killed is None and not stop.abandoned
        if stop.exited is None or not ended or stop.granted <= FLOOR:
            continue
        left = stop.granted - _since(stop, stop.exited)
        if left < LITTLE * stop.granted:
            yield found_of(
                stop,
                f"it ended {left:.1f} s before the end of its grace period of {stop.granted:g} s",
                at=stop.exited,
                where=_grace_period(story),
            )


def hook_failed(kind: Kind, hook: str) -> Callable[[Story], Iterator[Found]]:
    def find(story: Story) -> Iterator[Found]:
        for event in story.of(kind):
            data = event.data
            # An abandoned hook dies with its container: that is the other finding.
            if data.get("ok") is False and not data.get("abandoned") and not data.get("lost"):
                yield found_at(
                    event,
                    f"{hook}: {data.get('message') or event.detail or 'it failed'}",
                    hook_place(story, event.container, hook),
                )

    return find


def abandoned(story: Story) -> Iterator[Found]:
    for stop in story.stops:
        if abandoned := stop.report.get("abandoned"):
            names = [str(one["name"]) for one in abandoned]
            yield found_of(stop, f"work was cut off: {', '.join(names[:3])} ({len(names)} in all)")


def late(story: Story) -> Iterator[Found]:
    for stop in story.stops:
        late = stop.report.get("late")
        if isinstance(late, int | float) and late > 0:
            yield found_of(
                stop,
                f"the last request came {late:.2f} s after the end of its lame duck",
                where=lifecycle_place(story, stop.container),
                values={"more": f"{math.ceil(late) + 1:g}"},
            )


def _since(stop: Stop, at: float) -> float:
    return at - stop.began
