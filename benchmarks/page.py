"""The figures for people: the page of the documentation, and what is printed."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import plot
from benchmarks.figures import Cell, Finding

FIGURES: dict[str, Callable[[dict[str, Any]], str]] = {"serve-timeline": plot.timeline}
"""Drawings of what was kept, by benchmark."""

INTRODUCTION = """\
# Benchmarks

What the library costs, and what it saves. This page is written by the program that measures; nothing in it was typed:

    nox -s bench{posargs}

Times depend on the machine, and other programs ran beside these: read the ratios, which are taken within a round.
The raw figures are in `docs/reference/benchmarks.json`.
"""


NUMBERS = re.compile(r"\[\s*[-\d.e]+(?:,\s*[-\d.e]+)*\s*\]")


def keep(results: dict[str, Any]) -> str:
    """Everything as JSON, each list of raw figures in one line and with four digits."""

    def shortened(found: re.Match[str]) -> str:
        return json.dumps([float(f"{number:.4g}") for number in json.loads(found[0])])

    return NUMBERS.sub(shortened, json.dumps(results, indent=1, ensure_ascii=False)) + "\n"


def page(results: dict[str, Any]) -> str:
    """The whole page, in Markdown."""
    machine = results["machine"]
    words = machine["command"].removeprefix("python -m benchmarks")
    parts = [INTRODUCTION.format(posargs=words and f" --{words}")]
    parts += [section(Finding.from_dict(finding)) for finding in results["findings"]]
    facts = [[name.capitalize(), fact] for name, fact in machine.items()]
    parts.append(f"## Where and when\n\n{table(['', ''], facts)}")
    return "\n".join(parts)


def section(finding: Finding, *, drawn: bool = True) -> str:
    """One benchmark, in Markdown; `drawn`: with its drawing, which nobody wants to read in a terminal."""
    lines = [f"## {finding.title}", "", finding.how, ""]
    if finding.missing:
        return "\n".join([*lines, f"**Not measured**: {finding.missing}.", ""])
    if drawn and finding.name in FIGURES:
        lines += [FIGURES[finding.name](finding.raw), ""]
    lines.append(table(finding.head, finding.rows))
    lines += [
        f"* Aim: {aim.text}. Found: {aim.found}, {'met' if aim.met else '**missed**'}."
        for aim in finding.aims
    ]
    if finding.aims:
        lines.append("")
    return "\n".join([*lines, f"Measured: {finding.measured}.", ""] if finding.measured else lines)


def table(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A Markdown table; the first column is words, the others are figures."""
    lines = [list(head), ["---", *["---:"] * (len(head) - 1)]]
    lines += [[_shown(cell) for cell in row] for row in rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _shown(cell: Cell) -> str:
    return (
        f"{cell:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
        if isinstance(cell, int)
        else str(cell)
    )
