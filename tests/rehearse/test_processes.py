"""What is read of a process in /proc: whether it would hear of a signal, and who descends from it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lifecycle.rehearse._agent._processes import (
    belongs,
    descendants,
    has_handler,
    kill_tree,
    waited_for,
)
from tests.rehearse.test_local import wait_until

pytestmark = pytest.mark.process
TERM, USR1 = signal.SIGTERM, signal.SIGUSR1


@contextmanager
def running(program: str) -> Iterator[int]:
    """Until it says that it is there."""
    words = [sys.executable, "-uc", f"import os, signal, time\n{program}"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"up\n"
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(
    ("program", "heard"),
    [
        ("", False),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", False),
        ("signal.signal(signal.SIGTERM, print)", True),
        ("signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])", True),
    ],
    ids=["default", "ignored", "handler", "blocked"],
)
def test_a_pid_1_hears_what_it_handles_or_blocks(program: str, *, heard: bool) -> None:
    with running(f"{program}\nprint('up')\nsignal.pause()") as pid:
        assert has_handler(pid, TERM) is heard


def test_a_pid_1_hears_what_it_waits_for_and_nothing_else() -> None:
    program = """
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("up")
signal.sigwait([signal.SIGTERM, signal.SIGHUP])
"""
    with running(program) as pid:
        # The kernel does not show them as blocked while they are waited for: this is the trap.
        wait_until(lambda: bool(waited_for(pid)))
        assert waited_for(pid) == {signal.SIGTERM, signal.SIGHUP}
        assert has_handler(pid, TERM)
        assert not has_handler(pid, USR1)


def test_who_is_gone_hears_nothing_and_has_nobody() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert not has_handler(gone.pid, TERM)
    assert waited_for(gone.pid) == set()
    assert descendants(gone.pid) == []
    assert not belongs(gone.pid, "1")
    kill_tree(gone.pid)


def test_a_family_that_forks_for_ever_and_leaves_its_parents_is_killed_to_the_last() -> None:
    program = """
leader = os.getpid()
print("up")
while True:
    if os.fork():
        time.sleep(0.01)
        if os.getpid() != leader: os._exit(0)
"""
    with running(program) as pid:
        wait_until(lambda: len(members(pid)) > 2)
        kill_tree(pid)
        wait_until(lambda: not members(pid))


def members(group: int) -> list[str]:
    """Of a process group, those that live."""
    found: list[str] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, its = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its) == group and state != "Z":
                found.append(stat.parent.name)
    return found
