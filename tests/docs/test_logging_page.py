"""The page about log records has every sentence that is logged, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
METHODS = {"debug", "info", "warning", "error", "critical"}
ELSEWHERE = {"%s"}
"""The message of an exception that is on the page of errors."""


def sentences(source: str) -> Iterator[str]:
    """The constant sentences of `logger.info(…)` and the like, `logger.log(level, …)` and `record.fail(status, …)`."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        place = 1 if node.func.attr in {"log", "fail"} else 0 if node.func.attr in METHODS else None
        if place is None or len(node.args) <= place:
            continue
        sentence = node.args[place]
        if isinstance(sentence, ast.Constant) and isinstance(sentence.value, str):
            yield sentence.value


def shown(page: str) -> set[str]:
    return set(
        re.findall(r"^\| (?:debug|info|warning|error|critical) \| (.*?) \|", page, re.MULTILINE)
    )


def faults(page: str, sources: list[str]) -> list[str]:
    listed = shown(page)
    logged = {sentence for source in sources for sentence in sentences(source)} - ELSEWHERE
    # A long one is cut on the page.
    starts = {row.removesuffix(" …") for row in listed}
    missing = [s for s in sorted(logged) if not any(s.startswith(start) for start in starts)]
    # What is not a constant where it is logged is one somewhere.
    text = "".join(sources)
    extra = [row for row in sorted(starts) if row not in text and not _spread(row, text)]
    return [f"not on the page: {s}" for s in missing] + [f"logged nowhere: {s}" for s in extra]


def _spread(row: str, text: str) -> bool:
    """Whether it is written over several lines."""
    return row in re.sub(r'"\s*"', "", text)


def test_the_page_has_every_record() -> None:
    page = (ROOT / "docs" / "reference" / "logging.md").read_text("utf-8")
    sources = [path.read_text("utf-8") for path in (ROOT / "src" / "lifecycle").rglob("*.py")]
    assert faults(page, sources) == []


def test_a_page_that_drifts_is_found() -> None:
    page = "| info | all is well | |\n| error | gone | |\n"
    source = (
        'logger.info("all is " "well")\nrecord.fail(status, "it failed")\nlogger.log(20, "so")\n'
    )
    assert faults(page, [source]) == [
        "not on the page: it failed",
        "not on the page: so",
        "logged nowhere: gone",
    ]
