"""What the documentation shows of the code's tables, made from these tables at every build.

`python docs/tables.py` writes the same files without Sphinx. None of them is kept in git: they cannot drift.
"""

import ast
import inspect
import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import diagram

from lifecycle.core import EXTERNAL, PROMISES, SETTINGS, TABLE, Event, ExitStatus, Phase

GENERATED = Path(__file__).parent / "_generated"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


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
    from lifecycle.core import LifecycleError  # noqa: PLC0415 - here its module is what is wanted

    drawing = inspect.getdoc(sys.modules[LifecycleError.__module__]) or ""
    return f"```text\n{drawing[drawing.index('LifecycleError') :]}\n```\n"


def attribute_docstrings(cls: type) -> dict[str, str]:
    """The string below each assignment in the body of `cls`: Python itself forgets them."""
    (definition,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 - it is the source of a class
    found: dict[str, str] = {}
    for statement, below in itertools.pairwise(definition.body):
        match statement, below:
            case (
                ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = inspect.cleandoc(text)
            case _:
                pass
    return found


def states() -> str:
    """The state machine as a picture."""
    edges = [
        (phase.name, event.value, after.name)
        for phase, events in TABLE.items()
        for event, after in events.items()
    ]
    return diagram.draw([phase.name for phase in Phase], edges)


FILES = {
    "errors.md": errors,
    "exit-statuses.md": exit_statuses,
    "moves.md": moves,
    "phases.md": phases,
    "settings.md": settings,
    "states.svg": states,
}


def write(folder: Path = GENERATED) -> None:
    """Write every file anew."""
    folder.mkdir(exist_ok=True)
    for name, make in FILES.items():
        (folder / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    write()
