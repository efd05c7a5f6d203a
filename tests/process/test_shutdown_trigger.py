"""hypercorn, called by a program: it stops when the lifecycle is over, on asyncio and on trio."""

from typing import Any

import pytest

from tests.support.servers import assert_nothing_is_lost, load, running

SETTINGS: dict[str, Any] = {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "LIFECYCLE_SHUTDOWN_DELAY": "1.4",
    "LIFECYCLE_GRACE_PERIOD": "20",
}


@pytest.mark.process
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_sigterm_alone_loses_nothing(backend: str) -> None:
    command = ["tests.process.apps.triggered", "{port}", backend]
    with (
        running(command, "", **SETTINGS) as server,
        load(server, {"/fast": 50.0, "/slow?seconds=0.8": 4.0}) as generators,
    ):
        assert_nothing_is_lost(server, generators)
        assert "Traceback" not in server.output
        assert len(server.journal("shut down")) == 1
