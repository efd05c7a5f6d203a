"""One purse of time: asked first, in steps, killed before the kubelet would, gone the instant the last one is."""

import os
import signal
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.supervisor.running import (
    ORPHANS,
    PATIENCE,
    ROOT,
    WITNESS,
    Form,
    is_alive,
    read_json,
    wait_until,
)

pytestmark = pytest.mark.process

DEAF = ("sh", "-c", "trap '' TERM INT HUP; echo ready; while :; do sleep 0.05; done")


def test_a_program_that_ignores_term_is_killed_a_margin_before_the_kubelet_does(
    supervisor: Form, place: str, state: Path
) -> None:
    words = ["--grace-period", "1s", "--margin", "300ms", "--name", "x", "--state-dir", state]
    state.parent.joinpath("log").touch()
    words += ["--post-file", state.parent / "post", "--termination-path", state.parent / "log"]
    running = supervisor.start(*words, *DEAF, place=place).until("ready")
    began = time.monotonic()
    running.send(signal.SIGTERM)
    assert running.status() == 137
    assert 0.69 <= time.monotonic() - began < 1.5, "the machine may be busy; what it meant is below"
    record = read_json(state / "x" / "record.json")
    assert record["killed"][0]["argv"].startswith("sh -c trap")
    assert record["grace"] == 1.0
    assert 0.69 <= record["used"] < 0.95
    assert record["asked"][0]["signal"] == "TERM"
    expected = "the kubelet or the container runtime" if place == "pid 1" else "process "
    assert record["asked"][0]["by"].startswith(expected)
    assert (state.parent / "post.err").read_text() == "137\n"
    assert read_json(state.parent / "log")["status"] == 137


def test_the_escalation_is_taken_step_by_step(supervisor: Form) -> None:
    words = ("--escalate", "HUP:200ms,USR1:200ms,QUIT:10s,KILL", *WITNESS, "QUIT")
    running = supervisor.start(*words).until("ready")
    running.send(signal.SIGTERM)
    status, out, _ = running.finish()
    assert status == 0
    assert [line for line in out.splitlines() if line != "SIGCONT"] == [
        "ready",
        "SIGHUP",
        "SIGUSR1",
        "SIGQUIT",
        "clean",
    ]


def test_a_grandchild_finishes_its_cleanup_before_we_leave(supervisor: Form, place: str) -> None:
    for whom in ("main", "group", "tree"):
        program = f"{' '.join(WITNESS)} TERM 0.2 & wait"
        running = supervisor.start("--signal-to", whom, "sh", "-c", program, place=place).until(
            "ready"
        )
        running.send(signal.SIGTERM)
        status, out, _ = running.finish()
        assert status == 143
        assert out.count("SIGTERM") == 1, "told once, not twice"
        assert out.endswith("clean\n")


def test_what_left_the_session_is_found_and_stopped(supervisor: Form, place: str) -> None:
    program = f"setsid {' '.join(WITNESS)} TERM 0.2 & sleep 0.3; exit 5"
    status, out, _ = supervisor.run("sh", "-c", program, place=place)
    assert status == 5
    assert out.endswith(("SIGTERM\nSIGCONT\nclean\n", "SIGTERM\nclean\n"))


def test_what_left_the_session_and_ignores_term_is_killed(supervisor: Form, place: str) -> None:
    program = "setsid sh -c 'trap \"\" TERM; echo ready; sleep 30; sleep 30' & sleep 0.2; exit 5"
    began = time.monotonic()
    status, _, errors = supervisor.run("--grace-period", "1", "sh", "-c", program, place=place)
    assert status == 5
    assert time.monotonic() - began < 3
    assert "killing what did not end in time" in errors


def test_survivors_may_be_left_or_waited_for(supervisor: Form) -> None:
    running = supervisor.start(
        "--survivors", "leave", "sh", "-c", "sleep 60 & echo $! left; exit 5"
    )
    assert running.until(" left\n").process.wait(PATIENCE) == 5
    survivor = int(running.out.split()[0])
    assert is_alive(survivor)
    os.kill(survivor, signal.SIGKILL)
    program = f"{' '.join(WITNESS)} & exit 5"
    running = supervisor.start("--survivors", "wait", "sh", "-c", program).until("ready")
    time.sleep(0.1)
    running.send(signal.SIGTERM)
    status, out, _ = running.finish()
    assert (status, out.count("SIGTERM")) == (5, 1)


