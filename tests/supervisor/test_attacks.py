"""What a hostile or broken program, or a hectic platform, does to PID 1: it stays in charge, and leaves nobody behind."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.supervisor.running import (
    PYTHON,
    WITNESS,
    Form,
    is_alive,
    is_namespace_allowed,
    read_json,
    wait_until,
)

pytestmark = pytest.mark.process
CGROUPS = Path("/sys/fs/cgroup")


def test_a_storm_of_signals_is_passed_on_and_ends_in_one_stop(supervisor: Form, place: str) -> None:
    running = supervisor.start("--quiet", *WITNESS, "TERM", "0.1", place=place).until("ready")
    pid = running.pid
    for _ in range(1000):
        for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGWINCH, signal.SIGRTMIN + 3):
            os.kill(pid, number)
    for _ in range(200):
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            break
    status, out, _ = running.finish()
    assert status == 0
    assert out.count("SIGTERM") == 1
    assert out.count("37\n") <= 1000, "a real-time signal is queued, and none is made up"
    assert out.endswith("clean\n")


def test_a_program_that_multiplies_while_it_is_killed_is_gone(
    supervisor: Form, place: str, tmp_path: Path
) -> None:
    """Every process starts another one in a session of its own, and ignores what can be ignored."""
    pids = tmp_path / "pids"
    program = (
        "import os, signal, sys, time\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
        "log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)\n"
        "for generation in range(40):\n"
        "    if os.fork() == 0: os.setsid(); time.sleep(0.02)\n"
        "    else:\n"
        "        os.write(log, b'%d\\n' % os.getpid())\n"
        "        if generation == 3: os.write(1, b'ready')\n"
        "        time.sleep(60)\n"
        "        os._exit(0)\n"
    )
    words = ("--grace-period", "600ms", "--quiet", *PYTHON, "-c", program, pids)
    running = supervisor.start(*words, place=place).until("ready")
    running.send(signal.SIGTERM)
    assert running.status() == 137
    if place == "child":
        assert not [pid for pid in pids.read_text().split() if is_alive(int(pid))]


def test_signals_during_the_programs_start_are_neither_lost_nor_doubled(
    supervisor: Form, tmp_path: Path
) -> None:
    """Two requests, some moments apart, while the program is being executed: it hears of one, or never starts."""
    for moment in range(12):
        running = supervisor.start("--quiet", "sh", "-c", "sleep 30")
        time.sleep(0.004 * moment)
        running.send(signal.SIGTERM)
        running.send(signal.SIGTERM)
        assert running.status() == 143


def test_input_belongs_to_the_program(supervisor: Form, place: str) -> None:
    running = supervisor.start("sh", "-c", "cat; exit 4", stdin=-1, place=place)
    out, _ = running.process.communicate(b"x" * 200_000, timeout=20)
    assert (running.process.returncode, len(out)) == (4, 200_000)


class Limited:
    """A memory cgroup, version 1 or 2, as a container sees its own."""

    def __init__(self, folder: Path, seen_at: Path) -> None:
        self.folder = folder
        self.seen_at = seen_at


@pytest.fixture
def limited() -> Iterator[Limited]:
    if os.getuid() != 0 or not is_namespace_allowed():
        pytest.skip("needs root and namespaces")
    first = (CGROUPS / "memory").is_dir()
    above = CGROUPS / "memory" if first else CGROUPS
    folder = above / f"supervisor-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as failure:
        pytest.skip(f"no memory cgroup can be made here: {failure}")
    try:
        limit = folder / ("memory.limit_in_bytes" if first else "memory.max")
        if not limit.exists():
            pytest.skip("the memory controller is not given to new cgroups here")
        limit.write_text(str(64 << 20))
        yield Limited(folder, above)
    finally:
        wait_until(lambda: not (folder / "cgroup.procs").read_text().split())
        folder.rmdir()


def test_a_program_that_the_kernel_kills_for_its_memory_is_told_apart(
    supervisor: Form, limited: Limited, state: Path
) -> None:
    enter = f'echo $$ > {limited.folder}/cgroup.procs && mount --bind {limited.folder} {limited.seen_at} && exec "$@"'
    greedy = "x = []\nwhile True: x.append(bytearray(1 << 22))"
    words = ("--name", "app", "--state-dir", state, *PYTHON, "-c", greedy)
    inside = Form(
        supervisor.name, ["unshare", "--mount", "sh", "-c", enter, "sh", *supervisor.argv]
    )
    status, _, errors = inside.run(*words)
    inside.end()
    if status != 137 and "cgroup.procs" in errors:
        pytest.skip(f"no process may enter a cgroup here: {errors}")
    assert status == 137
    record = read_json(state / "app" / "record.json")
    assert (record["status"], record["oom_kill"]) == (137, 1)


def test_a_clock_that_jumps_moves_no_deadline() -> None:
    """Deadlines are on the clock that nobody can set. The other one is for what people read, and for dates of files."""
    sources = Path(__file__).parents[2] / "src/lifecycle/supervisor"
    wall = {
        path.stem
        for path in sources.glob("*.py")
        if subprocess.run(["grep", "-Eq", r"\btime\(\)", path], check=False).returncode == 0
    }
    assert wall == {"_conditions", "_record", "_state", "_tekton"}
