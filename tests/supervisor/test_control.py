"""Retries, pauses, triggers, cancellation, peers, and systemd's protocol."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.supervisor.running import (
    PYTHON,
    ROOT,
    WITNESS,
    Form,
    is_namespace_allowed,
    read_json,
    wait_until,
)

pytestmark = pytest.mark.process
root_only = pytest.mark.skipif(
    os.getuid() != 0 or not is_namespace_allowed(), reason="needs root and namespaces"
)

TALK = (
    "import os, socket, sys, time\n"
    "def say(text):\n"
    "    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
    "    s.sendto(text.encode(), '\\0' + os.environ['NOTIFY_SOCKET'][1:])\n"
)


class Peer:
    def __init__(self, server: ThreadingHTTPServer, asked: list[str]) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.asked = asked


@pytest.fixture
def peer() -> Iterator[Peer]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Peer(server, asked)
        server.shutdown()
        thread.join()


def test_a_failure_is_tried_again_until_it_succeeds(supervisor: Form, tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = f"echo x >> {log}; echo said; test $(wc -l < {log}) -ge 3"
    words = ("--retry", "5", "--retry-delay", "50ms", "--stdout-path", tmp_path / "out")
    began = time.monotonic()
    status, _, errors = supervisor.run(*words, "sh", "-c", program)
    assert (status, log.read_text()) == (0, "x\nx\nx\n")
    assert time.monotonic() - began >= 0.15, "each wait is twice the last"
    assert "retry 2 of 5 in 0.1 s" in errors
    assert (tmp_path / "out").read_text() == "said\n" * 3


def test_only_listed_statuses_are_tried_again(supervisor: Form, tmp_path: Path) -> None:
    words = ("--retry", "3", "--retry-delay", "0", "--retry-on", "3,7-9")
    for status, runs in ((8, 4), (4, 1)):
        log = tmp_path / str(status)
        assert supervisor.run(*words, "sh", "-c", f"echo x >> {log}; exit {status}")[0] == status
        assert len(log.read_text().split()) == runs


def test_term_ends_the_pause_before_a_retry(supervisor: Form) -> None:
    words = ("--retry", "3", "--retry-delay", "20s", "sh", "-c", "echo ready; exit 3")
    running = supervisor.start(*words).until("ready")
    wait_until(lambda: not running.children())
    time.sleep(0.1)
    running.send(signal.SIGTERM)
    assert running.status() == 3


def test_it_pauses_before_and_after_for_whoever_debugs(supervisor: Form, tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    words = ("--pause-before", before, "--pause-on-failure", after, "sh", "-c", "echo ran; exit 3")
    running = supervisor.start(*words)
    time.sleep(0.2)
    before.touch()
    running.until("ran")
    time.sleep(0.2)
    assert running.process.poll() is None
    after.write_text("42\n")
    assert running.status() == 42


def test_term_ends_a_pause(supervisor: Form, tmp_path: Path) -> None:
    for option, status in (("--pause-before", 143), ("--pause-after", 5)):
        running = supervisor.start(option, tmp_path / "never", "sh", "-c", "exit 5")
        wait_until(lambda running=running: len(running.children()) == 1)
        time.sleep(0.2)
        running.send(signal.SIGTERM)
        assert running.status() == status


def test_a_file_cancels_before_and_during_the_run(supervisor: Form, tmp_path: Path) -> None:
    cancel = tmp_path / "cancel"
    cancel.touch()
    running = supervisor.start("--cancel-file", cancel, *WITNESS).until("ready")
    cancel.write_text("now")
    assert running.finish()[:2] == (78, "ready\nSIGTERM\nclean\n")
    words = ("--cancel-file", cancel, "--after", "file:/never", "touch", tmp_path / "started")
    assert supervisor.run(*words)[0] == 78
    assert not (tmp_path / "started").exists()


def test_a_file_delivers_signals_and_is_removed(supervisor: Form, tmp_path: Path) -> None:
    file = tmp_path / "signal"
    running = supervisor.start("--signal-file", file, *WITNESS).until("ready")
    for word in ("USR1", "12"):
        file.write_text("garbage")
        time.sleep(0.15)
        assert file.exists()
        file.write_text(word)
        wait_until(lambda: not file.exists())
    file.write_text("15")
    assert running.finish()[1].split() == ["ready", "SIGUSR1", "SIGUSR2", "SIGTERM", "clean"]


def test_peers_are_told_to_quit_at_the_end(supervisor: Form, peer: Peer) -> None:
    urls = ("--peer-quit", f"{peer.url}/quitquitquit", "--peer-quit", f"{peer.url}/shutdown")
    assert supervisor.run(*urls, "sh", "-c", "exit 3")[0] == 3
    assert sorted(peer.asked) == ["POST /quitquitquit", "POST /shutdown"]
    peer.asked.clear()
    assert supervisor.run("--peers-on-success", *urls, "sh", "-c", "exit 3")[0] == 3
    assert peer.asked == []
    assert (
        supervisor.run(*urls, "--after", "file:/never", "--wait-timeout", "50ms", "true")[0] == 69
    )
    assert len(peer.asked) == 2, "told when the program was never started, too"


def test_a_peer_that_is_gone_or_silent_does_not_hold_us(supervisor: Form) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        words = ("--peer-timeout", "300ms", "--peer-quit", f"http://127.0.0.1:{port}/")
        began = time.monotonic()
        assert supervisor.run(*words, "--peer-quit", "http://127.0.0.1:1/", "true")[0] == 0
        assert 0.3 <= time.monotonic() - began < 2


@root_only
def test_the_sidecar_of_a_mesh_is_waited_for_and_told_to_quit(
    supervisor: Form, tmp_path: Path
) -> None:
    """On the ports where Istio's and Linkerd's sidecars listen, in a network of our own."""
    log = tmp_path / "log"
    stage = tmp_path / "stage.py"
    stage.write_text(
        "import fcntl, http.server, socket, struct, subprocess, sys, threading\n"
        "with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:\n"
        "    fcntl.ioctl(s, 0x8914, struct.pack('16sH14s', b'lo', 0x49, b''))\n"
        "class Peer(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        print(self.command, self.server.server_port, self.path, file=log, flush=True)\n"
        "        self.send_response(200); self.end_headers()\n"
        "    do_POST = do_GET\n"
        "    def log_message(self, *words): pass\n"
        "log = open(sys.argv[1], 'w')\n"
        "for port in (15020, 15021, 4191):\n"
        "    server = http.server.HTTPServer(('127.0.0.1', port), Peer)\n"
        "    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()\n"
        "for mesh in ('istio', 'linkerd'):\n"
        "    command = [*sys.argv[2:], '--mesh', mesh, 'sh', '-c', 'exit 3']\n"
        "    assert subprocess.run(command).returncode == 3\n"
    )
    argv = ["unshare", "--net", *PYTHON, str(stage), str(log), *supervisor.argv]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    subprocess.run(argv, check=True, env=env, timeout=30)
    assert log.read_text().splitlines() == [
        "GET 15021 /healthz/ready",
        "POST 15020 /quitquitquit",
        "GET 4191 /ready",
        "POST 4191 /shutdown",
    ]


def test_a_trigger_file_starts_the_program_with_its_message(
    supervisor: Form, tmp_path: Path
) -> None:
    file = tmp_path / "done"
    file.write_text("stale")
    os.utime(file, (1, 1))
    words = ("--wait-file", file, "--wait-file-fresh", "--wait-file-variable", "MESSAGE")
    running = supervisor.start(*words, "sh", "-c", 'echo "got $MESSAGE"')
    time.sleep(0.3)
    assert running.process.poll() is None
    trigger = ("trigger", "--message", "cache is warm", file, "--", "sh", "-c", "exit 0")
    assert supervisor.run(*trigger)[0] == 0
    assert running.finish() == (0, "got cache is warm\n", "")


def test_a_trigger_whose_command_fails_writes_nothing(supervisor: Form, tmp_path: Path) -> None:
    file = tmp_path / "done"
    assert supervisor.run("trigger", file, "--", "sh", "-c", "exit 4")[0] == 4
    assert supervisor.run("trigger", file, "--", "no-such-program")[0] == 127
    assert not file.exists()


def test_a_trigger_that_has_succeeded_is_not_run_again(supervisor: Form, tmp_path: Path) -> None:
    file, log = tmp_path / "done", tmp_path / "log"
    words = ("trigger", file, "--", "sh", "-c", f"echo x >> {log}")
    assert supervisor.run(*words)[0] == supervisor.run(*words)[0] == 0
    assert log.read_text() == "x\n"


def test_a_chain_of_files_waits_for_content_and_skips_on_failure(
    supervisor: Form, tmp_path: Path
) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    first.touch()
    words = ("--wait-file", first, "--wait-file-content", "--post-file", second)
    running = supervisor.start(*words, "echo", "ran")
    time.sleep(0.2)
    assert running.process.poll() is None
    first.write_text("x")
    assert running.finish()[:2] == (0, "ran\n")
    assert second.exists()
    (tmp_path / "1").unlink()
    (tmp_path / "1.err").touch()
    assert supervisor.run(*words, "echo", "ran")[:2] == (75, "")
    assert (tmp_path / "2.err").exists()
    assert not second.exists(), "a marker of an earlier run is not believed"


def test_the_programs_word_for_its_readiness_is_believed(
    supervisor: Form, state: Path, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    program = (
        f"{TALK}say('STATUS=warming up')\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.02)\n"
        "say('STATUS=serving\\nREADY=1')\n"
        "time.sleep(30)\n"
    )
    words = ("--notify", "--name", "app", "--state-dir", state)
    running = supervisor.start(*words, "python3", "-c", program)
    status = state / "app" / "status.json"
    wait_until(lambda: status.exists() and read_json(status).get("status") == "warming up")
    assert read_json(status)["ready"] is False
    go.touch()
    wait_until(lambda: read_json(status)["ready"] is True)
    assert read_json(status)["status"] == "serving"
    running.send(signal.SIGTERM)
    assert running.status() == 143


def test_a_program_that_says_that_it_stops_is_no_longer_ready(
    supervisor: Form, state: Path, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    program = f"{TALK}say('READY=1')\nsys.stdin.read(1)\nsay('STOPPING=1')\ntime.sleep(30)\n"
    words = ("--notify", "--name", "app", "--state-dir", state, "--ready-file", ready)
    running = supervisor.start(*words, *PYTHON, "-c", program, stdin=-1)
    wait_until(ready.exists)
    assert running.process.stdin is not None
    running.process.stdin.write(b"\n")
    running.process.stdin.flush()
    status = state / "app" / "status.json"
    wait_until(lambda: read_json(status)["phase"] == "stopping")
    assert read_json(status)["ready"] is False
    assert not ready.exists()
    running.send(signal.SIGTERM)
    assert running.status() == 143


def test_a_cancellation_after_the_end_changes_nothing(supervisor: Form, tmp_path: Path) -> None:
    cancel, after = tmp_path / "cancel", tmp_path / "after"
    words = ("--cancel-file", cancel, "--pause-after", after, "sh", "-c", "exit 5")
    running = supervisor.start(*words)
    assert running.process.stderr is not None
    assert b"paused until" in running.process.stderr.readline()
    cancel.write_text("now")
    after.touch()
    assert running.status() == 5


def test_a_program_may_extend_its_step_but_not_the_purse(supervisor: Form) -> None:
    program = (
        f"{TALK}import signal\n"
        "def late(*_):\n"
        "    say('EXTEND_TIMEOUT_USEC=900000000')\n"
        "    time.sleep(float(sys.argv[1]))\n"
        "    os._exit(7)\n"
        "signal.signal(signal.SIGTERM, late)\n"
        "os.write(1, b'ready')\n"
        "time.sleep(30)\n"
    )
    words = (
        "--notify",
        "--grace-period",
        "2s",
        "--margin",
        "500ms",
        "--escalate",
        "TERM:300ms,KILL",
    )
    for seconds, status in (("0.8", 7), ("9", 137)):
        running = supervisor.start(*words, *PYTHON[:1], "-c", program, seconds).until("ready")
        began = time.monotonic()
        running.send(signal.SIGTERM)
        assert running.status() == status
        assert time.monotonic() - began < 2.3


def test_a_watchdog_that_is_not_fed_bites(supervisor: Form) -> None:
    """The interval is the option's until the program, which may be slow to start, says a shorter one."""
    program = (
        f"{TALK}import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        "assert os.environ['WATCHDOG_PID'] == str(os.getpid())\n"
        "assert os.environ['WATCHDOG_USEC'] == '30000000'\n"
        "say('WATCHDOG_USEC=1000000')\n"
        "for _ in range(6): time.sleep(0.2); say('WATCHDOG=1')\n"
        "os.write(1, b'hangs')\n"
        "time.sleep(30)\n"
    )
    status, out, errors = supervisor.run("--notify", "--watchdog", "30s", *PYTHON, "-c", program)
    assert (status, out) == (128 + signal.SIGABRT, "hangs")
    assert "did not feed its watchdog" in errors


