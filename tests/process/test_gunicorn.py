"""gunicorn with the configuration of its how-to page: SIGTERM alone loses nothing, and work may take its time."""

import http.client
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import ROOT, Waiting, assert_nothing_is_lost, load, running

pytestmark = pytest.mark.process

PLAIN = "tests.process.apps.plain:app"
SETTINGS: dict[str, Any] = {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "LIFECYCLE_SHUTDOWN_DELAY": "0.9",
    "LIFECYCLE_GRACE_PERIOD": "11.5",
}


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    page = (ROOT / "docs/how-to/gunicorn.md").read_text()
    found = re.search(r"```python\n(# gunicorn\.conf\.py\n.+?)```", page, re.DOTALL)
    assert found is not None
    path = tmp_path / "gunicorn.conf.py"
    path.write_text(found[1])
    return ["gunicorn", "--config", str(path), "--bind", "127.0.0.1:{port}", "{app}"]


def test_sigterm_alone_loses_nothing(command: list[str]) -> None:
    with (
        running(command, PLAIN, workers=2, **SETTINGS) as server,
        load(server, {"/fast": 50, "/slow?seconds=0.8": 4}, seconds=0.6) as generators,
    ):
        assert_nothing_is_lost(server, generators, after=26)
        assert len(server.journal("shut down")) == 2


def test_a_parent_with_a_limit_of_its_own_kills_what_the_lifecycle_would_have_finished(
    command: list[str],
) -> None:
    """The control: the one number that both have has to be the same."""
    with running([*command, "--graceful-timeout", "1"], PLAIN, workers=2, **SETTINGS) as server:
        slow = Waiting(lambda: server.ask("/slow?seconds=2.5"))
        time.sleep(0.2)
        server.terminate()
        server.wait()
        with pytest.raises((OSError, http.client.HTTPException)):
            slow.result()
