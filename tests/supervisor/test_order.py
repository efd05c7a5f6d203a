"""Containers of one pod wait for each other, and notice each other's end, without the API server."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.supervisor.running import WITNESS, Form, Running, read_json, wait_until

pytestmark = pytest.mark.process


class Pod:
    def __init__(self, supervisor: Form, state: Path) -> None:
        self._supervisor = supervisor
        self.state = state

    def start(self, name: str, *words: object, **settings: Any) -> Running:
        return self._supervisor.start("--name", name, "--state-dir", self.state, *words, **settings)

    def until(self, name: str, **fields: object) -> None:
        path = self.state / name / "status.json"
        wait_until(
            lambda: path.exists() and fields.items() <= read_json(path).items(),
        )


@pytest.fixture
def pod(supervisor: Form, state: Path) -> Pod:
    return Pod(supervisor, state)


def test_a_container_starts_after_the_one_it_names(pod: Pod, tmp_path: Path) -> None:
    log = tmp_path / "log"
    web = pod.start("web", "--after", "db", "sh", "-c", f"echo web >> {log}")
    time.sleep(0.3)
    db = pod.start("db", "sh", "-c", f"echo db >> {log}; sleep 0.5")
    assert (web.status(), db.status()) == (0, 0)
    assert log.read_text() == "db\nweb\n"


def test_success_is_waited_for_and_a_failure_is_passed_down_the_chain(
    pod: Pod, tmp_path: Path
) -> None:
    second = pod.start("second", "--after", "first:success", "--post-file", tmp_path / "2", "true")
    third = pod.start("third", "--after", "second:success", "--post-file", tmp_path / "3", "true")
    cleaner = pod.start("cleaner", "--after", "second:exited", "echo", "cleaned")
    picky = pod.start("picky", "--after", "first:3,9", "echo", "three")
    assert pod.start("first", "sh", "-c", "sleep 0.2; exit 3").status() == 3
    status, _, errors = second.finish()
    assert (status, "first ended with 3" in errors) == (75, True)
    assert third.status() == 75
    assert (tmp_path / "2.err").exists()
    assert (tmp_path / "3.err").exists()
    assert cleaner.finish()[:2] == (0, "cleaned\n")
    assert picky.finish()[:2] == (0, "three\n")
    assert read_json(pod.state / "second" / "status.json")["skipped"] is True


def test_readiness_is_waited_for(pod: Pod, tmp_path: Path) -> None:
    flag, ready = tmp_path / "flag", tmp_path / "ready"
    db = pod.start("db", "--ready-when", f"file:{flag}", "--ready-file", ready, *WITNESS).until(
        "ready"
    )
    web = pod.start("web", "--after", "db:ready", "echo", "web")
    time.sleep(0.3)
    assert web.process.poll() is None
    assert not ready.exists()
    flag.touch()
    assert web.status() == 0
    assert ready.exists()
    db.send(signal.SIGTERM)
    assert db.status() == 0
    assert not ready.exists()


def test_a_neighbour_killed_without_a_word_is_noticed_at_once(pod: Pod) -> None:
    db = pod.start("db", *WITNESS).until("ready")
    waiting = pod.start("waiting", "--after", "db:success", "true")
    cleaning = pod.start("cleaning", "--after", "db:exited", "echo", "cleaned")
    side = pod.start("side", "--until", "db", *WITNESS).until("ready")
    time.sleep(0.3)
    began = time.monotonic()
    db.send(signal.SIGKILL)
    assert waiting.process.wait() == 69
    assert side.process.wait() == 0
    assert time.monotonic() - began < 0.5
    assert "db was killed without a word" in waiting.finish()[2]
    assert cleaning.finish()[:2] == (0, "cleaned\n")


def test_a_neighbour_that_was_dead_before_we_looked_counts_as_dead(pod: Pod) -> None:
    db = pod.start("db", *WITNESS).until("ready")
    db.send(signal.SIGKILL)
    db.finish()
    began = time.monotonic()
    assert pod.start("web", "--after", "db:ready", "true").status() == 69
    assert pod.start("side", "--until", "db", "sleep", "30").status() == 143
    assert time.monotonic() - began < 3


def test_a_death_is_noticed_while_another_is_waited_for(pod: Pod) -> None:
    web = pod.start("web", "--after", "never", "--after", "db:success", "true")
    assert pod.start("db", "false").status() == 1
    status, _, errors = web.finish()
    assert (status, "db ended with 1" in errors) == (75, True)


def test_a_restarted_neighbours_old_status_is_not_believed(pod: Pod) -> None:
    assert pod.start("db", "true").status() == 0
    db = pod.start("db", "--after", "file:/never", "true")
    pod.until("db", phase="waiting", attempt=2)
    web = pod.start("web", "--after", "db:started", "true")
    time.sleep(0.3)
    assert web.process.poll() is None
    for running in (web, db):
        running.send(signal.SIGTERM)
        assert running.status() == 143


def test_a_status_from_before_the_machine_restarted_is_not_believed(pod: Pod) -> None:
    assert pod.start("db", "true").status() == 0
    path = pod.state / "db" / "status.json"
    path.write_text(json.dumps(read_json(path) | {"boot": "another"}))
    words = ("--wait-timeout", "300ms", "--after", "db:success", "true")
    status, _, errors = pod.start("web", *words).finish()
    assert (status, "not there after 0.3 s: db:success" in errors) == (69, True)


def test_two_containers_cannot_have_one_name(pod: Pod) -> None:
    first = pod.start("db", *WITNESS).until("ready")
    status, _, errors = pod.start("db", "true").finish()
    assert (status, "another container of this pod runs under the name 'db'" in errors) == (
        76,
        True,
    )
    first.send(signal.SIGTERM)
    assert first.status() == 0


def test_term_while_waiting_never_starts_the_program(pod: Pod, place: str, tmp_path: Path) -> None:
    post = tmp_path / "post"
    words = ("--after", "never", "--post-file", post, "touch", tmp_path / "started")
    for _ in range(3):
        web = pod.start("web", *words, place=place)
        wait_until(lambda web=web: len(web.children()) == 1)
        web.send(signal.SIGTERM)
        assert web.status() == 143
        assert not (tmp_path / "started").exists()
        assert (tmp_path / "post.err").read_text() == "143\n"
        post.with_suffix(".err").unlink()


def test_a_wait_that_times_out_fails_or_starts_all_the_same(supervisor: Form) -> None:
    words = ("--wait-timeout", "200ms", "--after", "file:/never")
    status, _, errors = supervisor.run(*words, "echo", "on")
    assert (status, "not there after 0.2 s: file:/never" in errors) == (69, True)
    assert supervisor.run(*words, "--on-wait-timeout", "start", "echo", "on")[:2] == (0, "on\n")


def test_a_missing_directory_is_named_at_once_and_may_still_come(
    supervisor: Form, tmp_path: Path
) -> None:
    late = tmp_path / "late"
    missing = f"(there is no directory {late})"
    for words in (("--wait-file", late / "file"), ("--after", f"file:{late}/file")):
        status, out, errors = supervisor.run(*words, "--wait-timeout", "100ms", "echo", "on")
        assert (status, out) == (69, "")
        assert f"waiting for {words[1]} {missing}" in errors
        assert f"not there after 0.1 s: {words[1]} {missing}" in errors
    running = supervisor.start("--wait-file", late / "file", "echo", "on")
    wait_until(lambda: len(running.children()) == 1)
    late.mkdir()
    (late / "file").touch()
    assert running.finish()[:2] == (0, "on\n")


def test_ports_urls_and_files_are_waited_for(supervisor: Form, tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.create_server(("127.0.0.1", 0)) as http,
    ):
        words = [
            "--after",
            f"tcp://127.0.0.1:{tcp.getsockname()[1]}",
            "--after",
            f"http://localhost:{http.getsockname()[1]}/ready",
            "--after",
            f"file:{tmp_path / 'file'}:content",
        ]

        def answer() -> None:
            for line in ("HTTP/1.1 503 No", "HTTP/1.0 204 Yes"):
                connection, _ = http.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(f"{line}\r\n\r\n".encode())

        thread = threading.Thread(target=answer)
        thread.start()
        running = supervisor.start(*words, "echo", "on")
        thread.join()
        (tmp_path / "file").touch()
        time.sleep(0.3)
        assert running.process.poll() is None
        (tmp_path / "file").write_text("x")
        assert running.finish() == (0, "on\n", "")


def test_it_stops_when_one_or_all_of_the_others_have_ended(pod: Pod) -> None:
    mains = [pod.start(name, *WITNESS).until("ready") for name in ("a", "b")]
    until = ("--until", "a", "--until", "b")
    side = pod.start("any", *until, *WITNESS).until("ready")
    last = pod.start("all", *until, "--until-all", *WITNESS).until("ready")
    mains[0].send(signal.SIGTERM)
    assert side.status() == 0
    time.sleep(0.2)
    assert last.process.poll() is None
    mains[1].send(signal.SIGKILL)
    assert last.status() == 0


def test_the_stop_is_held_until_dependents_are_gone(pod: Pod) -> None:
    db = pod.start("db", *WITNESS).until("ready")
    web = pod.start("web", "--after", "db", *WITNESS, "TERM", "0.7").until("ready")
    for running in (db, web):
        running.send(signal.SIGTERM)
    assert web.status() == 0
    gone = time.time()
    assert db.status() == 0
    record = read_json(pod.state / "db" / "record.json")
    told = next(entry for entry in record["signals"] if entry["signal"] == "TERM")
    assert record["began"] + told["at"] >= gone - 0.3
    assert record["used"] >= 0.6


def test_a_dependent_that_does_not_end_holds_the_stop_no_longer_than_the_purse_allows(
    pod: Pod,
) -> None:
    """Both are killed at the same moment. Before that, each has been asked."""
    words = ("--grace-period", "2", "--margin", "500ms")
    deaf = ("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    db = pod.start("db", *words, *WITNESS).until("ready")
    web = pod.start("web", *words, "--after", "db", *deaf).until("ready")
    for running in (db, web):
        running.send(signal.SIGTERM)
    assert db.finish()[:2] == (0, "ready\nSIGTERM\nclean\n")
    assert web.status() == 137


def test_any_condition_may_end_a_program(supervisor: Form, tmp_path: Path) -> None:
    running = supervisor.start("--until", f"file:{tmp_path / 'enough'}", *WITNESS).until("ready")
    (tmp_path / "enough").touch()
    assert running.finish()[:2] == (0, "ready\nSIGTERM\nclean\n")


def test_a_stop_of_one_container_alone_is_not_held_for_long(pod: Pod) -> None:
    """A liveness restart: the dependents know of nothing."""
    db = pod.start("db", *WITNESS).until("ready")
    web = pod.start("web", "--after", "db", *WITNESS).until("ready")
    began = time.monotonic()
    db.send(signal.SIGTERM)
    assert db.status() == 0
    assert time.monotonic() - began < 3
    quick = pod.start("quick", "--unordered-stop", *WITNESS).until("ready")
    quick.send(signal.SIGTERM)
    assert quick.status() == 0
    web.send(signal.SIGTERM)
    assert web.status() == 0


def test_a_reader_never_sees_half_a_status(pod: Pod, tmp_path: Path) -> None:
    """Hundreds of runs' worth of rewrites against a tight reader."""
    stop = threading.Event()
    seen: list[object] = []

    def read() -> None:
        path = pod.state / "app" / "status.json"
        while not stop.is_set():
            try:
                seen.append(json.loads(path.read_text())["phase"])
            except FileNotFoundError:
                continue

    reader = threading.Thread(target=read)
    reader.start()
    try:
        words = ("--retry", "40", "--retry-delay", "0", "false")
        assert pod.start("app", *words).status() == 1
    finally:
        stop.set()
        reader.join()
    assert "running" in seen
    assert read_json(pod.state / "app" / "status.json")["phase"] == "ended"


