"""The executable where there is nothing else: no libc, no Python, no /proc, no /dev, no /tmp. Below a shell, and as PID 1."""

import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.supervisor.running import Form, is_namespace_allowed, read_json, wait_until

BUSYBOX = shutil.which("busybox")
pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        os.getuid() != 0 or BUSYBOX is None or not is_namespace_allowed(),
        reason="needs root, namespaces and busybox-static",
    ),
]
SHELL = ("/busybox", "sh", "-c")
HEARS = 'trap "echo heard; exit 0" TERM; echo ready; while :; do /busybox sleep 0.02; done'
DEAF = "trap '' TERM; echo ready; while :; do /busybox sleep 0.02; done"


class EmptyRoot(Form):
    """Two files, and what the supervisor makes."""

    def __init__(self, root: Path) -> None:
        super().__init__("static", ["/usr/sbin/chroot", str(root), "/supervisor"])
        self.root = root


@pytest.fixture
def empty(executable: Path, tmp_path: Path) -> Iterator[EmptyRoot]:
    root = tmp_path / "root"
    root.mkdir()
    shutil.copy(executable, root / "supervisor")
    shutil.copy(str(BUSYBOX), root / "busybox")
    form = EmptyRoot(root)
    yield form
    form.end()


def test_the_post_start_hook_lets_the_program_start(empty: EmptyRoot, place: str) -> None:
    running = empty.start("--wait-file", "/tmp/done", *SHELL, "echo ran", place=place)
    assert running.process.stderr is not None
    assert b"there is no directory /tmp" in running.process.stderr.readline()
    hook = ("trigger", "--message", "cache is warm", "/tmp/done", "--", *SHELL, "exit 0")
    assert empty.run(*hook)[0] == 0
    assert running.finish() == (0, "ran\n", "supervisor: /tmp/done says: cache is warm\n")
    assert [path.name for path in (empty.root / "tmp").iterdir()] == ["done"]


def test_readiness_is_served_and_withdrawn(empty: EmptyRoot, place: str) -> None:
    """Who is not of this container (as PID 1 would have it: everybody outside) is not believed."""
    words = ("--notify", "--ready-file", "/run/ready", "--name", "app", "--state-dir", "/state")
    running = empty.start(*words, *SHELL, f"echo $NOTIFY_SOCKET; {HEARS}", place=place)
    address = running.until("ready").out.split()[0].replace(b"@", b"\0", 1)
    ready, status = empty.root / "run/ready", empty.root / "state/app/status.json"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.sendto(b"STATUS=warm\nREADY=1", address)
        client.sendto(b"READY=1", address)
    if place == "pid 1":
        assert running.process.stderr is not None
        assert b"ignored a notification" in running.process.stderr.readline()
        assert not ready.exists()
    else:
        wait_until(ready.exists)
        assert read_json(status)["status"] == "warm"
    running.send(signal.SIGTERM)
    assert running.finish()[:2] == (0, running.out.decode() + "heard\n")
    assert read_json(status)["ready"] is False
    assert not ready.exists()


def test_output_is_copied_and_a_failure_is_tried_again(empty: EmptyRoot, place: str) -> None:
    program = "echo x >> /log; echo said; echo worse >&2; [ $(/busybox wc -l < /log) -ge 3 ]"
    words = ("--stdout-path", "/logs/out", "--stderr-path", "/logs/err", "--retry", "2")
    status, out, _ = empty.run(*words, "--retry-delay", "10ms", *SHELL, program, place=place)
    assert (status, out) == (0, "said\n" * 3)
    assert (empty.root / "logs/out").read_text() == "said\n" * 3
    assert (empty.root / "logs/err").read_text() == "worse\n" * 3


def test_a_run_is_bounded_paused_cancelled_and_signalled(empty: EmptyRoot, place: str) -> None:
    status, out, _ = empty.run("--timeout", "1s", *SHELL, HEARS, place=place)
    assert (status, out) == (124, "ready\nheard\n")
    words = ("--pause-before", "/go", "--cancel-file", "/cancel", "--signal-file", "/signal")
    running = empty.start(*words, *SHELL, f"trap 'echo one' USR1; {HEARS}", place=place)
    (empty.root / "go").touch()
    running.until("ready")
    (empty.root / "signal").write_text("USR1")
    running.until("one")
    (empty.root / "cancel").write_text("now")
    assert running.finish()[:2] == (78, "ready\none\nheard\n")


def test_a_peer_is_waited_for_and_told_to_quit(empty: EmptyRoot, place: str) -> None:
    asked: list[str] = []

    class Peer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_response(200)
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Peer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        words = ("--after", f"{url}/ready", "--peer-quit", f"{url}/quit")
        assert empty.run(*words, *SHELL, "exit 3", place=place)[0] == 3
        server.shutdown()
        thread.join()
    assert asked == ["GET /ready", "POST /quit"]


