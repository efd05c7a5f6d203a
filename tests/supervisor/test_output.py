"""A copy of the output loses nothing, and costs the program nothing but the copy."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.supervisor.running import Form, wait_until

pytestmark = pytest.mark.process


def test_stdout_and_stderr_are_copied_and_still_arrive(supervisor: Form, tmp_path: Path) -> None:
    out, errors = tmp_path / "a/b/out", tmp_path / "err"
    errors.write_text("before\n")
    words = (
        "--stdout-path",
        out,
        "--stderr-path",
        errors,
        "sh",
        "-c",
        "echo one; echo two >&2; exit 3",
    )
    assert supervisor.run(*words) == (3, "one\n", "two\n")
    assert out.read_text() == "one\n"
    assert errors.read_text() == "before\ntwo\n"


def test_both_may_go_to_one_file(supervisor: Form, tmp_path: Path) -> None:
    both = tmp_path / "both"
    program = "echo one; sleep 0.1; echo two >&2"
    assert supervisor.run("--stdout-path", both, "--stderr-path", both, "sh", "-c", program)[0] == 0
    assert both.read_text() == "one\ntwo\n"


def test_a_slow_reader_loses_nothing(supervisor: Form, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    program = "import os; os.write(1, b'x' * 300_000); os._exit(0)"
    running = supervisor.start("--stdout-path", copy, "python3", "-c", program)
    time.sleep(1.3)
    assert running.process.poll() is None, "more than the pipe timeout, and still there"
    status, out, _ = running.finish()
    assert (status, len(out), copy.stat().st_size) == (0, 300_000, 300_000)


def test_what_the_program_left_in_the_pipe_is_waited_for(supervisor: Form, tmp_path: Path) -> None:
    """It is long gone, its reader takes a pause, and a part of its words is in neither the reader's pipe nor the copy."""
    copy = tmp_path / "copy"
    program = "import os; os.write(1, b'x' * 100_000); os._exit(3)"
    words = ("--stdout-path", copy, "--pipe-timeout", "100ms", "python3", "-I", "-S", "-c", program)
    running = supervisor.start(*words)
    wait_until(lambda: copy.exists() and copy.stat().st_size > 0)
    wait_until(lambda: len(running.children()) == 1)
    time.sleep(0.3)
    assert running.process.poll() is None, "longer than the pipe timeout, and still there"
    status, out, _ = running.finish()
    assert (status, len(out), copy.stat().st_size) == (3, 100_000, 100_000)


def test_whoever_holds_the_pipe_does_not_hold_us(supervisor: Form, tmp_path: Path) -> None:
    words = ("--survivors", "leave", "--pipe-timeout", "200ms", "--stdout-path", tmp_path / "out")
    began = time.monotonic()
    running = supervisor.start(*words, "sh", "-c", "echo said; sleep 3 & exit 4")
    assert running.process.wait(10) == 4
    assert 0.2 <= time.monotonic() - began < 2
    assert (tmp_path / "out").read_text() == "said\n"
    running.process.kill()


def test_a_copy_that_cannot_be_written_costs_only_itself(supervisor: Form, tmp_path: Path) -> None:
    blocked = tmp_path / "file" / "out"
    (tmp_path / "file").touch()
    status, out, errors = supervisor.run("--stdout-path", blocked, "echo", "said")
    assert (status, out) == (0, "said\n")
    assert "output goes on without a copy" in errors


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_volume_ends_the_copy_and_not_the_output(supervisor: Form) -> None:
    status, out, errors = supervisor.run("--stdout-path", "/dev/full", "echo", "said")
    assert (status, out) == (0, "said\n")
    assert "cannot write /dev/full: No space left on device; the copy ends here" in errors


def test_a_signal_is_not_kept_waiting_by_a_blocked_output(supervisor: Form, tmp_path: Path) -> None:
    program = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.02; done"
    words = ("--stdout-path", tmp_path / "copy", "sh", "-c", program)
    running = supervisor.start(*words).until("ready")
    filler = subprocess.Popen(["sh", "-c", "yes"], stdout=running.process.stdout)
    filler.kill()
    filler.wait()
    began = time.monotonic()
    running.send(15)
    assert running.process.wait(10) == 9
    assert time.monotonic() - began < 2
