"""How a pod lived: whether it got ready, was started again, had somebody beside it, and came to an end."""

import itertools
from collections.abc import Iterator
from typing import Final

from lifecycle.kube import Place, Where
from lifecycle.rehearse._events import STOPS, Event, Kind
from lifecycle.rehearse._finding import Found, found_at
from lifecycle.rehearse._story import Story

TELLING: Final = frozenset({Kind.EXITED, Kind.WARNING})
"""Kinds that may say why a container does not get ready."""


def never_ready(story: Story) -> Iterator[Found]:
    if story.became_ready:
        return
    before = itertools.takewhile(lambda event: event.kind not in STOPS, story.events)
    for event in reversed([*before]):
        failed = event.kind is Kind.PROBE and event.data.get("ok") is False
        if failed or _tells(event):
            seconds = story.options.start_within
            told = event.data.get("message") or event.detail or event.data.get("reason")
            if event.kind is Kind.EXITED:
                told = f"exit status {event.data.get('exit_code')}"
            probe = f"{event.data['probe']} probe: " if failed else ""
            yield found_at(
                event,
                f"not ready after {event.at:.0f} s (it had {seconds:g} s); the last that was seen: {probe}{told}",
                _probe_place(story, event),
            )
            return
    yield Found(what="it did not become ready, and nothing was seen that says why")


def _tells(event: Event) -> bool:
    """A probe says the same itself."""
    return event.kind in TELLING and event.data.get("reason") != "Unhealthy"


def _probe_place(story: Story, event: Event) -> Where | None:
    container = story.container(event.container)
    if container is None:
        return None
    probe = container.probes.get(f"{event.data.get('probe')}Probe")
    place: Place = probe.place if probe else container.place
    return place.where


def loopback(story: Story) -> Iterator[Found]:
    for event in story.of(Kind.NOTE):
        if event.data.get("loopback"):
            yield Found(what=event.detail, pod=event.pod, at=event.at)


def restarted(story: Story) -> Iterator[Found]:
    if story.scenario.restarts:
        return
    for name, fate in story.fates.items():
        if fate.restarts:
            yield Found(what=f"it was started again {_count(fate.restarts)}", container=name)


def _count(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def not_back(story: Story) -> Iterator[Found]:
    if not story.scenario.restarts or not story.became_ready:
        return
    ready = {
        (event.pod, event.container): event.kind is Kind.READY
        for event in story.of(Kind.READY, Kind.NOT_READY)
    }
    for (pod, container), is_ready in ready.items():
        if not is_ready and "back-again" in story.scenario.promises:
            yield Found(what="it did not become ready again", container=container, pod=pod)


def nobody(story: Story) -> Iterator[Found]:
    if "always-served" not in story.scenario.promises:
        return
    routed: set[str] = set()
    gone: float | None = None
    for event in story.of(Kind.ENDPOINT_ADDED, Kind.ENDPOINT_REMOVED):
        if event.kind is Kind.ENDPOINT_ADDED:
            if gone is not None and event.at > gone:
                yield Found(
                    what=f"from {gone:.1f} s to {event.at:.1f} s no pod was there to go to",
                    at=gone,
                    where=story.workload.place.where,
                )
            routed.add(event.pod)
            gone = None
        else:
            routed.discard(event.pod)
            gone = event.at if not routed else None


def no_end(story: Story) -> Iterator[Found]:
    if not story.finished:
        seconds = story.options.patience(story.workload.pod, ready=story.became_ready)
        yield Found(what=f"it was not over after {seconds:g} s")