def test_it_leaves_at_once_when_the_last_process_is_gone(supervisor: Form, place: str) -> None:
    running = supervisor.start(*ORPHANS, 20, 0.3, "wait", stdin=-1, place=place).until("ready")
    assert running.process.stdin is not None
    time.sleep(0.35)
    began = time.monotonic()
    running.process.stdin.write(b"\n")
    running.process.stdin.flush()
    running.process.wait()
    # It takes milliseconds, and on a busy machine more: only a hang is wrong.
    assert time.monotonic() - began < 10
    assert running.status() == 7


@pytest.mark.parametrize(("policy", "longest"), [("join", 9.0), ("kill", 2.0), ("escalate", 2.0)])
def test_a_second_request_joins_unless_it_is_told_to_hurry(
    supervisor: Form, policy: str, longest: float
) -> None:
    words = ["--second-signal", policy, "--grace-period", "2.5" if policy == "join" else "30"]
    if policy == "escalate":
        words += ["--escalate", "TERM:20s,KILL"]
    running = supervisor.start(*words, *DEAF).until("ready")
    began = time.monotonic()
    running.send(signal.SIGTERM)
    time.sleep(0.2)
    running.send(signal.SIGTERM)
    assert running.status() == 137
    taken = time.monotonic() - began
    assert taken < longest
    if policy == "join":
        assert taken > 1.2, "the clock neither restarts nor jumps"


def test_a_command_runs_before_the_stop_and_its_failure_stops_nothing(
    supervisor: Form, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    pre = f"sh -c 'echo pre >> {log}; exit 3'"
    running = supervisor.start("--pre-stop", pre, *WITNESS).until("ready")
    running.send(signal.SIGTERM)
    status, out, errors = running.finish()
    assert (status, log.read_text()) == (0, "pre\n")
    assert "SIGTERM" in out
    assert "failed with 3" in errors


def test_a_command_may_stand_for_the_signal(supervisor: Form, tmp_path: Path) -> None:
    quit_ = tmp_path / "quit"
    program = (
        f"echo ready; trap 'echo TERM' TERM; while ! [ -e {quit_} ]; do sleep 0.02; done; exit 6"
    )
    running = supervisor.start("--stop-with", f"touch {quit_}", "sh", "-c", program).until("ready")
    running.send(signal.SIGTERM)
    assert running.finish()[:2] == (6, "ready\n")
    running = supervisor.start("--stop-with", "no-such-command", *WITNESS).until("ready")
    running.send(signal.SIGTERM)
    assert "SIGTERM" in running.finish()[1]


@pytest.mark.parametrize(("option", "heard"), [("--pre-stop", "SIGTERM"), ("--stop-with", "")])
def test_a_get_may_come_before_the_signal_or_stand_for_it(
    supervisor: Form, option: str, heard: str
) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request).start()
        url = f"http://127.0.0.1:{server.server_port}/quit?now"
        last = "TERM" if heard else "QUIT"
        running = supervisor.start(option, url, *WITNESS, last).until("ready")
        running.send(signal.SIGTERM)
        wait_until(lambda: asked)
        if not heard:
            running.send(signal.SIGQUIT)
        status, out, _ = running.finish()
        assert status == 0
        assert out.count("SIGTERM") == len(heard[:1])
    assert asked == ["/quit?now"]


def test_what_hangs_before_the_stop_takes_neither_the_purse_nor_the_signal(
    supervisor: Form,
) -> None:
    """As the kubelet does when a preStop hook overruns: the program is asked, late, and has a moment."""
    for option in (
        ("--pre-stop", "sleep 30"),
        ("--stop-with", "sleep 30"),
        ("--delay", "TERM=30s"),
    ):
        words = (*option, "--grace-period", "2", "--margin", "500ms", *WITNESS)
        running = supervisor.start(*words).until("ready")
        began = time.monotonic()
        running.send(signal.SIGTERM)
        status, out, errors = running.finish()
        assert (status, out) == (0, "ready\nSIGTERM\nclean\n")
        assert 0.7 <= time.monotonic() - began < 10
        assert "what comes before the stop takes too long" in errors


