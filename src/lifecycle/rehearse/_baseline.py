"""A run, compared with an earlier one: what got worse."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from lifecycle.core import RehearsalError
from lifecycle.rehearse._result import Result
from lifecycle.rehearse._stored import read_results

SLOWER: Final = 0.25
"""Share by which two runs on the same machine may differ."""
NOTICED: Final = 0.5
"""Seconds: no difference below it is told."""


def read_baseline(path: Path) -> Mapping[str, Result]:
    """Rehearsals by scenario, from a file that `--json` wrote; of several runs the last.

    Raises:
        RehearsalError: It cannot be read, or is something else.
    """
    try:
        return {result.scenario: result for result in read_results(path)}
    except RehearsalError as error:
        raise RehearsalError(f"--baseline {error}") from None


def worse(result: Result, before: Result) -> Iterator[str]:
    """What got worse, in sentences."""
    earlier = {one.id: one.kept for one in before.promises}
    for promise in result.promises:
        if promise.kept is False and earlier.get(promise.id):
            yield f"{promise.title}: kept before, broken now ({promise.detail})"
    lost = len(before.failed)
    if len(result.failed) > lost:
        yield f"requests lost: {lost} before, {len(result.failed)} now"
    spent = {(one.pod, one.container, one.life): one.spent for one in before.purses}
    for purse in result.purses:
        took = spent.get((purse.pod, purse.container, purse.life))
        if took is not None and purse.spent > took * (1 + SLOWER) and purse.spent - took > NOTICED:
            yield f"the stop of {purse.container}: {took:.1f} s before, {purse.spent:.1f} s now"
