"""`lifecycle serve` on the oldest uvicorn that is supported, beside the one that is installed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import ROOT, assert_nothing_is_lost, load, running

OLDEST = os.environ.get("OLDEST_UVICORN", "")

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        not Path(OLDEST, "uvicorn").exists(),
        reason="OLDEST_UVICORN names no folder with one: nox -s tests",
    ),
]

IN_A_POD: dict[str, Any] = {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "LIFECYCLE_SHUTDOWN_DELAY": "0.5",
    "LIFECYCLE_GRACE_PERIOD": "12",
}


@pytest.fixture
def path() -> str:
    return os.pathsep.join([OLDEST, str(ROOT), str(ROOT / "src")])


def test_it_has_every_name_that_is_private(path: str) -> None:
    program = (
        "import uvicorn; from lifecycle.server._uvicorn import missing;"
        "print(uvicorn.__version__, missing(uvicorn.Server(uvicorn.Config('a:b'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0.36.0 []\n"


@pytest.mark.parametrize("http", ["h11"])
def test_it_loses_nothing(path: str, http: str) -> None:
    command = ["lifecycle", "serve", "{app}", "--port", "{port}", "--workers", "2", "--http", http]
    with (
        running(
            command, "tests.process.apps.served:app", workers=2, PYTHONPATH=path, **IN_A_POD
        ) as server,
        load(server, {"/fast": 50, "/slow?seconds=0.4": 4}, seconds=0.3) as generators,
    ):
        assert_nothing_is_lost(server, generators)
