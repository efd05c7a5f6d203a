"""A signal reaches the program as it was sent: once, in order, from the first millisecond on."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.supervisor.running import PROGRAMS, PYTHON, WITNESS, Form, is_alive, wait_until

pytestmark = pytest.mark.process

JOB_CONTROL = {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
SPECIAL = {
    signal.SIGKILL,
    signal.SIGSTOP,
    signal.SIGCHLD,
    signal.SIGTERM,
    signal.SIGINT,
    *JOB_CONTROL,
}


def heard(out: str) -> list[str]:
    return [line for line in out.splitlines() if line not in ("ready", "clean")]


def test_every_signal_arrives_once_and_in_order(supervisor: Form, place: str) -> None:
    running = supervisor.start(*WITNESS, place=place).until("ready")
    expected = []
    for number in [*sorted(set(signal.valid_signals()) - SPECIAL), signal.SIGTERM]:
        name = getattr(number, "name", str(number))  # real-time signals between the ends have none
        running.send(number)
        running.until(f"{name}\n")
        expected.append(name)
    status, out, _ = running.finish()
    assert status == 0
    assert heard(out) == expected


def test_a_childs_end_is_ours_and_queued_signals_keep_their_number(supervisor: Form) -> None:
    """CHLD is the one that is not passed on. Real-time signals are queued, so five are five."""
    program = (
        "import os, signal\n"
        "waited = {signal.SIGCHLD, signal.SIGRTMIN + 1, signal.SIGRTMIN + 2}\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, waited)\n"
        "os.write(1, b'ready\\n')\n"
        "number = 0\n"
        "while number != signal.SIGRTMIN + 2:\n"
        "    number = signal.sigwaitinfo(waited).si_signo\n"
        "    os.write(1, b'%d\\n' % number)\n"
    )
    running = supervisor.start(*PYTHON, "-c", program).until("ready")
    queued, last = signal.SIGRTMIN + 1, signal.SIGRTMIN + 2
    for number in [signal.SIGCHLD, *[queued] * 5, signal.SIGCHLD, last]:
        running.send(number)
    status, out, _ = running.finish()
    assert (status, out.split()) == (0, ["ready", *[str(int(queued))] * 5, str(int(last))])


def test_a_signal_is_rewritten_once_by_name_or_number(supervisor: Form) -> None:
    words = ("--rewrite", "USR1:USR2", "-r", "12:10", "--rewrite", "HUP:64", "--rewrite", "64:1")
    running = supervisor.start(*words, *WITNESS).until("ready")
    for number, name in ((10, "SIGUSR2"), (12, "SIGUSR1"), (1, "SIGRTMAX"), (64, "SIGHUP")):
        running.send(number)
        running.until(name)
    running.send(signal.SIGTERM)
    assert running.status() == 0


def test_a_dropped_signal_never_arrives_and_the_next_one_does(supervisor: Form) -> None:
    running = supervisor.start("--rewrite", "HUP:0", "--rewrite", "INT:drop", *WITNESS).until(
        "ready"
    )
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGTERM):
        running.send(number)
    assert heard(running.finish()[1])[:2] == ["SIGUSR1", "SIGTERM"]


def test_a_stop_signal_may_be_turned_into_another(supervisor: Form) -> None:
    for option in ("--rewrite=TERM:QUIT", "--stop-signal=QUIT"):
        running = supervisor.start(option, *WITNESS, "QUIT").until("ready")
        running.send(signal.SIGTERM)
        assert heard(running.finish()[1]) == ["SIGQUIT"]


def test_a_request_to_stop_reaches_the_program_once(supervisor: Form) -> None:
    """At once, before it is thought about; and thinking about it does not send it again, nor does a second one."""
    running = supervisor.start(*WITNESS, "WINCH").until("ready")
    running.send(signal.SIGTERM)
    running.until("SIGCONT")
    running.send(signal.SIGTERM)
    running.send(signal.SIGWINCH)
    status, out, _ = running.finish()
    assert (status, out.split()) == (0, ["ready", "SIGTERM", "SIGCONT", "SIGWINCH", "clean"])


def test_a_request_that_is_rewritten_is_sent_once(supervisor: Form) -> None:
    """A real-time signal is queued as often as it is sent."""
    queued = signal.SIGRTMIN + 2
    running = supervisor.start("--rewrite", "TERM:RTMIN+2", *WITNESS, "WINCH").until("ready")
    running.send(signal.SIGTERM)
    running.until("SIGCONT").until(str(queued))
    running.send(signal.SIGWINCH)
    assert running.finish()[1].split().count(str(queued)) == 1


@pytest.mark.parametrize("option", ["--pre-stop", "--stop-with"])
def test_what_is_run_before_the_signal_comes_before_it(supervisor: Form, option: str) -> None:
    command = "sh -c 'echo before; exit 1'"
    running = supervisor.start(option, command, *WITNESS).until("ready")
    running.send(signal.SIGTERM)
    assert running.finish()[1].split()[:3] == ["ready", "before", "SIGTERM"]


def test_a_delayed_signal_arrives_later(supervisor: Form) -> None:
    running = supervisor.start("--delay", "TERM=300ms", *WITNESS).until("ready")
    began = time.monotonic()
    running.send(signal.SIGTERM)
    assert running.status() == 0
    assert 0.3 <= time.monotonic() - began < 3


def test_a_delayed_signal_is_overtaken_by_those_that_are_not(supervisor: Form) -> None:
    running = supervisor.start("--delay", "USR1=200ms", *WITNESS).until("ready")
    running.send(signal.SIGUSR1)
    running.send(signal.SIGUSR2)
    running.until("SIGUSR1")
    running.send(signal.SIGTERM)
    assert heard(running.finish()[1])[:2] == ["SIGUSR2", "SIGUSR1"]


def test_a_pre_fork_server_tells_its_workers_itself(supervisor: Form, place: str) -> None:
    """TERM is for the main process alone: a worker that heard it, too, would drop what it is doing."""
    worker = " ".join([*WITNESS, "QUIT"])
    program = (
        f"{worker} & echo main; trap 'sleep 0.2; kill -QUIT $!; wait $!; exit 5' TERM; wait; wait"
    )
    running = supervisor.start("sh", "-c", program, place=place).until("ready").until("main")
    running.send(signal.SIGTERM)
    status, out, _ = running.finish()
    assert (status, heard(out.replace("main\n", ""))) == (5, ["SIGQUIT"])


def test_a_shell_hears_with_its_group_when_that_is_found_out(supervisor: Form) -> None:
    """A shell waits for what runs in the foreground before it acts on a signal; any other program is told alone."""
    words = ("--signal-to", "auto")
    running = supervisor.start(*words, "sh", "-c", f"{' '.join(WITNESS)} USR1; exit 4")
    running.until("ready").send(signal.SIGUSR1)
    running.until("SIGUSR1")
    running.finish()
    running = supervisor.start(
        *words, "env", "sh", "-c", f"trap : HUP; {' '.join(WITNESS)} & wait; wait"
    )
    running.until("ready").send(signal.SIGHUP)
    running.send(signal.SIGTERM)
    assert "SIGHUP" not in running.finish()[1]


def test_only_the_main_process_hears_unless_the_group_is_asked_for(supervisor: Form) -> None:
    witness = " ".join(WITNESS)
    group = ("--signal-to", "group", "sh", "-c", f"trap '' USR1; {witness} USR1 & wait")
    running = supervisor.start(*group).until("ready")
    running.send(signal.SIGUSR1)
    assert "SIGUSR1" in running.finish()[1]
    running = supervisor.start("sh", "-c", f"trap : HUP; {witness} & wait; wait").until("ready")
    running.send(signal.SIGHUP)
    time.sleep(0.1)
    running.send(signal.SIGTERM)
    assert "SIGHUP" not in running.finish()[1]


def test_the_whole_tree_hears_in_other_sessions_too(supervisor: Form) -> None:
    words = (
        "--signal-to",
        "tree",
        "sh",
        "-c",
        f"trap '' HUP; setsid {' '.join(WITNESS)} & wait; wait",
    )
    running = supervisor.start(*words).until("ready")
    running.send(signal.SIGHUP)
    running.until("SIGHUP")
    running.send(signal.SIGTERM)
    running.until("clean")


def test_term_in_the_first_millisecond_stops_the_program_or_prevents_it(supervisor: Form) -> None:
    """A signal that comes before the interpreter is up ends it, as it would any program: 143, too."""
    attempts = 100 if supervisor.name == "static" else 30
    for attempt in range(attempts):
        running = supervisor.start("sleep", "30")
        time.sleep(attempt / attempts * 0.02)
        running.send(signal.SIGTERM)
        assert running.status() == 143


def test_term_to_pid_1_before_it_waits_is_not_lost(supervisor: Form) -> None:
    """As PID 1 the default action of a signal is nothing: what is not blocked in time is lost.

    The static form blocks before its interpreter starts. For the others the launcher's mask does it here.
    """
    attempts = 30 if supervisor.name == "static" else 5
    for attempt in range(attempts):
        mask = {signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, mask)
        try:
            running = supervisor.start("sleep", "30", place="pid 1")
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, mask)
        time.sleep(attempt / attempts * 0.02)
        running.send(signal.SIGTERM)
        # The program inherits the launcher's mask, and so only SIGKILL ends it, at the end of its grace.
        try:
            wait_until(lambda pid=running.process.pid: stop_asked(pid), 5)
        finally:
            running.process.kill()


def stop_asked(unshare: int) -> bool:
    """Nothing is pending any more: the supervisor took it."""
    children = Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()
    if not children:
        return True
    status = Path(f"/proc/{children[0]}/status").read_text()
    pending = next(line for line in status.splitlines() if line.startswith("ShdPnd"))
    return int(pending.split()[1], 16) & (1 << 14) == 0


def test_the_program_inherits_the_launchers_mask_and_ignored_signals(supervisor: Form) -> None:
    launch = (
        "import os, signal, sys\n"
        "for n in (signal.SIGTTOU, signal.SIGSEGV, signal.SIGINT): signal.signal(n, signal.SIG_IGN)\n"
        "for n in (signal.SIGPIPE, signal.SIGXFSZ): signal.signal(n, signal.SIG_DFL)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTIN, signal.SIGILL, signal.SIGTERM])\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    show = ["cat", "/proc/self/status"]
    program = subprocess.run(
        [*PYTHON, "-c", launch, *supervisor.argv, *show],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(PROGRAMS.parents[2] / "src")},
    )
    bits = signal_bits(program.stdout)
    assert bits["SigBlk"] == {signal.SIGTTIN, signal.SIGILL, signal.SIGTERM}
    assert bits["SigIgn"] == {signal.SIGTTOU, signal.SIGSEGV, signal.SIGINT}


# The C library's own. Its posix_spawn, which newer Pythons start processes with, ignores them in the new process.
INTERNAL = {32, 33}


def signal_bits(status: str) -> dict[str, set[int]]:
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if line.startswith("Sig"))
    return {
        name: {n for n in range(1, 65) if int(lines[name], 16) & (1 << (n - 1))} - INTERNAL
        for name in ("SigBlk", "SigIgn")
    }


def test_python_leaves_no_signal_ignored_or_blocked(supervisor: Form, place: str) -> None:
    bits = signal_bits(supervisor.run("cat", "/proc/self/status", place=place)[1])
    assert bits == {"SigBlk": set(), "SigIgn": set()}


def test_a_suspended_program_hears_that_it_is_to_stop(supervisor: Form) -> None:
    running = supervisor.start("sh", "-c", "echo ready; kill -STOP $$; exit 5").until("ready")
    wait_until(lambda: _state_of(running.children()[0]) == "T")
    running.send(signal.SIGTERM)
    assert running.status() == 143


def _await_suspension(pids: list[int], *, suspended: bool) -> None:
    wait_until(lambda: all((_state_of(pid) == "T") == suspended for pid in pids))


def _state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_terminal_stops_suspend_wrapper_and_program_and_cont_resumes_both(supervisor: Form) -> None:
    for number in JOB_CONTROL:
        running = supervisor.start(*WITNESS).until("ready")
        program = running.children()[0]
        running.send(number)
        _await_suspension([running.pid, program], suspended=True)
        running.send(signal.SIGCONT)
        _await_suspension([running.pid, program], suspended=False)
        running.until("SIGCONT")
        running.send(signal.SIGTERM)
        assert running.status() == 0


def test_a_program_ends_with_a_supervisor_that_is_killed(supervisor: Form) -> None:
    running = supervisor.start(*WITNESS).until("ready")
    program = running.children()[0]
    running.send(signal.SIGKILL)
    assert running.status() == 137
    wait_until(lambda: not is_alive(program))


def test_the_supervisor_itself_may_be_told_of_its_parents_death(
    supervisor: Form, tmp_path: Path
) -> None:
    words = " ".join([*supervisor.argv, "-p", "USR1", *WITNESS, "USR1"])
    log = tmp_path / "log"
    shell = subprocess.Popen(
        ["sh", "-c", f"{words} > {log} & wait"],
        env={**os.environ, "PYTHONPATH": str(PROGRAMS.parents[2] / "src")},
    )
    wait_until(lambda: log.exists() and "ready" in log.read_text())
    shell.kill()
    shell.wait()
    wait_until(lambda: "SIGUSR1" in log.read_text())
    wait_until(lambda: "clean" in log.read_text())
