"""`lifecycle serve` when something beneath it is broken: it still goes in good order, inside its grace period."""

import http.client
import json
import os
import signal
import socket
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from lifecycle import ExitStatus
from tests.support.servers import Server, Waiting, assert_nothing_is_lost, launched, load, running

pytestmark = pytest.mark.process

APP = "tests.process.apps.faulty:app"
SERVE = ["lifecycle", "serve", "{app}", "--port", "{port}", "--no-access-log"]
LONG = "SWEEP_RUNS" in os.environ
"""`nox -s sweep`: also what takes long, and in its whole size."""

long = pytest.mark.skipif(not LONG, reason="seconds of waiting: nox -s sweep")


@long
def test_a_client_that_reads_one_byte_a_second(tmp_path: Path) -> None:
    report = tmp_path / "report"
    settings: dict[str, Any] = {
        "LIFECYCLE_REPORT_FILE": str(report),
        "LIFECYCLE_GRACE_PERIOD": "7",
    }
    with (
        running(SERVE, "tests.process.apps.served:app", **settings) as server,
        closing(socket.socket()) as sock,
    ):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", server.port))
        sock.sendall(b"GET /large?size=8000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(1) == b"H"
        began = time.monotonic()
        server.terminate()
        while server.process.poll() is None:
            assert time.monotonic() - began < 7, server.output
            if int(time.monotonic() - began) > 0:
                sock.recv(1)
            time.sleep(0.2)
        assert server.process.returncode == ExitStatus.WORK_ABANDONED, server.output
        assert "connections were cut off" in server.output
    assert "1 answers were not read" in report.read_text()


@long
def test_one_request_every_three_seconds_and_routers_that_need_four() -> None:
    """Nobody came for four seconds, and that proved nothing. `test_serve.py` has a sixth of it."""
    settings: dict[str, Any] = {
        "KUBERNETES_SERVICE_HOST": "10.96.0.1",
        "LIFECYCLE_SHUTDOWN_DELAY": "5",
        "LIFECYCLE_GRACE_PERIOD": "30",
    }
    with (
        running(SERVE, APP, **settings) as server,
        load(server, {"/fast": 1 / 3}, seconds=4.0, lead=14) as generators,
    ):
        began = time.monotonic()
        assert_nothing_is_lost(server, generators)
        assert 5 < time.monotonic() - began < 8


@long
def test_an_import_that_never_ends_holds_a_stop_no_longer_than_the_deadline() -> None:
    settings = {"IMPORT_SECONDS": "60", "LIFECYCLE_GRACE_PERIOD": "6.5"}
    with launched(SERVE, "tests.process.apps.served:app", **settings) as server:
        server.wait_for("importing")
        began = time.monotonic()
        server.terminate()
        assert server.wait(10) == 1, server.output
        assert 4 < time.monotonic() - began < 6.5
        assert "tests/process/apps/served.py" in server.output


def test_no_descriptor_left_in_the_drain(tmp_path: Path) -> None:
    report = tmp_path / "report"
    with running(
        SERVE, APP, LIFECYCLE_REPORT_FILE=str(report), LIFECYCLE_GRACE_PERIOD="8"
    ) as server:
        slow = Waiting(lambda: server.ask("/slow?seconds=1"))
        time.sleep(0.2)
        kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        with closing(kept):
            kept.request("GET", "/exhaust")
            assert kept.getresponse().read() == b"Too many open files"
            began = time.monotonic()
            server.terminate()
            assert slow.result().body == b"at last"
            assert server.wait() == 0, server.output
            assert time.monotonic() - began < 4
        assert "the report could not be written" in server.output or report.exists()


def test_a_disk_that_is_full_costs_the_report_and_nothing_else() -> None:
    with running(SERVE, APP, LIFECYCLE_REPORT_FILE="/dev/full") as server:
        slow = Waiting(lambda: server.ask("/slow?seconds=0.5"))
        time.sleep(0.2)
        server.terminate()
        assert slow.result().body == b"at last"
        assert server.wait() == 0, server.output
        assert "the report could not be written" in server.output


def test_a_clock_that_jumps_back_changes_no_duration(tmp_path: Path) -> None:
    report = tmp_path / "report"
    settings: dict[str, Any] = {
        "KUBERNETES_SERVICE_HOST": "10.96.0.1",
        "LIFECYCLE_SHUTDOWN_DELAY": "0.6",
        "LIFECYCLE_GRACE_PERIOD": "10",
        "LIFECYCLE_REPORT_FILE": str(report),
    }
    with running(SERVE, APP, **settings) as server:
        slow = Waiting(lambda: server.ask("/slow?seconds=0.9"))
        time.sleep(0.1)
        began = time.monotonic()
        server.terminate()
        assert server.ask("/jump?seconds=-7200").body == b"jumped"
        assert slow.result().body == b"at last"
        assert server.wait() == 0, server.output
        took = time.monotonic() - began
    said = json.loads(report.read_text())
    spent = {row["phase"]: row["seconds"] for row in said["phases"]}
    # At least 0.5 s, however soon silence proves that nobody comes any more.
    assert 0.4 < spent["lame duck"] < took
    assert 0.4 < said["used"] < took


def idle_connections(server: Server, number: int, stack: ExitStack) -> list[socket.socket]:
    """Kept connections, each with an answer behind it."""
    socks = []
    for _ in range(number):
        sock = stack.enter_context(closing(socket.create_connection(("127.0.0.1", server.port))))
        sock.sendall(b"GET /fast HTTP/1.1\r\nHost: x\r\n\r\n")
        socks.append(sock)
    for sock in socks:
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        assert answer.status == 200
        answer.read()
    return socks


def test_idle_connections_in_their_thousands_are_closed_at_once() -> None:
    number = 10_000 if LONG else 2_000
    command = [*SERVE, "--backlog", "16384", "--timeout-keep-alive", "100"]
    with running(command, APP) as server, ExitStack() as stack:
        socks = idle_connections(server, number, stack)
        began = time.monotonic()
        server.terminate()
        ends = [sock.recv(4096) for sock in socks]
        assert set(ends) == {b""}, "some were reset, or answered nobody"
        assert server.wait() == 0, server.output
        assert time.monotonic() - began < 10


def test_all_workers_killed_in_the_drain_leave_nothing_to_wait_for(tmp_path: Path) -> None:
    report = tmp_path / "report"
    with running(
        [*SERVE, "--workers", "2"], APP, workers=2, LIFECYCLE_REPORT_FILE=str(report)
    ) as server:
        slow = Waiting(lambda: server.ask("/slow?seconds=20", timeout=30))
        time.sleep(0.3)
        server.terminate()
        time.sleep(0.2)
        began = time.monotonic()
        for pid in {note.pid for note in server.journal("started")}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it was idle, and has ended
        assert server.wait() == ExitStatus.WORK_ABANDONED, server.output
        assert time.monotonic() - began < 2
        with pytest.raises((OSError, http.client.HTTPException)):
            slow.result()
    outcomes = {worker["outcome"] for worker in json.loads(report.read_text())["workers"]}
    assert "killed by SIGKILL" in outcomes
