"""What the documentation shows of the code's tables, made from these tables at every build.

`PYTHONPATH=. python docs/tables.py` writes the same files without Sphinx. None of them is kept in git: they cannot drift.
"""

import ast
import difflib
import functools
import importlib
import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click
import diagram

from lifecycle.cli import _click, _stop, _trigger
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
from lifecycle.kube import RULES, Rule, check, read_manifest
from lifecycle.rehearse import SCENARIOS, Kind
from lifecycle.rehearse._findings import FINDINGS
from lifecycle.rehearse._verdict import PROMISES as REHEARSED
from lifecycle.supervisor import _options, _statuses
from lifecycle.supervisor._signals import name_of
from tests.process._support_table import SUPPORT

GENERATED = Path(__file__).parent / "_generated"
GRACE_PERIODS = (10, 15, 30, 60, 120, 300)
"""Seconds: what manifests usually say."""


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


def servers() -> str:
    """What works under which server command: the promises that `tests/process` holds."""
    rows = (
        (
            row.server,
            f"`{re.sub(r' --(port|bind) [^ ]+', '', row.command).format(app='app:app')}`",
            "nothing lost" if row.by_signal else "**requests are lost**",
            "nothing lost" if row.by_pre_stop else "**requests are lost**",
            row.remark,
        )
        for row in SUPPORT
    )
    return table(
        ("Server", "Command", "SIGTERM alone", "preStop, then SIGTERM", "Remark"),
        rows,
    )


def usage(text: str) -> str:
    """What a command says of itself."""
    return f"```text\n{text}```\n"


def usage_of(name: str) -> str:
    """What a command of click's says of itself, as wide as a page."""
    command = _click.LAZY[name]()
    context = click.Context(command, info_name=f"lifecycle {name}", terminal_width=90)
    return usage(f"{command.get_help(context)}\n")


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


def supervisor_options() -> str:
    """Every option with its variable, in the groups of `--help`."""
    parts = []
    for group, options in _options.GROUPS.items():
        rows = (
            (
                f"`{f'-{option.short}, ' if option.short else ''}--{option.name}"
                f"{' ' if option.metavar else ''}{option.metavar}`".replace("|", "\\|"),
                f"`{option.variable}`",
                _plain_default(option.default),
                option.help.replace("|", "\\|") + (" *(repeatable)*" if option.repeat else ""),
            )
            for option in options
        )
        parts.append(f"### {group}\n\n" + table(("Option", "Variable", "Default", "Meaning"), rows))
    return "\n".join(parts)


def _plain_default(default: object) -> str:
    match default:
        case None | False | []:
            return "none"
        case float():
            return f"{default:g} s" if default else "0"
        case tuple():
            return "`" + ",".join(map(name_of, default)) + "`"
        case _:
            return f"`{default}`"


def supervisor_statuses() -> str:
    """What the supervisor itself exits with."""
    return table(
        ("Status", "Meaning"), ((f"{n}", meaning) for n, meaning in _statuses.MEANINGS.items())
    )


FAMILIES = {
    "LC1": "Hooks",
    "LC2": "The grace period",
    "LC3": "Probes",
    "LC4": "Rollouts and jobs",
    "LC5": "The supervisor",
    "LC6": "The application's own numbers (`--app`)",
    "LC7": "Process 1, and containers beside each other",
}
MANIFESTS = Path(__file__).parents[1] / "tests" / "kube" / "manifests"
"""Each rule's two manifests: one that has the fault, one that has not."""


def rules() -> str:
    """Every rule of `lifecycle check`."""
    rows = ((f"[{rule.id}](#{rule.id.lower()})", f"{rule.severity}", rule.title) for rule in RULES)
    return table(("Rule", "Severity", "Title"), rows)


def rule_sections() -> str:
    """Every rule at length, each below an anchor of its own: `#lc101`."""
    parts: list[str] = []
    for family, title in FAMILIES.items():
        parts.append(f"## {title}\n")
        parts.extend(_section(rule) for rule in RULES if rule.id.startswith(family))
    return "\n".join(parts)


def _section(rule: Rule) -> str:
    fix = f"{rule.fix[0].upper()}{rule.fix[1:]}."
    parts = [
        f"({rule.id.lower()})=\n### {rule.id}: {rule.title}\n",
        f"**Sees** ({rule.severity}): {rule.sees}\n",
        f"**Why it matters:** {rule.why}\n",
        f"**Instead:** {fix} [Source]({rule.source})\n",
    ]
    bad, good = (MANIFESTS / f"{rule.id}-{kind}.yaml" for kind in ("bad", "good"))
    if bad.exists():
        findings = check(read_manifest(bad.read_text("utf-8"), "pod.yaml"))
        said = "\n".join(
            f"{one.where}: {one.severity} {rule.id}: {one.message}" for one in findings
        )
        shown = "".join(
            line.rstrip("\n") + "\n"
            for line in difflib.unified_diff(
                bad.read_text("utf-8").splitlines(), good.read_text("utf-8").splitlines(), n=50
            )
        )
        body = shown.partition("@@\n")[2]
        parts += [f"```text\n{said}\n```\n", f"```diff\n{body}```\n"]
    return "\n".join(parts)


def scenarios() -> str:
    """What may be rehearsed."""
    rows = (
        (
            f"`{scenario.name}`",
            scenario.what,
            "; ".join(REHEARSED[promise].title for promise in scenario.promises),
        )
        for scenario in SCENARIOS.values()
    )
    return table(("Scenario", "What happens", "Promises"), rows)


class _Placeholders(dict[str, str]):
    """What a rehearsal puts into a fix stands here by its name."""

    def __missing__(self, name: str) -> str:
        return f"*{name}*"


def rehearsal_findings() -> str:
    """What a rehearsal may find."""
    rows = (
        (f"`{rule.id}`", rule.severity.value, rule.means, rule.fix.format_map(_Placeholders()))
        for rule in FINDINGS
    )
    return table(("Finding", "Severity", "What it means", "What to do"), rows)


def rehearsal_kinds() -> str:
    """The kinds of events in a rehearsal's JSON."""
    meanings = attribute_docstrings(Kind)
    rows = ((f"`{kind.value}`", meanings.get(kind.name, "")) for kind in Kind)
    return table(("Kind", "What it is"), rows)


FILES: dict[str, Callable[[], str]] = {
    "supervisor-options.md": supervisor_options,
    "supervisor-statuses.md": supervisor_statuses,
    "budgets.md": budgets,
    "errors.md": errors,
    "exit-statuses.md": exit_statuses,
    "moves.md": moves,
    "phases.md": phases,
    "servers.md": servers,
    "rules.md": rules,
    "rule-sections.md": rule_sections,
    "settings.md": settings,
    "sources.md": sources,
    "states.svg": states,
    "usage-check.md": functools.partial(usage_of, "check"),
    "usage-manifest.md": functools.partial(usage_of, "manifest"),
    "rehearsal-findings.md": rehearsal_findings,
    "rehearsal-kinds.md": rehearsal_kinds,
    "scenarios.md": scenarios,
    "usage-rehearse.md": functools.partial(usage_of, "rehearse"),
    "usage-stop.md": functools.partial(usage, _stop.HELP),
    "usage-trigger.md": functools.partial(usage, _trigger.HELP),
}


def write(folder: Path = GENERATED) -> None:
    """Write every file anew."""
    folder.mkdir(exist_ok=True)
    for name, make in FILES.items():
        (folder / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    write()
