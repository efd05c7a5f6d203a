"""The documentation shows the code's own tables, so that the two cannot part."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import diagram
import pytest
import tables
import tables_core

from lifecycle.core import SETTINGS, TABLE, ExitStatus, Phase

ROOT = Path(__file__).parents[2]


def rows(table: str) -> list[list[str]]:
    """The cells of a Markdown table, without its head."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_phase_table_has_every_phase() -> None:
    assert [row[0] for row in rows(tables_core.phases())] == [f"`{phase.name}`" for phase in Phase]


def test_the_move_table_has_every_move() -> None:
    assert len(rows(tables_core.moves())) == sum(map(len, TABLE.values()))


def test_every_exit_status_has_a_meaning() -> None:
    found = rows(tables_core.exit_statuses())
    assert [row[0] for row in found] == [f"`{status:d}`" for status in ExitStatus]
    assert all(row[2].endswith(".") for row in found)


def test_the_settings_table_has_every_setting() -> None:
    assert [row[1] for row in rows(tables_core.settings())] == [
        f"`{row.variable}`" for row in SETTINGS
    ]


@pytest.mark.parametrize("name", [name for name in tables.FILES if name.endswith(".md")])
def test_a_table_is_rectangular(name: str) -> None:
    assert len({len(row) for row in rows(tables.FILES[name]())}) <= 1


def test_the_drawing_has_every_phase_and_every_move() -> None:
    svg = ET.fromstring(tables_core.states())
    texts = [node.text for node in svg.iter() if node.tag.endswith("text")]
    assert {phase.name for phase in Phase} <= {*texts}
    assert len(texts) == len(Phase) + sum(map(len, TABLE.values()))


def test_what_goes_in_a_circle_is_not_drawn() -> None:
    with pytest.raises(ValueError, match="in a circle"):
        diagram.draw(["a", "b"], [("a", "go", "b"), ("b", "back", "a")])


def doc_faults(root: Path, generated: set[str], variables: set[str]) -> list[str]:
    """Generated files that no page shows, hand-written rows of what is generated, variables that do not exist."""
    pages = {
        path: path.read_text("utf-8")
        for path in [root / "README.md", *(root / "docs").rglob("*.md")]
    }
    pages = {path: text for path, text in pages.items() if "_generated" not in path.parts}
    facts = (
        {phase.name for phase in Phase}
        | {row.name for row in SETTINGS}
        | {row.variable for row in SETTINGS}
    )
    found = [
        f"{name} is shown on no page"
        for name in sorted(generated)
        if not any(name in text for text in pages.values())
    ]
    for path, text in pages.items():
        where = path.relative_to(root)
        found += [
            f"{where}: the row of {cell} is written by hand: include the table from _generated"
            for cell in re.findall(r"^\|\s*`?(\w+)`?\s*\|", text, re.MULTILINE)
            if cell in facts
        ]
        found += [
            f"{where}: nothing reads {variable}"
            for variable in sorted({*re.findall(r"\bLIFECYCLE_[A-Z_]+\b", text)} - variables)
        ]
    return found


def known_variables() -> set[str]:
    """The settings', and what else of that kind the source names."""
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    return {row.variable for row in SETTINGS} | {*re.findall(r"\bLIFECYCLE_[A-Z_]+\b", source)}


def test_the_pages_show_what_is_generated_and_copy_nothing() -> None:
    assert doc_faults(ROOT, {*tables.FILES}, known_variables()) == []


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ("", "phases.md is shown on no page"),
        ("phases.md\n| `READY` | serving |", "docs/page.md: the row of READY is written by hand"),
        (
            "phases.md\n| grace_period | 30 |",
            "docs/page.md: the row of grace_period is written by hand",
        ),
        ("phases.md\nSet `LIFECYCLE_GRACE`.", "docs/page.md: nothing reads LIFECYCLE_GRACE"),
    ],
)
def test_a_page_that_drifts_is_found(tmp_path: Path, page: str, fault: str) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text(page)
    (tmp_path / "README.md").write_text("")
    (found,) = doc_faults(tmp_path, {"phases.md"}, {"LIFECYCLE_GRACE_PERIOD"})
    assert found.startswith(fault)