def test_a_step_that_was_overtaken_leads_nowhere(supervisor: Form) -> None:
    """A second request went on to TERM. When the command ends after all, that is not the next step, which is KILL."""
    words = (
        "--pre-stop",
        "sleep 0.4",
        "--second-signal",
        "escalate",
        "--escalate",
        "TERM:20s,KILL",
    )
    running = supervisor.start(*words, *WITNESS, "TERM", "0.9").until("ready")
    running.send(signal.SIGTERM)
    time.sleep(0.1)
    running.send(signal.SIGTERM)
    assert running.until("SIGTERM").finish()[:2] == (0, "ready\nSIGTERM\nclean\n")


def test_the_clock_runs_from_the_hook_and_not_from_the_signal(
    supervisor: Form, state: Path
) -> None:
    words = ("--name", "app", "--state-dir", state, "--grace-period", "2", "--margin", "500ms")
    running = supervisor.start(*words, *DEAF).until("ready")
    hook = supervisor.start("stop", "--name", "app", "--state-dir", state)
    status = state / "app" / "status.json"
    wait_until(lambda: read_json(status)["phase"] == "stopping")
    began = time.monotonic()
    time.sleep(1.2)
    running.send(signal.SIGTERM)
    assert (running.status(), hook.status()) == (137, 0)
    assert time.monotonic() - began < 2.65, "1.2 s later, had it begun anew"


def test_the_stop_hook_draws_from_the_same_purse_and_waits(supervisor: Form, state: Path) -> None:
    words = ("--name", "app", "--state-dir", state, "--grace-period", "10")
    running = supervisor.start(*words, *WITNESS, "TERM", "0.5").until("ready")
    began = time.monotonic()
    hook = supervisor.start("stop", "--name", "app", "--state-dir", state)
    wait_until(lambda: "SIGTERM" in running.until("SIGTERM").out.decode())
    running.send(signal.SIGTERM)
    assert hook.status() == 0
    assert 0.5 <= time.monotonic() - began < 4
    status, out, _ = running.finish()
    assert (status, out.count("SIGTERM")) == (0, 1)
    asked = read_json(state / "app" / "record.json")["asked"]
    assert len(asked) == 2
    assert "stop" in asked[0]["by"]


def test_the_stop_hook_in_the_same_container_sees_its_success(
    supervisor: Form, state: Path
) -> None:
    """PID 1 takes everyone with it when it leaves: it leaves the hook the moment to return."""
    for words in (("--name", "app", "--state-dir", str(state)), ()):
        running = supervisor.start(*words, *WITNESS, "TERM", "0.2", place="pid 1").until("ready")
        enter = ["nsenter", "--target", str(running.pid), "--pid", "--mount"]
        env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        hook = subprocess.run([*enter, *supervisor.argv, "stop", *words], env=env, check=False)
        assert hook.returncode == 0
        assert running.finish()[:2] == (0, "ready\nSIGTERM\nclean\n")


def test_stop_without_a_supervisor_says_so(supervisor: Form, state: Path) -> None:
    status, _, errors = supervisor.run("stop", "--name", "nobody", "--state-dir", state)
    assert status == 68
    assert "no supervisor named 'nobody'" in errors


def test_a_run_that_takes_too_long_is_stopped_with_its_own_status(supervisor: Form) -> None:
    status, out, _ = supervisor.run("--timeout", "400ms", *WITNESS)
    assert status == 124
    assert "SIGTERM" in out
    assert supervisor.run("--timeout", "0", "true")[0] == 0
    assert supervisor.run("--timeout", "200ms", "--grace-period", "1", *DEAF)[0] == 124


def test_nobody_is_left_alive(supervisor: Form, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    inner = f'trap "" TERM; echo $$ >> {pids}; sleep 30; sleep 30'
    program = f"for i in 1 2 3; do setsid sh -c '{inner}' & done; sleep 0.3; exit 1"
    assert supervisor.run("--grace-period", "1", "sh", "-c", program)[0] == 1
    assert len(pids.read_text().split()) == 3
    assert not any(is_alive(int(pid)) for pid in pids.read_text().split())
