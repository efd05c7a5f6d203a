"""Signals, as a kernel delivers them to a program without HTTP."""

import os
import signal
import sys
import time
from signal import SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, Signals

import pytest

from lifecycle import ExitStatus
from tests.support.programs import Program, program
from tests.support.servers import running as running_server

pytestmark = pytest.mark.process
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
ENDING = ["asked", "finally", "shut down", "restored", "exiting"]


def send(running: Program, number: Signals) -> None:
    running.process.send_signal(number)


@BACKENDS
@pytest.mark.parametrize("number", [SIGTERM, SIGINT], ids=lambda number: number.name)
def test_a_stop_signal_ends_it_in_order_with_0(number: Signals, backend: str) -> None:
    with program("none", backend) as running:
        running.wait_for("ready")
        send(running, number)
        assert running.wait() == 0, running.output
        assert running.events() == ["starting", "ready", *ENDING]
        assert (running.report["signal"], running.report["outcome"]) == (number.name, "clean")
        assert "Traceback" not in running.output


@BACKENDS
def test_sigterm_twice_is_normal_and_forces_nothing(backend: str) -> None:
    with program("work takes long", backend, LIFECYCLE_DRAIN_TIMEOUT="1") as running:
        running.wait_for("ready")
        send(running, SIGTERM)
        running.wait_for("asked")
        send(running, SIGTERM)
        assert running.wait(5) == ExitStatus.WORK_ABANDONED, running.output
        assert running.report["used"] >= 1, "the drain had its time"


def test_sigterm_first_and_prestop_afterwards_is_one_stop() -> None:
    # The other order is what every server is tested with.
    with running_server(
        ["uvicorn", "{app}", "--port", "{port}"], "tests.process.apps.plain:app"
    ) as server:
        server.ask("/upload?seconds=1", method="POST")
        server.wait_for("background started")
        server.terminate()
        joined = server.pre_stop()
        server.terminate()
        assert server.journal("background finished")
        assert server.wait() == 0, server.output
    assert (joined.status, joined.json()["signal"], joined.json()["exit_status"]) == (
        200,
        "SIGTERM",
        0,
    )


@BACKENDS
@pytest.mark.parametrize(
    ("first", "second"), [(SIGINT, SIGINT), (SIGTERM, SIGQUIT)], ids=lambda number: number.name
)
def test_a_second_sigint_and_sigquit_force(first: Signals, second: Signals, backend: str) -> None:
    with program("work takes long", backend) as running:
        running.wait_for("ready")
        send(running, first)
        running.wait_for("asked")
        send(running, second)
        assert running.wait(5) == ExitStatus.FORCED, running.output
        assert running.events()[2:] == ENDING, "hooks, finally and atexit run all the same"
        assert running.report["abandoned"][0]["name"] == "job 42"


def test_sigquit_alone_forces() -> None:
    with program("none") as running:
        running.wait_for("ready")
        send(running, SIGQUIT)
        assert running.wait(5) == ExitStatus.FORCED, running.output
        assert running.report["signal"] == "SIGQUIT"


def test_sigquit_cuts_a_shutdown_hook_that_is_running() -> None:
    with program("hook is slow") as running:
        running.wait_for("ready")
        send(running, SIGTERM)
        running.wait_for("slow")
        send(running, SIGQUIT)
        assert running.wait(5) == ExitStatus.FORCED, running.output
        assert "shut down" in running.events(), "the other hooks still get their turn"


@BACKENDS
def test_sigterm_during_the_start_cuts_it_short_and_exits_0(backend: str) -> None:
    with program("start hangs", backend) as running:
        running.wait_for("starting")
        send(running, SIGTERM)
        assert running.wait(5) == 0, running.output
        assert running.events() == ["starting", "restored", "exiting"], (
            "what never started is not shut down"
        )


@BACKENDS
def test_a_signal_hook_runs_after_who_handled_the_signal_before_and_both_get_it_back(
    backend: str,
) -> None:
    with program("reload", backend) as running:
        running.wait_for("ready")
        send(running, SIGHUP)
        running.wait_for("reloaded")
        send(running, SIGTERM)
        assert running.wait() == 0, running.output
        assert running.events()[2:] == ["chained SIGHUP", "reloaded", *ENDING]


@BACKENDS
def test_request_stop_may_be_called_in_a_signal_handler_of_ones_own(backend: str) -> None:
    with program("own handler", backend) as running:
        running.wait_for("ready")
        send(running, SIGUSR1)
        assert running.wait(5) == 12, running.output
        assert running.report["reason"] == "SIGUSR1"


def test_sigterm_on_the_way_out_does_not_change_the_status() -> None:
    with program("exit takes time") as running:
        running.wait_for("ready")
        send(running, SIGTERM)
        running.wait_for("leaving")
        send(running, SIGTERM)
        assert running.wait(5) == 0, running.output
        assert running.events()[-1] == "exiting", "nothing was cut off by it"


@BACKENDS
def test_any_number_of_sigterms_at_any_moment_is_one_stop(backend: str) -> None:
    with program("none", backend) as running:
        running.wait_for("starting")
        while running.process.poll() is None:
            send(running, SIGTERM)
            time.sleep(0.002)
        assert running.wait() == 0, running.output
        assert running.events()[-2:] == ["restored", "exiting"]


# As PID 1, where the kernel drops what has no handler.

AS_PID_1 = ("unshare", "--pid", "--fork", "--mount-proc")


def child_of(parent: int) -> int:
    with open(f"/proc/{parent}/task/{parent}/children") as children:  # noqa: PTH123 - a file of the kernel's
        return int(children.read().split()[0])


@pytest.mark.skipif(os.geteuid() != 0, reason="unshare --pid needs root")
@pytest.mark.skipif(sys.platform != "linux", reason="PID namespaces are Linux's own")
@pytest.mark.parametrize(
    ("trouble", "moment", "then"),
    [
        ("import takes time", "importing", ["restored"]),
        ("start hangs", "starting", ["restored"]),
        ("none", "ready", ENDING[:-1]),
    ],
)
def test_as_pid_1_sigterm_is_never_lost(trouble: str, moment: str, then: list[str]) -> None:
    with program(trouble, prefix=AS_PID_1) as running:
        running.wait_for(moment)
        assert running.journal(moment)[0].pid == 1
        os.kill(child_of(running.process.pid), signal.SIGTERM)
        assert running.wait(8) == 0, running.output
        events = running.events()
        assert events[events.index(moment) + 1 :] == [*then, "exiting"]
