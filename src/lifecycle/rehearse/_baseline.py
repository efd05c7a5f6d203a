"""A run, compared with an earlier one: what got worse."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from lifecycle.core import RehearsalError
from lifecycle.rehearse._result import Result

SLOWER: Final = 0.25
"""Share by which two runs on the same machine may differ."""
NOTICED: Final = 0.5
"""Seconds: no difference below it is told."""


def read_baseline(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Rehearsals by scenario, from a file that `--json` wrote.

    Raises:
        RehearsalError: It cannot be read, or is something else.
    """
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RehearsalError(f"--baseline {path}: {error}: give a file that --json wrote") from None
    whole = _object(content)
    several: list[Any] = whole.get("rehearsals", [whole])
    candidates = [_object(one) for one in several]
    found = {
        str(one["scenario"]): one
        for one in candidates
        if {"scenario", "requests", "promises"} <= one.keys()
    }
    if not found:
        raise RehearsalError(
            f"--baseline {path}: no rehearsal in it: give a file that --json wrote"
        )
    return found


def _object(content: Any) -> Mapping[str, Any]:
    """Nothing, if it is something else."""
    return content if isinstance(content, dict) else {}  # pyright: ignore[reportUnknownVariableType] - from JSON


def worse(result: Result, before: Mapping[str, Any]) -> Iterator[str]:
    """What got worse, in sentences."""
    earlier = {one["id"]: one["kept"] for one in before["promises"]}
    for promise in result.promises:
        if promise.kept is False and earlier.get(promise.id):
            yield f"{promise.title}: kept before, broken now ({promise.detail})"
    lost = before["requests"]["failed"]
    if len(result.failed) > lost:
        yield f"requests lost: {lost} before, {len(result.failed)} now"
    spent = {(one["pod"], one["container"]): _spent(one) for one in before.get("purses", [])}
    for purse in result.purses:
        took = spent.get((purse.pod, purse.container))
        if took is not None and purse.spent > took * (1 + SLOWER) and purse.spent - took > NOTICED:
            yield f"the stop of {purse.container}: {took:.1f} s before, {purse.spent:.1f} s now"


def _spent(purse: Mapping[str, Any]) -> float:
    return sum(float(share["seconds"]) for share in purse["shares"])
