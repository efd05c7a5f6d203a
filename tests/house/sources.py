"""Rules that one source file keeps or breaks by itself."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

SOURCES = ("src", "tests", "examples", "benchmarks", "docs", "noxfile.py")

EMPTY_NAMES = frozenset({"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"})

# Each excuse with its code, then its reason: a dash or a second `#`, then words.
_REASON = r"\s*(?:-|–|—|#|:)\s*\w.{7,}"  # noqa: RUF001 - both dashes are written by people
_CODES = r"\[[\w-]+(?:\s*,\s*[\w-]+)*\]"
EXCUSES = {
    re.compile(r"type:\s*ignore"): re.compile(rf"type: ignore{_CODES}{_REASON}"),
    re.compile(r"pyright:"): re.compile(rf"pyright: ignore{_CODES}{_REASON}"),
    re.compile(r"\bnoqa\b", re.IGNORECASE): re.compile(
        rf"noqa: [A-Z]+\d+(?:, ?[A-Z]+\d+)*{_REASON}"
    ),
    re.compile(r"pragma:"): re.compile(rf"pragma: no (?:cover|branch){_REASON}"),
    re.compile(r"fmt:\s*(?:off|skip)"): re.compile(rf"fmt: (?:off|skip){_REASON}"),
}


def sources(root: Path) -> Iterator[Path]:
    """Every Python file that people write."""
    for name in SOURCES:
        path = root / name
        yield from [path] if path.is_file() else sorted([*path.rglob("*.py"), *path.rglob("*.pyi")])


def excuse_faults(root: Path) -> list[str]:
    """Every `type: ignore`, `noqa`, `pragma` and the like without its code or without a reason."""
    faults: list[str] = []
    for path in sources(root):
        for line, comment in _comments(path):
            faults.extend(
                f"{path.relative_to(root)}:{line}: {comment}: name the code and the reason"
                for mark, whole in EXCUSES.items()
                if mark.search(comment) and not whole.search(comment)
            )
    return faults


def _comments(path: Path) -> Iterator[tuple[int, str]]:
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    yield from (
        (token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT
    )


def name_faults(root: Path) -> list[str]:
    """Every module or folder whose name says nothing about what is in it."""
    return [
        f"{path.relative_to(root)}: name it after what it does"
        for path in sources(root)
        for part in path.relative_to(root).with_suffix("").parts
        if set(part.strip("_").split("_")) & EMPTY_NAMES
    ]


# Where tests start real processes, which have no event to wait for.
REAL_PROCESSES = ("process", "supervisor")


def sleep_faults(root: Path) -> list[str]:
    """Every `time.sleep(constant)` in a test that has no real process to wait for.

    Async sleeps are no matter: there the clock is virtual, and they say exactly when something happens.
    """
    faults: list[str] = []
    for path in sources(root):
        parts = path.relative_to(root).parts
        if parts[0] != "tests" or parts[1] in REAL_PROCESSES:
            continue
        faults.extend(
            f"{path.relative_to(root)}:{node.lineno}: sleeps: wait for an event instead"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and _is_time_sleep(node.func) and _is_constant(node.args)
        )
    return faults


def _is_time_sleep(function: ast.expr) -> bool:
    match function:
        case ast.Attribute(value=ast.Name(id="time"), attr="sleep") | ast.Name(id="sleep"):
            return True
        case _:
            return False


def _is_constant(arguments: list[ast.expr]) -> bool:
    return any(isinstance(node, ast.Constant) and node.value != 0 for node in arguments)
