"""SIGTERM at every moment: at each step that is noted, and at random times. Nothing that was promised is lost.

A few moments here; `nox -s sweep` tries some hundreds (`SWEEP_RUNS=300`).
"""

import http.client
import os
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.servers import Server, launched

pytestmark = pytest.mark.process

APP = "tests.process.apps.served:app"
SERVE = ["lifecycle", "serve", "{app}", "--port", "{port}"]
RUNS = int(os.environ.get("SWEEP_RUNS", "6"))
STEPS = ["importing", "starting", "started"]
GRACE = 9.0
DELAY = 0.4
ROUTES_LIVE_ON = 0.2
"""Seconds after SIGTERM in which new connections still come."""
SETTINGS: dict[str, Any] = {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "LIFECYCLE_SHUTDOWN_DELAY": str(DELAY),
    "LIFECYCLE_GRACE_PERIOD": str(GRACE),
    "START_SECONDS": "0.15",
    "IMPORT_SECONDS": "0.05",
}


class Client(threading.Thread):
    """Asks all the time, once the port is open, on new connections, as routers send it until they let go."""

    def __init__(self, server: Server, path: str, pause: float) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._path = path
        self._pause = pause
        self._let_go = threading.Event()
        self.statuses: list[int] = []
        self.lost: list[str] = []

    def run(self) -> None:
        while not self._let_go.wait(self._pause):
            try:
                self.statuses.append(self._server.ask(self._path, timeout=GRACE).status)
            except ConnectionRefusedError as error:
                if self.statuses:
                    self.lost.append(repr(error))
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))

    def let_go(self) -> None:
        self._let_go.set()


def moments() -> Iterator[tuple[int, str | float]]:
    generator = random.Random(0)
    for run in range(RUNS):
        workers = 1 if run % 3 else 2
        at = round(generator.uniform(0.1, 2.0), 3)
        yield workers, STEPS[run // 2 % len(STEPS)] if run % 2 == 0 else at


@pytest.mark.parametrize(("workers", "moment"), list(moments()))
def test_sigterm_at_any_moment(workers: int, moment: str | float) -> None:
    with launched([*SERVE, "--workers", str(workers)], APP, **SETTINGS) as server:
        clients = [Client(server, "/fast", 0.01), Client(server, "/slow?seconds=0.3", 0.1)]
        for client in clients:
            client.start()
        if isinstance(moment, str):
            server.wait_for(moment)
        else:
            time.sleep(moment)
        server.terminate()
        began = time.monotonic()
        time.sleep(ROUTES_LIVE_ON)
        for client in clients:
            client.let_go()
        for client in clients:
            client.join(GRACE)
        status = server.wait(GRACE)
        took = time.monotonic() - began
        for client in clients:
            client.join(GRACE)
        journal = [note.event for note in server.journal()]
        output = server.output
    # One that is stopped before it was ready has never been routed to: nobody has been promised anything.
    served = any(200 in client.statuses for client in clients)
    # Before the import Python itself is still coming up: a process that is not PID 1 simply ends.
    assert status == 0 or (status == -15 and not journal), output
    assert took < GRACE
    assert journal.count("shut down") == journal.count("started"), journal
    assert "Traceback" not in output
    for client in clients:
        if served:
            assert not client.lost, (client.lost, output)
        assert {*client.statuses} <= {200, 503}
