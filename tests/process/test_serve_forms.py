"""The other ways to the same server: from a program, on a socket that somebody else has opened, with a reloader."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import (
    ROOT,
    Server,
    Waiting,
    assert_nothing_is_lost,
    launched,
    load,
    running,
)

pytestmark = pytest.mark.process

SERVING = ["tests.process.apps.serving", "{port}"]
SERVED = "tests.process.apps.served:app"
IN_A_POD: dict[str, Any] = {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "LIFECYCLE_SHUTDOWN_DELAY": "0.5",
    "LIFECYCLE_GRACE_PERIOD": "12",
}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_program_that_serves_loses_nothing_and_goes_on_afterwards(workers: int) -> None:
    with (
        running([*SERVING, str(workers)], "", workers=workers, **IN_A_POD) as server,
        load(server, {"/fast": 50, "/slow?seconds=0.4": 4}, seconds=0.3) as generators,
    ):
        assert server.ask("/phase").body == b"ready"
        assert_nothing_is_lost(server, generators)
        assert len(server.journal("shut down")) == workers
        assert [note.pid for note in server.journal("served")] == [server.pid]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_socket_that_was_opened_by_somebody_else(workers: int) -> None:
    words = ["serve", "{app}", "--fd", "3", "--workers", str(workers)]
    with running(
        ["tests.process.apps.inheriting", "{port}", *words], SERVED, workers=workers
    ) as server:
        slow = Waiting(lambda: server.ask("/slow?seconds=0.4"))
        time.sleep(0.1)
        server.terminate()
        assert slow.result().body == b"at last"
        assert server.wait() == 0, server.output


# The reloader.

APPLICATION = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from lifecycle import Lifecycle
from tests.process.apps.service import note, slow

life = Lifecycle()


@life.on_startup
def start():
    note("starting")
    {while_starting}
    note("started")


@life.on_shutdown
def stop():
    note("shut down")


app = Starlette(routes=[Route("/fast", lambda _: PlainTextResponse("{text}")), Route("/slow", slow)])
"""


def write(folder: Path, text: str, while_starting: str = "pass") -> None:
    (folder / "reloaded.py").write_text(
        APPLICATION.format(text=text, while_starting=while_starting)
    )


def reloading(folder: Path) -> list[str]:
    options = ["--reload", "--reload-dir", str(folder), "--app-dir", str(folder)]
    return ["lifecycle", "serve", "reloaded:app", "--port", "{port}", *options]


def wait_for_body(server: Server, body: bytes) -> None:
    deadline = time.monotonic() + 15
    while server.ask("/fast").body != body:
        assert time.monotonic() < deadline, server.output
        time.sleep(0.05)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # The application of this test finds the repository.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def test_a_changed_file_is_served_and_the_end_is_clean(folder: Path) -> None:
    write(folder, "before")
    with running(reloading(folder), "") as server:
        assert server.ask("/fast").body == b"before"
        assert server.ask("/readyz").status == 200, "there is no middleware"
        time.sleep(0.1)  # a file's time must differ
        write(folder, "the new text")
        wait_for_body(server, b"the new text")
        slow = Waiting(lambda: server.ask("/slow?seconds=0.4"))
        time.sleep(0.1)
        server.terminate()
        assert slow.result().body == b"at last"
        assert server.wait() == 0, server.output
        assert len(server.journal("started")) == len(server.journal("shut down")) == 2


def test_a_stop_while_a_reload_is_under_way_is_not_lost(folder: Path) -> None:
    write(folder, "before")
    with running(reloading(folder), "") as server:
        time.sleep(0.1)  # see above
        write(folder, "after", while_starting="import time; time.sleep(1)")
        server.wait_for("starting", times=2)
        server.terminate()
        assert server.wait() == 0, server.output


def test_a_stop_before_the_reloader_is_there_ends_it() -> None:
    with launched(["lifecycle", "serve", SERVED, "--port", "{port}", "--reload"], "") as server:
        time.sleep(0.15)
        server.terminate()
        assert server.wait(5) in (0, -15), server.output
