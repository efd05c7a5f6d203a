"""When the container started: made-up process tables, and a real PID namespace."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lifecycle.runtime._container import container_started_at, parse_stat

TICKS = os.sysconf("SC_CLK_TCK")
CONTAINER = "pid:[4026532177]"
HOST = "pid:[4026531836]"

REST = "0 -1 4194304 99 0 0 0 0 0 0 0 20 0 1 0"


def stat_line(pid: int, comm: str, parent: int, started: int) -> str:
    return f"{pid} ({comm}) S {parent} {pid} {pid} {REST} {started} 3133440 413\n"


class ProcTable:
    """A /proc of our own: `/proc/self` is this process, whatever its parents are called."""

    def __init__(self, root: Path, namespace: str) -> None:
        self.root = root
        self.me = os.getpid()
        self.add(self.me, "python3", parent=7, age=1)
        (root / "self").symlink_to(str(self.me))
        (root / "self" / "ns").mkdir()
        (root / "self" / "ns" / "pid").symlink_to(namespace)

    def add(self, pid: int, comm: str, *, parent: int, age: float) -> None:
        ticks = round((time.clock_gettime(time.CLOCK_BOOTTIME) - age) * TICKS)
        folder = self.root / str(pid)
        folder.mkdir(exist_ok=True)
        (folder / "stat").write_text(stat_line(pid, comm, parent, ticks))

    def age(self) -> float:
        return time.time() - container_started_at(self.root)


@pytest.fixture
def proc(tmp_path: Path) -> ProcTable:
    return ProcTable(tmp_path, CONTAINER)


def test_the_made_up_line_has_its_fields_where_the_real_one_has_them() -> None:
    real = parse_stat(Path("/proc/self/stat").read_bytes())
    assert real.parent == os.getppid()
    assert parse_stat(stat_line(3, "x", 2, 119722).encode()) == (2, 119722)


@pytest.mark.parametrize(
    "comm", ["python3", "tmux: server", "a) R (b", ") S 1 1", "((((", "))))", "", "a\nb"]
)
def test_no_program_name_breaks_the_reading_of_its_line(comm: str) -> None:
    assert parse_stat(stat_line(42, comm, 7, 123456).encode()) == (7, 123456)


def test_the_container_is_as_old_as_the_process_whose_parent_is_outside(proc: ProcTable) -> None:
    proc.add(7, "gunicorn", parent=1, age=60)
    proc.add(1, "tini", parent=0, age=90)
    assert proc.age() == pytest.approx(90, abs=0.1)


def test_with_a_shared_process_namespace_the_pause_container_does_not_count(
    proc: ProcTable,
) -> None:
    proc.add(1, "pause", parent=0, age=86400)
    proc.add(7, "a) R 1 (b", parent=0, age=30)
    assert proc.age() == pytest.approx(30, abs=0.1)


def test_a_hidden_parent_ends_the_walk(proc: ProcTable) -> None:
    proc.add(7, "worker", parent=5, age=45)  # /proc mounted with hidepid=2
    assert proc.age() == pytest.approx(45, abs=0.1)


def test_a_garbled_parent_ends_the_walk(proc: ProcTable) -> None:
    (proc.root / "7").mkdir()
    (proc.root / "7" / "stat").write_bytes(b"7 (x) S\n")
    assert proc.age() == pytest.approx(1, abs=0.1)


def test_in_the_hosts_own_namespace_it_is_this_process_less_a_second(tmp_path: Path) -> None:
    proc = ProcTable(tmp_path, HOST)
    proc.add(7, "bash", parent=1, age=3600)
    proc.add(1, "systemd", parent=0, age=86400)
    assert proc.age() == pytest.approx(2, abs=0.1)


def test_a_proc_of_another_namespace_is_not_walked(tmp_path: Path) -> None:
    proc = ProcTable(tmp_path, CONTAINER)
    (tmp_path / "self").unlink()
    (tmp_path / str(os.getpid())).rename(tmp_path / "999999")
    (tmp_path / "self").symlink_to("999999")
    proc.add(7, "bash", parent=0, age=3600)
    assert proc.age() == pytest.approx(2, abs=0.1)


def test_without_proc_it_is_no_later_than_now(tmp_path: Path) -> None:
    assert container_started_at(tmp_path / "no-proc") <= time.time() - 1


ASK = "import time; from lifecycle.runtime._container import container_started_at as s; print(s(), time.time())"


def ask(*prefix: str) -> tuple[float, float, float]:
    """Run a child two processes deep, and return when it was started, its answer and its clock."""
    script = f"sleep 0.7; {sys.executable} -c '{ASK}'; true"
    began = time.time()
    run = subprocess.run(
        [*prefix, "sh", "-c", script], capture_output=True, text=True, check=False, timeout=30
    )
    if "Operation not permitted" in run.stderr:
        pytest.skip("no right to make a PID namespace")
    assert run.returncode == 0, run.stderr
    answer, now = map(float, run.stdout.split())
    return began, answer, now


@pytest.mark.process
def test_in_a_real_namespace_it_is_the_start_of_the_entry_process() -> None:
    began, answer, now = ask("unshare", "--pid", "--fork", "--mount-proc")
    assert began - 0.05 < answer < now - 0.65


@pytest.mark.process
def test_in_a_real_namespace_without_its_own_proc_it_is_this_process_less_a_second() -> None:
    began, answer, now = ask("unshare", "--pid", "--fork")
    assert began + 0.65 - 1 < answer < now - 0.9


@pytest.mark.process
def test_outside_a_container_it_is_this_process_less_a_second() -> None:
    if str(Path("/proc/self/ns/pid").readlink()) != HOST:
        pytest.skip("this is a container")
    began, answer, now = ask()
    assert began + 0.65 - 1 < answer < now - 1
