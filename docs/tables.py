"""What the documentation shows of the code's tables, made from these tables at every build.

`PYTHONPATH=. python docs/tables.py` writes the same files without Sphinx. None of them is kept in git: they cannot drift.
"""

import functools
import re
from collections.abc import Callable
from pathlib import Path

import click
import tables_core
import tables_kube
import tables_rehearse
import tables_supervisor
from markup import table, usage

from lifecycle.cli import _click, _stop, _trigger
from tests.process._support_table import SUPPORT

GENERATED = Path(__file__).parent / "_generated"
GRACE_PERIODS = (10, 15, 30, 60, 120, 300)
"""Seconds: what manifests usually say."""


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


def usage_of(name: str) -> str:
    """What a command of click's says of itself, as wide as a page."""
    command = _click.LAZY[name]()
    context = click.Context(command, info_name=f"lifecycle {name}", terminal_width=90)
    return usage(f"{command.get_help(context)}\n")


FILES: dict[str, Callable[[], str]] = {
    "supervisor-files.md": tables_supervisor.files,
    "supervisor-options.md": tables_supervisor.options,
    "supervisor-statuses.md": tables_supervisor.statuses,
    "supervisor-variables.md": tables_supervisor.variables,
    "budgets.md": tables_core.budgets,
    "errors.md": tables_core.errors,
    "exit-statuses.md": tables_core.exit_statuses,
    "moves.md": tables_core.moves,
    "phases.md": tables_core.phases,
    "servers.md": servers,
    "rules.md": tables_kube.rules,
    "rule-sections.md": tables_kube.rule_sections,
    "settings.md": tables_core.settings,
    "sources.md": tables_core.sources,
    "states.svg": tables_core.states,
    "usage-check.md": functools.partial(usage_of, "check"),
    "usage-manifest.md": functools.partial(usage_of, "manifest"),
    "rehearsal-findings.md": tables_rehearse.findings,
    "rehearsal-kinds.md": tables_rehearse.kinds,
    "scenarios.md": tables_rehearse.scenarios,
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
