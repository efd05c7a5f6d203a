"""Nobody else reaps what the program leaves behind: not one zombie, and never a lost status."""

import time
from pathlib import Path

import pytest

from tests.supervisor.running import ORPHANS, PYTHON, Form, Running, wait_until

pytestmark = pytest.mark.process


def test_a_hundred_orphans_of_mixed_lifetimes_leave_no_zombie(supervisor: Form, place: str) -> None:
    program = (
        "for i in 1 2 3 4 5; do (for j in $(seq 10); do sleep 0.$i & sleep 0 & done) & done;"
        "wait; echo ready; read x; exit 3"
    )
    running = supervisor.start("sh", "-c", program, stdin=-1, place=place).until("ready")
    wait_until(lambda: len(running.children()) == 1)
    assert running.process.stdin is not None
    running.process.stdin.write(b"\n")
    running.process.stdin.flush()
    assert running.status() == 3


def test_a_thousand_orphans_are_reaped(supervisor: Form, place: str) -> None:
    running = supervisor.start(*ORPHANS, 1000, 0.0, "wait", stdin=-1, place=place).until("ready")
    wait_until(lambda: len(running.children()) == 1)
    assert running.process.stdin is not None
    running.process.stdin.close()
    running.process.stdin = None
    assert running.status() == 7


def test_the_program_and_its_orphans_may_end_in_the_same_instant(
    supervisor: Form, place: str
) -> None:
    """Fifty ends leave one SIGCHLD. As a group they get their KILL together."""
    program = (
        "import os, signal, sys, time\n"
        "for _ in range(50):\n"
        "    if os.fork() == 0:\n"
        "        if os.fork() == 0: time.sleep(30)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
        "os.write(1, b'ready')\n"
        "os.read(0, 1)\n"
        "os.killpg(0, signal.SIGKILL)\n"
    )
    running = supervisor.start(*PYTHON, "-c", program, stdin=-1, place=place).until("ready")
    assert running.process.stdin is not None
    began = time.monotonic()
    running.process.stdin.close()
    running.process.wait()
    assert time.monotonic() - began < 10
    running.process.stdin = None
    assert running.status() == 137


def test_reaped_orphans_are_named_only_on_request(supervisor: Form) -> None:
    program = "(sleep 0.05 &) ; sleep 0.2"
    assert supervisor.run("sh", "-c", program) == (0, "", "")
    assert "reaped process" in supervisor.run("--verbose", "sh", "-c", program)[2]


def test_nothing_wakes_up_while_nothing_is_awaited(supervisor: Form, state: Path) -> None:
    """Also with a neighbour whose end is awaited: its lock wakes us, not a clock."""
    other = supervisor.start("--name", "other", "--state-dir", state, "sleep", "30")
    wait_until((state / "other" / "status.json").exists)
    words = ("--name", "me", "--state-dir", state, "--until", "other", "sleep", "30")
    for options in ((), words[:-2]):
        running = supervisor.start(*options, "sleep", "30")
        _await_children(running, 2 if options else 1)
        time.sleep(0.3)
        pids = [running.pid, *running.children()]
        before = [_switches(pid) for pid in pids]
        time.sleep(0.6)
        assert [_switches(pid) for pid in pids] == before
        running.send(15)
        assert running.status() == 143
    other.send(15)
    assert other.status() == 143


def _await_children(running: Running, count: int) -> None:
    wait_until(lambda: len(running.children()) == count)


def _switches(pid: int) -> str:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line for line in status if line.startswith("voluntary_ctxt_switches"))
