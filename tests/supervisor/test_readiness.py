"""Whether the program is ready: what it says itself is believed, as long as it can be true, and nothing that it says is fatal."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.supervisor.running import (
    PYTHON,
    WITNESS,
    Form,
    is_namespace_allowed,
    read_json,
    wait_until,
)

pytestmark = pytest.mark.process

TALK = (
    "import os, socket, sys, time\n"
    "def say(words):\n"
    "    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
    "    s.sendto(words, '\\0' + os.environ['NOTIFY_SOCKET'][1:])\n"
)
NONSENSE = (
    b"",
    b"\0\xff\n=\n==\nREADY\nREADY=2\nWATCHDOG=\nMAINPID=x\nFDSTORE=1\nBARRIER=1\n",
    "EXTEND_TIMEOUT_USEC=²\nWATCHDOG_USEC=٣\n".encode(),
    b"EXTEND_TIMEOUT_USEC=" + b"9" * 5000,
    b"WATCHDOG_USEC=" + b"9" * 5000,
    b"EXTEND_TIMEOUT_USEC=-1\nWATCHDOG_USEC=-1\nWATCHDOG_USEC=1e3\n",
    b"STATUS=" + b"x" * 9000,
)


def test_nothing_that_a_program_says_ends_the_supervisor(supervisor: Form, state: Path) -> None:
    program = f"{TALK}for words in {NONSENSE!r}: say(words)\nsay(b'READY=1\\nSTATUS=well')\n"
    words = ("--notify", "--watchdog", "30", "--name", "app", "--state-dir", state)
    running = supervisor.start(
        *words, *PYTHON, "-c", program + "sys.stdin.read()\nsys.exit(6)", stdin=-1
    )
    status = state / "app" / "status.json"
    wait_until(lambda: status.exists() and read_json(status).get("status") == "well")
    assert read_json(status)["ready"] is True
    assert running.finish()[::2] == (6, "")


def test_a_program_may_pull_its_own_watchdog(supervisor: Form) -> None:
    program = f"{TALK}import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\nsay(b'WATCHDOG=trigger')\ntime.sleep(30)\n"
    status, _, errors = supervisor.run("--notify", *PYTHON, "-c", program)
    assert (status, "did not feed its watchdog" in errors) == (128 + signal.SIGABRT, True)


def test_a_program_that_is_stopping_need_not_feed_its_watchdog(supervisor: Form) -> None:
    program = (
        f"{TALK}import signal\n"
        "def late(*_):\n"
        "    say(b'WATCHDOG_USEC=200000')\n"
        "    time.sleep(0.6)\n"
        "    os._exit(5)\n"
        "signal.signal(signal.SIGTERM, late)\n"
        "print('ready', flush=True)\n"
        "time.sleep(30)\n"
    )
    words = ("--notify", "--second-signal", "kill")
    running = supervisor.start(*words, *PYTHON, "-c", program).until("ready")
    running.send(signal.SIGTERM)
    assert running.finish()[::2] == (5, "")


@pytest.mark.skipif(not is_namespace_allowed(), reason="this machine refuses a PID namespace")
def test_another_containers_word_is_not_believed(supervisor: Form, tmp_path: Path) -> None:
    """Containers of a pod share the network, and abstract names with it. Who has no number here is none of ours."""
    ready = tmp_path / "ready"
    program = ("sh", "-c", "echo $NOTIFY_SOCKET; echo said; sleep 30")
    words = ("--notify", "--ready-file", ready, "--grace-period", "2")
    running = supervisor.start(*words, *program, place="pid 1").until("said")
    address = running.out.split()[0].replace(b"@", b"\0", 1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        for _ in range(3):
            stranger.sendto(b"READY=1", address)
    assert running.process.stderr is not None
    assert b"ignored a notification" in running.process.stderr.readline()
    assert not ready.exists()
    running.send(signal.SIGTERM)
    assert running.finish()[2] == "", "said once, whatever a stranger sends"


def test_readiness_ends_with_the_run(supervisor: Form, state: Path, tmp_path: Path) -> None:
    ready, status = tmp_path / "ready", state / "app" / "status.json"
    words = ("--ready-file", ready, "--name", "app", "--state-dir", state)
    running = supervisor.start(
        *words, "--retry", "1", "--retry-delay", "60s", "sh", "-c", "read line; exit 3", stdin=-1
    )
    wait_until(ready.exists)
    assert running.process.stdin is not None
    running.process.stdin.write(b"\n")
    running.process.stdin.flush()
    wait_until(lambda: not ready.exists() and read_json(status)["ready"] is False)
    running.send(signal.SIGTERM)
    assert running.status() == 3


def test_readiness_begins_anew_with_the_next_run(supervisor: Form, tmp_path: Path) -> None:
    ready, log = tmp_path / "ready", tmp_path / "log"
    words = ("--ready-file", ready, "--retry", "1", "--retry-delay", "10ms")
    program = f"echo x >> {log}; test $(wc -l < {log}) -ge 2 && sleep 30; exit 3"
    running = supervisor.start(*words, "sh", "-c", program)
    wait_until(lambda: log.exists() and log.read_text() == "x\nx\n")
    wait_until(ready.exists)
    running.send(signal.SIGTERM)
    assert running.status() == 143
    assert not ready.exists()


def test_what_comes_true_during_the_stop_makes_nothing_ready(
    supervisor: Form, tmp_path: Path
) -> None:
    ready, late = tmp_path / "ready", tmp_path / "late"
    words = ("--ready-when", f"file:{late}", "--ready-file", ready, *WITNESS, "TERM", "0.3")
    running = supervisor.start(*words).until("ready")
    running.send(signal.SIGTERM)
    running.until("SIGTERM")
    late.touch()
    while running.process.poll() is None:
        assert not ready.exists()
        time.sleep(0.01)
    assert running.status() == 0


def test_a_program_that_is_stopping_cannot_say_that_it_is_ready(
    supervisor: Form, state: Path, tmp_path: Path
) -> None:
    ready, status = tmp_path / "ready", state / "app" / "status.json"
    program = (
        f"{TALK}import signal\n"
        "def late(*_):\n"
        "    say(b'READY=1')\n"
        "    say(b'STATUS=heard')\n"
        "signal.signal(signal.SIGTERM, late)\n"
        "print('started', flush=True)\n"
        "sys.stdin.read()\n"
    )
    words = ("--notify", "--ready-file", ready, "--name", "app", "--state-dir", state)
    running = supervisor.start(*words, *PYTHON, "-c", program, stdin=-1).until("started")
    running.send(signal.SIGTERM)
    wait_until(lambda: read_json(status).get("status") == "heard")
    assert read_json(status)["ready"] is False
    assert not ready.exists()
    assert running.status() == 0


def test_a_ready_file_that_cannot_be_written_costs_only_itself(
    supervisor: Form, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, complaint in (
        (tmp_path, "Is a directory"),
        (tmp_path / "pipe", "Is no regular file"),
    ):
        found = supervisor.run("--ready-file", path, "echo", "on")
        assert found == (0, "on\n", f"supervisor: cannot write {path}: {complaint}\n")
    assert (tmp_path / "pipe").is_fifo()
