"""Every behaviour, in every form: as a package, as a zipapp, and as the static executable."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.supervisor.running import ROOT, Form, is_namespace_allowed

BUILD = ROOT / "supervisor" / "build.py"
STATIC_TOOLS = ("gcc", "strip", "/usr/bin/python3.11")
# The executable brings its own Python along: once is enough, and with the one that it is made of. The other two have the
# same lines, and differ in how an interpreter finds them: under the newer ones they take turns.
FORMS = {11: ("module", "zipapp", "static"), 12: ("module",)}.get(
    sys.version_info.minor, ("zipapp",)
)


def fingerprint(made_with: str) -> str:
    """Of everything that a built file is made of: it is built once for each version of that."""
    digest = hashlib.sha256(made_with.encode())
    for path in sorted(
        [*(ROOT / "supervisor").iterdir(), *(ROOT / "src/lifecycle/supervisor").glob("*.py")]
    ):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def built(name: str, *options: str, made_with: str = "") -> Path:
    folder = ROOT / "build" / "supervisor" / fingerprint(made_with)
    target = folder / name
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f"{name}.{os.getpid()}"
        subprocess.run(
            [sys.executable, BUILD, "--output", aside, *options], check=True, capture_output=True
        )
        (aside / name).rename(target)
        shutil.rmtree(aside)
    return target


@pytest.fixture(scope="session")
def zipapp() -> Path:
    return built("supervisor.pyz", "--zipapp", made_with=sys.version)


@pytest.fixture(scope="session")
def executable() -> Path:
    missing = [tool for tool in STATIC_TOOLS if shutil.which(tool) is None]
    if missing or not list(Path("/usr/lib/python3.11").glob("config-3.11-*/libpython3.11.a")):
        pytest.skip(
            f"the static executable cannot be built here: {', '.join(missing) or 'libpython3.11-dev'} "
            "is missing (nox -s supervisor installs it)"
        )
    return built("supervisor", "--static")


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Form:
    if request.param == "module":
        return Form("module", [sys.executable, "-m", "lifecycle.supervisor"])
    if request.param == "zipapp":
        archive = request.getfixturevalue("zipapp")
        return Form("zipapp", [sys.executable, "-I", "-S", str(archive)])
    return Form("static", [str(request.getfixturevalue("executable"))])


@pytest.fixture
def supervisor(form: Form) -> Iterator[Form]:
    """Starts supervisors in one form, below this process; what a test forgets is killed after it."""
    yield form
    form.end()


@pytest.fixture(params=["child", "pid 1"])
def place(request: pytest.FixtureRequest) -> str:
    if request.param == "pid 1" and not is_namespace_allowed():
        pytest.skip("this machine refuses a PID namespace")
    return str(request.param)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A volume that the containers of a pod share."""
    return tmp_path / "state"