def test_what_happened_is_left_as_record(empty: EmptyRoot, place: str) -> None:
    message = empty.root / "message"
    message.touch()
    words = ("--termination-path", "/message", "--name", "app", "--state-dir", "/state")
    limits = ("--grace-period", "1s", "--margin", "500ms")
    running = empty.start(*words, *limits, *SHELL, DEAF, place=place).until("ready")
    running.send(signal.SIGTERM)
    assert running.status() == 137
    record = read_json(message)
    assert record == read_json(empty.root / "state/app/record.json")
    (asked,) = record["asked"]
    expected = "the kubelet or the container runtime" if place == "pid 1" else "process "
    assert (asked["signal"], asked["by"].startswith(expected)) == ("TERM", True)
    assert (record["status"], record["grace"], record["stop"]) == (137, 1.0, "SIGTERM")
    assert 0.45 <= record["used"] <= 0.95
    assert "killed" not in record, "without /proc nobody has a name"
    assert record["oom_kill"] is None, "and without cgroups nobody counts"


def test_whatever_is_broken_the_program_is_served(empty: EmptyRoot, place: str) -> None:
    (empty.root / "folder").mkdir()
    (empty.root / "file").touch()
    os.mkfifo(empty.root / "pipe")
    for option, path, status, complaint in (
        ("--state-dir", "/file", 0, "cannot keep state in /file/busybox: Not a directory"),
        ("--stdout-path", "/folder", 0, "output goes on without a copy"),
        ("--ready-file", "/folder", 0, "cannot write /folder: Is a directory"),
        ("--post-file", "/folder", 73, "cannot write /folder: Is a directory"),
        ("--post-file", "/pipe", 73, "cannot write /pipe: Is no regular file"),
        ("--termination-path", "/pipe", 73, "cannot write /pipe: No such device or address"),
        ("--termination-path", "/none", 73, "cannot write /none: No such file or directory"),
    ):
        found = empty.run(option, path, *SHELL, "echo on", place=place)
        assert (found[:2], complaint in found[2]) == ((status, "on\n"), True), (option, path, found)
    found = empty.run("--wait-file", "/folder", "--wait-file-content", *SHELL, "echo on")
    assert (found[0], "/folder is a directory, where a file was expected" in found[2]) == (69, True)


def test_a_volume_that_is_read_only_or_full_costs_only_what_is_on_it(
    empty: EmptyRoot, place: str
) -> None:
    volume = empty.root / "volume"
    volume.mkdir()
    words = ["--name", "x", "--state-dir", "/volume/state", "--post-file", "/volume/out"]
    for options, complaint in (
        ("ro", "Read-only file system"),
        ("size=4k,nr_inodes=2", "No space left on device"),
    ):
        fill = f"echo x > {volume}/full" if options != "ro" else ":"
        script = f'mount -t tmpfs -o {options} none {volume}; {fill}; exec "$@"'
        argv = ["unshare", "--mount", "sh", "-c", script, "sh"]
        inside = Form("static", [*argv, *empty.argv])
        status, out, errors = inside.run(*words, *SHELL, "echo on", place=place)
        inside.end()
        assert (status, out) == (73, "on\n"), "a marker that is missing is no success"
        assert f"cannot keep state in /volume/state/x: {complaint}" in errors
        assert f"cannot write /volume/out: {complaint}" in errors


def test_a_random_user_is_served(empty: EmptyRoot, place: str) -> None:
    """Of no name, no group that anybody knows, no home, and no right to write anywhere."""
    user = ["--userspec=1234567:7", "--groups="]
    stranger = Form("static", [empty.argv[0], *user, *empty.argv[1:]])
    words = ("--name", "x", "--state-dir", "/state", "--stdout-path", "/out")
    status, out, errors = stranger.run(*words, *SHELL, "/busybox id -u; exit 4", place=place)
    stranger.end()
    assert (status, out) == (4, "1234567\n")
    assert "cannot keep state in /state/x: Permission denied" in errors
    assert "cannot write /out: Permission denied" in errors


def test_a_huge_command_line_and_environment_are_passed_on(empty: EmptyRoot, place: str) -> None:
    env = {f"VARIABLE_{number}": "x" * 20 for number in range(10_000)}
    words = ("sh", "x" * 100_000, *range(5_000))
    program = "echo $# ${#1}; /busybox env | /busybox grep -c ^VARIABLE_"
    assert empty.run(*SHELL, program, *words, env=env, place=place)[:2] == (
        0,
        "5001 100000\n10000\n",
    )


def test_it_copies_itself_where_nothing_else_can_copy(empty: EmptyRoot) -> None:
    (empty.root / "wrapper").mkdir()
    assert empty.run("install", "/wrapper")[0] == 0
    copy = empty.root / "wrapper/supervisor"
    assert copy.read_bytes() == (empty.root / "supervisor").read_bytes()
    assert copy.stat().st_mode & 0o777 == 0o755
    done = subprocess.run(
        ["/usr/sbin/chroot", empty.root, "/wrapper/supervisor", *SHELL, "exit 3"], check=False
    )
    assert done.returncode == 3
