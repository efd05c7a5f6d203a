"""Who holds a name, seen without any process: a lock is the same between two openings of one file."""

import fcntl
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lifecycle.supervisor import _markers, _state
from lifecycle.supervisor._errors import StateError
from lifecycle.supervisor._statuses import NAME_TAKEN


@pytest.fixture
def claim(tmp_path: Path) -> Callable[[], _state.State]:
    def claimed() -> _state.State:
        state = _state.State(str(tmp_path), "app")
        state.claim()
        return state

    return claimed


def test_a_name_that_is_taken_is_known_at_once(
    claim: Callable[[], _state.State], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two containers that run the same program have the same name until they are given others. Neither is kept waiting."""
    first = claim()

    def sleep(seconds: float) -> None:
        raise AssertionError(f"it waited {seconds} s for somebody who does not leave")

    monkeypatch.setattr(_state, "sleep", sleep)
    with pytest.raises(StateError, match="runs under the name 'app': give each its own") as found:
        claim()
    assert found.value.status == NAME_TAKEN
    os.close(first.lock)
    os.close(claim().lock)


def test_whoever_only_looks_at_a_lock_does_not_take_the_name(
    claim: Callable[[], _state.State], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = claim()
    looking = os.open(f"{old.folder}/lock", os.O_RDONLY)
    os.close(old.lock)
    fcntl.flock(looking, fcntl.LOCK_SH)
    looked: list[float] = []

    def sleep(seconds: float) -> None:
        looked.append(seconds)
        fcntl.flock(looking, fcntl.LOCK_UN)

    monkeypatch.setattr(_state, "sleep", sleep)
    os.close(claim().lock)
    os.close(looking)
    assert len(looked) == 1


def test_a_marker_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renamed first and synced later, it may be found empty after a crash of the machine."""
    calls: list[str] = []
    for name in ("write", "fsync", "rename"):
        real = getattr(os, name)

        def noted(*words: object, name: str = name, real: Callable[..., object] = real) -> object:
            calls.append(name)
            return real(*words)

        monkeypatch.setattr(sys.modules["posix"], name, noted)
    _markers.write(str(tmp_path / "marker"), "x")
    assert calls == ["write", "fsync", "rename"]
    assert [path.name for path in tmp_path.iterdir()] == ["marker"]
