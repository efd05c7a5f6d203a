"""One kind of finding: what it means, what to write instead, and how it is found."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lifecycle.kube import NOWHERE, Where
from lifecycle.rehearse._events import Event
from lifecycle.rehearse._hints import HINTS
from lifecycle.rehearse._result import Finding, Severity
from lifecycle.rehearse._story import Stop, Story


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`values` go into the rule's fix."""

    what: str
    container: str = ""
    pod: str = ""
    at: float | None = None
    where: Where | None = None
    values: dict[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`means` and `fix` are what the documentation shows."""

    id: str
    severity: Severity
    means: str
    fix: str
    find: Callable[[Story], Iterator[Found]]

    def findings(self, story: Story, *, promised: bool) -> Iterator[Finding]:
        """What no promise of the scenario is about is worth a note."""
        meant = self.id in story.scenario.expects
        unasked = self.severity is Severity.ERROR and not promised
        hint = HINTS.get(story.scenario.name, {}).get(self.id)
        for found in self.find(story):
            yield Finding(
                id=self.id,
                severity=Severity.NOTE if meant or unasked else self.severity,
                what=found.what,
                fix=hint or self.fix.format(**found.values),
                container=found.container,
                pod=found.pod,
                at=found.at,
                where=None if found.where == NOWHERE else found.where,
            )


def lifecycle_place(story: Story, name: str = "") -> Where | None:
    """Where the hooks of a container stand, or would stand."""
    container = story.container(name) if name else story.workload.pod.containers[0]
    return container.lifecycle_place.where if container else None


def hook_place(story: Story, name: str, hook: str) -> Where | None:
    container = story.container(name)
    handler = container.hooks.get(hook) if container else None
    return handler.place.where if handler else lifecycle_place(story, name)


def command_place(story: Story, name: str) -> Where | None:
    container = story.container(name)
    return container.place.at("command", "args", "image") if container else None


def found_of(
    stop: Stop,
    what: str,
    *,
    at: float | None = None,
    where: Where | None = None,
    values: dict[str, object] | None = None,
) -> Found:
    return Found(
        what=what,
        container=stop.container,
        pod=stop.pod,
        at=at,
        where=where,
        values=values or {},
    )


def found_at(event: Event, what: str, where: Where | None) -> Found:
    return Found(what=what, container=event.container, pod=event.pod, at=event.at, where=where)
