"""The tuning guide has every number that the server goes by, with its value, and no other."""

import ast
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/explanation/tuning.md"
FIRST_NUMBER = re.compile(r"10⁻⁴|1 MiB|[\d.]+(?:/\d+)?")
SPELT = {"10⁻⁴": 1e-4, "1 MiB": float(1 << 20)}


def constants(source: str) -> Iterator[tuple[str, float]]:
    """`NAME: Final = 0.5`, or the first of several numbers."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            try:
                value = eval(ast.unparse(node.value), {"__builtins__": {}})
            except NameError:
                continue
            first = value[0] if isinstance(value, tuple) else value
            if isinstance(first, int | float):
                yield node.target.id, float(first)


def rows(page: str) -> Iterator[tuple[str, float]]:
    for name, value in re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", page, re.MULTILINE):
        found = FIRST_NUMBER.search(value)
        assert found is not None, f"{name} has no number: {value}"
        yield name, SPELT[found[0]] if found[0] in SPELT else float(Fraction(found[0]))


def faults(page: str, sources: list[str]) -> list[str]:
    known = dict(pair for source in sources for pair in constants(source))
    shown = dict(rows(page))
    found = [f"{name} = {known[name]:g} has no row" for name in sorted(known.keys() - shown.keys())]
    found += [f"{name} has a row and no constant" for name in sorted(shown.keys() - known.keys())]
    return found + [
        f"{name} = {known[name]:g} is {shown[name]:g} on the page"
        for name in sorted(known.keys() & shown.keys())
        if abs(known[name] - shown[name]) > 1e-9
    ]


def test_the_page_has_every_number_with_its_value() -> None:
    paths = [
        *(ROOT / "src/lifecycle/server").glob("*.py"),
        ROOT / "src/lifecycle/asgi/_interrupt.py",
    ]
    assert faults(PAGE.read_text(), [path.read_text() for path in paths]) == []


def test_what_is_missing_wrong_or_gone_is_found() -> None:
    page = "| `A` | 0.5 s | why |\n| `B` | 2 s | why |\n"
    source = "A: Final = 0.5\nC: Final = (1, 2)\nB: Final = 3.0\nD: Final = ('x',)\nE: Final = Signals.X\n"
    assert faults(page, [source]) == ["C = 1 has no row", "B = 3 is 2 on the page"]
    assert faults(page, ["A: Final = 0.5\n"]) == ["B has a row and no constant"]