def test_state_is_visible_as_status(pod: Pod, supervisor: Form) -> None:
    assert pod.start("done", "sh", "-c", "exit 4").status() == 4
    killed = pod.start("killed", *WITNESS).until("ready")
    killed.send(signal.SIGKILL)
    killed.finish()
    out = supervisor.run("status", "--state-dir", pod.state)[1]
    assert out == "done: ended with 4\nkilled: killed without a word\n"
    assert (pod.state / "done" / "exitcode").read_text() == "4\n"


def test_a_script_can_wait_too(pod: Pod, supervisor: Form) -> None:
    assert pod.start("db", "true").status() == 0
    base = ("wait", "--state-dir", pod.state)
    assert supervisor.run(*base, "db:success")[0] == 0
    assert supervisor.run(*base, "db:7")[0] == 75
    assert supervisor.run(*base, "--timeout", "100ms", "other")[0] == 69


def test_a_neighbour_in_another_container_is_signalled_and_stopped(
    pod: Pod, supervisor: Form, place: str
) -> None:
    """Its number is 1, and so is that of every container's main process: it is never taken for a number of ours."""
    base = ("--state-dir", pod.state)
    running = pod.start("app", *WITNESS, "TERM", "0.2", place=place).until("ready")
    assert supervisor.run("signal", *base, "app", "USR1")[0] == 0
    running.until("SIGUSR1")
    with (pod.state / "app" / "signal").open("w") as fifo:
        fifo.write("nonsense\n12\n")
    running.until("SIGUSR2")
    assert supervisor.run("stop", *base, "--name", "app", place="pid 1")[0] == 0
    status, out, errors = running.finish()
    assert (status, out.count("SIGTERM"), out.endswith("clean\n")) == (0, 1, True)
    assert "'nonsense' is no signal" in errors
    asked = read_json(pod.state / "app" / "record.json")["asked"]
    assert asked[0]["reason"] == f"{pod.state}/app/signal: SIGTERM"
    status, _, errors = supervisor.run("signal", *base, "app", "TERM")
    assert (status, "no supervisor named 'app' listens" in errors) == (68, True)
    assert supervisor.run("signal", *base, "app", "NOSUCH")[0] == 64


