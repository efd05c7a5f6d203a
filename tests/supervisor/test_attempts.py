"""When a failed program is tried again, on a clock that nobody waits for."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lifecycle.supervisor import _attempts
from lifecycle.supervisor._settings import parse


class Life:
    """A supervision whose runs last as long as they are told, and all fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
        self.now = 0.0
        self.lengths: list[float] = []
        self.waits: list[float] = []
        stopping = SimpleNamespace(asked=False)
        run = SimpleNamespace(
            settings=parse([*words, "program"], {}),
            loop=None,
            voice=None,
            program=None,
            stopping=stopping,
            verdict=None,
            not_again=None,
        )
        self.attempts = _attempts.Attempts(cast(Any, run))
        monkeypatch.setattr(_attempts, "monotonic", lambda: self.now)
        monkeypatch.setattr(self.attempts, "_run_once", self._run)
        monkeypatch.setattr(self.attempts, "_pause", self._pause)

    def _run(self) -> int:
        self.now += self.lengths.pop(0) if self.lengths else 0.0
        return 3

    def _pause(self, delay: float, status: int, retry: int) -> None:
        self.now += delay
        self.waits.append(delay)


def test_waits_before_a_retry_grow_to_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    life = Life(monkeypatch, "--retry", "5", "--retry-delay", "3s", "--retry-limit", "20s")
    assert life.attempts.serve() == 3
    assert life.waits == [3, 6, 12, 20, 20]


def test_a_run_that_lasted_longer_than_the_limit_begins_the_count_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    life = Life(monkeypatch, "--retry", "2", "--retry-delay", "3s", "--retry-limit", "20s")
    life.lengths = [0, 19, 21, 20, 20]
    assert life.attempts.serve() == 3
    assert life.waits == [3, 6, 3, 6]
    assert life.lengths == []
