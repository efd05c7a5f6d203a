"""What runs inside a hook is started by a platform that waits: it loads nothing that it does not use."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("anyio", "asyncio", "click", "rich", "starlette", "trio", "uvicorn", "yaml")


def loaded(program: str, *arguments: str) -> list[str]:
    """Which of the heavy modules are there when `program` has run in a fresh interpreter."""
    ending = f"import sys; print('loaded:', *[name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", f"{program}\n{ending}", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.rpartition("loaded:")[2].split()


def exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize(
    "module",
    [
        "lifecycle",
        "lifecycle.cli",
        "lifecycle.cli._stop",
        "lifecycle.cli._trigger",
        "lifecycle.core",
        "lifecycle.pytest_plugin",
        "lifecycle.supervisor",
    ],
)
def test_a_light_module_loads_nothing_heavy(module: str) -> None:
    if not exists(module):
        pytest.skip(f"there is no {module} yet")
    assert loaded(f"import {module}") == []


def test_a_phase_from_the_facade_loads_nothing_heavy() -> None:
    assert loaded("from lifecycle import Phase, Trigger, LifecycleError") == []


def test_asyncio_users_need_no_trio() -> None:
    assert "trio" not in loaded("import lifecycle.runtime, lifecycle.asgi, lifecycle.testing")


COMMAND = """
import sys
from lifecycle.cli import main
try:
    status = main()
except SystemExit as end:
    status = end.code
assert status in (None, 0), status
"""


@pytest.mark.parametrize("command", ["stop", "trigger"])
def test_a_command_for_hooks_loads_nothing_heavy(command: str) -> None:
    assert loaded(COMMAND, command, "--help") == []


def test_writing_a_trigger_loads_nothing_heavy(tmp_path: Path) -> None:
    file = tmp_path / "post-start-done"
    assert loaded(COMMAND, "trigger", str(file), "--message", "Wake up!") == []
    assert file.read_text().strip() == "Wake up!"


def test_a_heavy_module_would_be_seen() -> None:
    assert "anyio" in loaded("import anyio")
    assert "click" in loaded("import click")
