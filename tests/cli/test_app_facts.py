"""An application is asked for its numbers, and cannot break who asks, whatever its import does."""

import contextlib
import os
import select
import sys
from pathlib import Path
from typing import Any

import pytest

from lifecycle.cli._app_facts import load_facts
from lifecycle.core import Endpoints, SettingsError
from lifecycle.kube import AppFacts

pytestmark = pytest.mark.process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def facts(folder: Path, source: str, name: str = "life", **options: Any) -> AppFacts:
    (folder / "shop.py").write_text(source)
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith("LIFECYCLE_")
    }
    return load_facts(
        f"shop:{name}",
        environment={**environment, "LIFECYCLE_DRAIN_TIMEOUT": "7"},
        app_dir=str(folder),
        **options,
    )


WHOLE = """
import os
from starlette.applications import Starlette
from lifecycle import Endpoints, Lifecycle, LifecycleMiddleware

print("words on standard output")
os.environ["LIFECYCLE_SHUTDOWN_DELAY"] = "3"
life = Lifecycle(grace_period=50, shutdown_token="s3cr3t", allow="10.0.0.0/8")
app = Starlette()
app.add_middleware(LifecycleMiddleware, lifecycle=life, endpoints=Endpoints(shutdown="/bye"))

@life.on_shutdown(timeout=4)
def flush() -> None: ...
"""


def test_it_is_asked_for_all_that_a_manifest_has_to_agree_with(folder: Path) -> None:
    found = facts(folder, WHOLE)
    # A token is a secret: that there is one is all that is told.
    assert "s3cr3t" not in repr(found)
    assert found.arguments["grace_period"] == 50
    assert found.variables == {"LIFECYCLE_SHUTDOWN_DELAY": "3"}
    # Starlette has not made its middleware yet.
    assert found.endpoints == Endpoints(shutdown="/bye")
    assert found.serves
    (hook,) = found.hooks
    assert (hook.kind, hook.name, hook.timeout) == ("on_shutdown", "flush", 4)
    settings = found.settings({"LIFECYCLE_GRACE_PERIOD": "20", "LIFECYCLE_DRAIN_TIMEOUT": "9"})
    # Code wins over the pod's variables, and what the program sets for itself stands.
    assert (settings.grace_period, settings.budget.delay) == (50, 3)
    assert settings.budget.drain == 9
    assert settings.shutdown_token is not None
    assert [str(network) for network in settings.allow or ()] == ["10.0.0.0/8"]


def test_a_factory_is_called(folder: Path) -> None:
    source = (
        WHOLE + "def make(): return LifecycleMiddleware(Starlette(), Lifecycle(grace_period=20))"
    )
    assert facts(folder, source, "make", factory=True).arguments == {"grace_period": 20}
    with pytest.raises(SettingsError, match=r"shop:make is a function .* add --factory"):
        facts(folder, source, "make")


def test_a_file_of_the_application_does_not_stand_in_front_of_ours(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "starlette.py").write_text("raise OSError('not this one')")
    monkeypatch.chdir(folder)
    assert facts(folder, "from lifecycle import Lifecycle\nlife = Lifecycle()").hooks == ()


def test_a_lifecycle_that_nothing_serves_has_no_endpoints(folder: Path) -> None:
    assert not facts(folder, "from lifecycle import Lifecycle\nlife = Lifecycle()").serves


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "x = 1 / 0",
            r"shop could not be imported \(.*shop.py:1\): ZeroDivisionError: division by",
        ),
        ("import nothing_like_it", r"No module named 'nothing_like_it'"),
        ("def (", r"SyntaxError: .*shop.py, line 1"),
        ("import sys\nsys.exit(3)", r"called sys.exit\(3\) while it was imported \(.*shop.py:2\)"),
        (
            "import os\nprint('bye')\nos._exit(9)",
            "ended the process with status 9, .*asked: bye|asked$",
        ),
        ("import os\nos.kill(os.getpid(), 9)", "ended the process by SIGKILL"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("lief = 3", "module 'shop' has no 'life': it has nothing callable"),
        ("life = 3", "shop:life is an int, and neither a Lifecycle nor an ASGI application"),
        (
            "from lifecycle import Lifecycle\nlife = Lifecycle(grace_period=5)",
            r"could not be imported \(.*shop.py:2\): BudgetError: .* of a grace period of 5 s",
        ),
    ],
    ids=[
        "raises",
        "needs",
        "syntax",
        "exits",
        "dies",
        "killed",
        "interrupts",
        "lacks",
        "int",
        "budget",
    ],
)
def test_what_is_wrong_with_it_is_told(folder: Path, source: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        facts(folder, source)


def test_an_import_that_hangs_is_ended_with_all_it_started_and_told_where(folder: Path) -> None:
    source = "import subprocess\nchild = subprocess.Popen(['sleep', '987'])\nopen('{}', 'w').write(str(child.pid))\nchild.wait()"
    note = folder / "pid"
    with pytest.raises(SettingsError, match=r"longer than 2 s \(it hangs at .*shop.py:4\): what"):
        facts(folder, source.format(note), timeout=2)
    with contextlib.suppress(ProcessLookupError):
        ended = os.pidfd_open(int(note.read_text()))
        assert select.select([ended], [], [], 10)[0]
        os.close(ended)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("shop", "'shop' names no application: write it like package.module:app"),
        ("nowhere.shop:app", "there is no module 'nowhere' for 'nowhere.shop:app'.* set --app-dir"),
    ],
)
def test_a_name_that_is_none_is_told(target: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_facts(target, environment=os.environ)


def test_the_same_python_is_used(folder: Path) -> None:
    source = f"import sys\nassert sys.executable == {sys.executable!r}\nfrom lifecycle import Lifecycle\nlife = Lifecycle()"
    assert facts(folder, source).hooks == ()
