"""Several workers of one server: one is asked, all stop, and strangers are not believed."""

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import KUBELET, Server, Waiting, running

pytestmark = pytest.mark.process

PLAIN = "tests.process.apps.plain:app"
COMMAND = ["uvicorn", "{app}", "--port", "{port}", "--workers", "2"]


@contextmanager
def two_workers() -> Iterator[tuple[Server, list[int]]]:
    with running(COMMAND, PLAIN, workers=2, LIFECYCLE_GRACE_PERIOD="20") as server:
        deadline = time.monotonic() + 20
        while len(of_parent(server)) < 2:
            # A worker listens to the other one only after its own start.
            assert time.monotonic() < deadline, server.output
            time.sleep(0.02)
        yield server, sorted({note.pid for note in server.journal("started")})


def ask(server: Server, pid: int, path: str, method: str = "GET") -> tuple[int, bytes]:
    """The answer of this worker: who accepts a connection is the kernel's choice, who keeps it is known then."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as kept:
            kept.request("GET", "/fast")
            if int(kept.getresponse().read()) == pid:
                kept.request(method, path, headers=KUBELET)
                response = kept.getresponse()
                return response.status, response.read()
    raise AssertionError(f"worker {pid} accepts no connection:\n{server.output}")


def names() -> list[str]:
    """The abstract sockets of workers on this machine."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    found = {line.rpartition(" ")[2] for line in lines}
    return sorted(name for name in found if name.startswith("@lifecycle-worker/"))


def of_parent(server: Server) -> list[str]:
    return [name for name in names() if name.split("/")[1] == str(server.process.pid)]


def test_one_is_asked_all_stop_and_the_answer_has_all_reports() -> None:
    with two_workers() as (server, (asked, other)):
        assert [int(name.rpartition("/")[2]) for name in of_parent(server)] == [asked, other]
        assert ask(server, other, "/upload?seconds=1.5", "POST")[0] == 202
        status, body = ask(server, asked, "/shutdown")
        at = time.monotonic()
        report: dict[str, Any] = json.loads(body)
        assert (status, report["exit_status"]) == (200, 0)
        (sibling,) = report["workers"]
        assert (sibling["pid"], sibling["exit_status"]) == (other, 0)
        assert (report["source"], sibling["source"]) == ("endpoint", "worker")
        assert [note.pid for note in server.journal("background finished")] == [other]
        down = server.journal("shut down")
        assert sorted(note.pid for note in down) == [asked, other]
        assert max(note.at for note in down) <= at
        # No SIGTERM follows here: the one who has answered tells the parent itself.
        assert server.wait() == 0, server.output


def test_a_worker_that_is_killed_meanwhile_does_not_hold_the_answer() -> None:
    with two_workers() as (server, (asked, killed)):
        assert ask(server, killed, "/upload?seconds=60", "POST")[0] == 202
        answer = Waiting(lambda: ask(server, asked, "/shutdown"))
        deadline = time.monotonic() + 10
        while not [note for note in server.journal("shut down") if note.pid == asked]:
            assert time.monotonic() < deadline, server.output
            time.sleep(0.02)
        os.kill(killed, signal.SIGKILL)
        at = time.monotonic()
        status, body = answer.result()
        assert time.monotonic() - at < 5
        report = json.loads(body)
        assert status == 500
        assert report["exit_status"] == 0
        (dead,) = report["workers"]
        assert (dead["pid"], dead["exit_status"]) == (killed, None)
        assert dead["outcome"].startswith("died")


def test_a_process_with_another_parent_is_not_believed() -> None:
    with two_workers() as (server, pids):
        for name in of_parent(server):
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.settimeout(5)
                stranger.connect("\0" + name[1:])
                try:
                    stranger.sendall(b"stop")
                    assert stranger.recv(100) == b""
                except ConnectionError:
                    continue  # hung up on us without reading
        for pid in pids:
            assert ask(server, pid, "/readyz") == (200, b"serving\n")
        assert server.journal("shut down") == []


def test_a_stranger_that_listens_under_a_workers_name_is_neither_heard_nor_waited_for() -> None:
    with two_workers() as (server, (asked, other)), socket.socket(socket.AF_UNIX) as stranger:
        mine = of_parent(server)[0].rpartition("/")[0][1:]
        stranger.bind(f"\0{mine}/{os.getpid()}")
        stranger.listen()
        began = time.monotonic()
        status, body = ask(server, asked, "/shutdown")
        assert time.monotonic() - began < 10
        assert status == 200
        assert [worker["pid"] for worker in json.loads(body)["workers"]] == [other]