def test_a_number_that_a_dead_supervisor_left_is_not_signalled(pod: Pod, supervisor: Form) -> None:
    running = pod.start("app", *WITNESS).until("ready")
    running.send(signal.SIGKILL)
    running.finish()
    path = pod.state / "app" / "status.json"
    stranger = subprocess.Popen(["sleep", "30"])
    try:
        path.write_text(json.dumps(read_json(path) | {"pid": stranger.pid}))
        assert supervisor.run("stop", "--name", "app", "--state-dir", pod.state)[0] == 68
        assert supervisor.run("signal", "--state-dir", pod.state, "app", "TERM")[0] == 68
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_containers_of_different_users_share_a_state_directory(pod: Pod) -> None:
    pod.state.parent.chmod(0o755)
    for folder in (pod.state.parent, *pod.state.parent.parents):
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(folder.stat().st_mode | 0o011)
    first = pod.start("first", *WITNESS).until("ready")
    probe = subprocess.run(["setpriv", "--reuid=12345", "true"], check=False)
    if probe.returncode == 0 and pod._supervisor.name == "static":
        words = ("--name", "second", "--state-dir", pod.state, "--after", "first", "id", "-u")
        argv = ["setpriv", "--reuid=12345", *pod._supervisor.argv, *map(str, words)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "12345\n", "")
    first.send(signal.SIGTERM)
    assert first.status() == 0
