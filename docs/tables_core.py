"""The tables of the core: phases, moves, settings, budgets, exit statuses, errors."""

import importlib
import inspect
from collections.abc import Iterator

import diagram
from markup import attribute_docstrings, table

from lifecycle.core import (
    EXTERNAL,
    PROMISES,
    SETTINGS,
    TABLE,
    Event,
    ExitStatus,
    Phase,
    StopSource,
    divide,
)

GRACE_PERIODS = (10, 15, 30, 60, 120, 300)
"""Seconds: what manifests usually say."""


def phases() -> str:
    """What each phase promises."""
    head = ("Phase", "What happens", "`/livez`", "`/readyz`", "`/startupz`", "New work")
    return table(head, map(_phase, Phase))


def _phase(phase: Phase) -> Iterator[str]:
    promises = PROMISES[phase]
    yield f"`{phase.name}`"
    yield promises.what
    if promises.over:
        yield from "–" * 4  # noqa: RUF001 - the dash of an empty cell
        return
    for answer in (promises.live, promises.ready, promises.started):
        yield "200" if answer else "503"
    served = "served" if promises.accepts else "refused"
    yield f"{served}, `Connection: close`" if promises.closes else served


def moves() -> str:
    """Every move that exists, and what happens to the events that have none."""
    rows = (
        (f"`{phase.name}`", event.value, f"`{after.name}`")
        for phase, events in TABLE.items()
        for event, after in events.items()
    )
    external = ", ".join(f"*{event}*" for event in Event if event in EXTERNAL)
    return (
        table(("Phase", "Event", "Next phase"), rows)
        + f"\nEvents that come from outside change nothing anywhere else, however often they come: {external}.\n"
    )


def states() -> str:
    """The state machine as a picture."""
    edges = [
        (phase.name, event.value, after.name)
        for phase, events in TABLE.items()
        for event, after in events.items()
    ]
    return diagram.draw([phase.name for phase in Phase], edges)


def exit_statuses() -> str:
    """Every exit status, with the sentence that stands below it in the source."""
    meanings = attribute_docstrings(ExitStatus)
    rows = ((f"`{status:d}`", f"`{status.name}`", meanings[status.name]) for status in ExitStatus)
    return table(("Status", "Name", "Meaning"), rows)


def settings() -> str:
    """Every setting, with its environment variable and its default."""
    rows = (
        (f"`{setting.name}`", f"`{setting.variable}`", setting.default, setting.what)
        for setting in SETTINGS
    )
    return table(("Argument", "Environment", "Default", "What"), rows)


def errors() -> str:
    """The tree of errors, as it is drawn in the module that has them."""
    # The classes themselves say that they are from `lifecycle`, where users find them.
    drawing = inspect.getdoc(importlib.import_module("lifecycle.core._errors")) or ""
    return f"```text\n{drawing[drawing.index('LifecycleError') :]}\n```\n"


def budgets() -> str:
    """How usual grace periods are divided, in Kubernetes and with nothing else set."""
    head = (
        "`terminationGracePeriodSeconds`",
        "Lame duck",
        "Drain",
        "Shutdown hooks",
        "Margin",
        "Gone after",
    )
    return table(head, map(_budget, GRACE_PERIODS))


def _budget(grace: int) -> Iterator[str]:
    budget = divide(grace=grace)
    yield str(grace)
    for part in (budget.delay, budget.drain, budget.hooks, budget.margin, budget.deadline):
        yield f"{part:.1f}"


def sources() -> str:
    """Who may ask for the stop."""
    meanings = attribute_docstrings(StopSource)
    rows = ((f"`{source.value}`", meanings[source.name]) for source in StopSource)
    return table(("Source", "Who asked"), rows)
