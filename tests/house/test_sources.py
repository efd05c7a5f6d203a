"""Excuses have reasons, names have a meaning, tests do not sleep."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house.sources import excuse_faults, name_faults, sleep_faults, sources

ROOT = Path(__file__).parents[2]


def test_there_is_something_to_judge() -> None:
    assert Path(__file__) in sources(ROOT)


@pytest.mark.parametrize("rule", [excuse_faults, name_faults, sleep_faults])
def test_the_sources_keep_the_rule(rule: Callable[[Path], list[str]]) -> None:
    assert rule(ROOT) == []


def write(root: Path, path: str, source: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(source)


@pytest.mark.parametrize(
    "comment",
    [
        "# type: ignore",
        "# type: ignore[attr-defined]",
        "# type: ignore # it works, believe me",
        "# noqa",
        "# noqa: S603",
        "# NOQA",
        "# noqa - it works, believe me",
        "# pragma: no cover",
        "# pyright: ignore[reportPrivateUsage]",
        "# pyright: basic",
        "# fmt: off",
    ],
)
def test_an_excuse_without_code_or_reason_is_found(tmp_path: Path, comment: str) -> None:
    write(tmp_path, "src/lifecycle/core/_x.py", f"x = 1  {comment}\n")
    (fault,) = excuse_faults(tmp_path)
    assert fault.startswith("src/lifecycle/core/_x.py:1: ")


@pytest.mark.parametrize(
    "comment",
    [
        "# type: ignore[attr-defined]  # no public way to it",
        "# noqa: S603, S607 - a fixed command",
        "# pragma: no cover - only under Windows",
        "# pyright: ignore[reportPrivateUsage] - the documented way",
    ],
)
def test_an_excuse_with_both_is_taken(tmp_path: Path, comment: str) -> None:
    write(tmp_path, "src/lifecycle/core/_x.py", f"x = 1  {comment}\n")
    assert excuse_faults(tmp_path) == []


@pytest.mark.parametrize(
    "path", ["src/lifecycle/utils.py", "src/lifecycle/core/_base.py", "tests/hook_helpers.py"]
)
def test_an_empty_name_is_found(tmp_path: Path, path: str) -> None:
    write(tmp_path, path)
    assert name_faults(tmp_path) == [f"{path}: name it after what it does"]


@pytest.mark.parametrize("call", ["time.sleep(1)", "sleep(0.1)"])
def test_a_test_that_sleeps_is_found(tmp_path: Path, call: str) -> None:
    write(tmp_path, "tests/core/test_x.py", call)
    write(tmp_path, "tests/process/test_x.py", call)
    assert sleep_faults(tmp_path) == ["tests/core/test_x.py:1: sleeps: wait for an event instead"]


def test_a_sleep_on_the_virtual_clock_is_none(tmp_path: Path) -> None:
    write(tmp_path, "tests/core/test_x.py", "await anyio.sleep(30)\ntime.sleep(period)")
    assert sleep_faults(tmp_path) == []