def test_the_record_is_left_as_termination_message(supervisor: Form, tmp_path: Path) -> None:
    message = tmp_path / "log"
    message.touch()
    long = "x" * 6000
    assert supervisor.run("--termination-path", message, "sh", "-c", f"exit 3 # {long}")[0] == 3
    record = read_json(message)
    assert record["status"] == 3
    assert record["argv"].startswith("sh -c exit 3")
    assert message.stat().st_size <= 4096
    message.write_text("the program's own words")
    assert supervisor.run("--termination-path", message, "true")[0] == 0
    assert message.read_text() == "the program's own words"


def test_a_relative_path_is_where_the_caller_is(supervisor: Form, tmp_path: Path) -> None:
    words = (
        "--post-file",
        "posted",
        "--stdout-path",
        "out",
        "--state-dir",
        "s",
        "--name",
        "x",
        "echo",
        "on",
    )
    assert supervisor.run(*words, cwd=tmp_path)[0] == 0
    assert {path.name for path in tmp_path.iterdir()} >= {"posted", "out", "s"}


def test_a_worker_that_is_killed_ends_the_wait_and_not_the_watch(
    supervisor: Form, tmp_path: Path
) -> None:
    running = supervisor.start("--after", "file:/never", "true")
    wait_until(lambda: len(running.children()) == 1)
    os.kill(running.children()[0], signal.SIGKILL)
    status, _, errors = running.finish()
    assert (status, "was killed by signal 9" in errors) == (70, True)
    cancel = tmp_path / "cancel"
    running = supervisor.start("--cancel-file", cancel, *WITNESS).until("ready")
    watch = min(running.children())
    os.kill(watch, signal.SIGKILL)
    wait_until(lambda: watch not in running.children() and len(running.children()) == 2)
    cancel.write_text("now")
    assert running.status() == 78


def test_a_message_never_exceeds_what_kubernetes_keeps(supervisor: Form, tmp_path: Path) -> None:
    message = tmp_path / "log"
    message.touch()
    program = "for i in $(seq 40); do sh -c 'trap \"\" TERM; sleep 9; : '$(printf %0150d $i) & done; sleep 0.3; exit 1"
    words = ("--termination-path", message, "--grace-period", "600ms", "--quiet")
    assert supervisor.run(*words, "sh", "-c", program)[0] == 1
    assert 0 < message.stat().st_size <= 4096
    assert len(read_json(message)["killed"]) >= 2
