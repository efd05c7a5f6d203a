"""Under plain uvicorn, and under our own server, the process ends with the status that names the outcome, and ends like any other process."""

import signal
import subprocess

import pytest

from lifecycle import ExitStatus
from tests.process._support_table import OURS, UVICORN, Support
from tests.support.servers import AS_PID_1, Server, Waiting, launched, running

pytestmark = [
    pytest.mark.process,
    pytest.mark.parametrize("support", [UVICORN[0], OURS[0]], ids=lambda support: support.server),
]

CAN_BE_PID_1 = subprocess.run([*AS_PID_1, "true"], capture_output=True, check=False).returncode == 0

APP = "tests.process.apps.troubled:app"
ENDING = ["shut down", "finally", "exiting"]


def events(server: Server) -> list[str]:
    return [note.event for note in server.journal()]


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT"])
def test_a_clean_stop_is_0_and_runs_finally_and_atexit(support: Support, how: str) -> None:
    with running(support.words, APP, TROUBLE="none") as server:
        server.process.send_signal(signal.Signals[how])
        assert server.wait() == ExitStatus.CLEAN, server.output
        assert events(server)[-3:] == ENDING
        assert "Traceback" not in server.output


def test_a_stop_without_a_signal_is_clean_too(support: Support) -> None:
    with running(support.words, APP, TROUBLE="none") as server:
        assert server.pre_stop().status == 200
        assert server.wait() == ExitStatus.CLEAN, server.output


def test_a_failed_hook_is_told_by_the_status(support: Support) -> None:
    with running(support.words, APP, TROUBLE="hook fails") as server:
        answer = server.pre_stop()
        server.terminate()
        assert server.wait() == ExitStatus.HOOK_FAILED, server.output
        assert events(server)[-3:] == ENDING
    assert answer.status == 500
    assert "the pool does not close" in answer.body.decode()


def test_a_crashed_task_stops_the_process(support: Support) -> None:
    with running(support.words, APP, TROUBLE="task crashes") as server:
        assert server.wait() == ExitStatus.TASK_CRASHED, server.output
        assert events(server)[-3:] == ENDING


def test_abandoned_work_is_told_by_the_status(support: Support) -> None:
    with running(support.words, APP, TROUBLE="none", LIFECYCLE_DRAIN_TIMEOUT="0.3") as server:
        Waiting(lambda: server.ask("/slow?seconds=20"))
        upload = server.ask("/upload?seconds=20", method="POST")
        server.wait_for("background started")
        server.terminate()
        assert server.wait() == ExitStatus.WORK_ABANDONED, server.output
        assert "POST /upload" in server.output
        assert events(server)[-3:] == ENDING
    assert upload.status == 202


def test_a_second_sigint_forces(support: Support) -> None:
    with running(support.words, APP, TROUBLE="none") as server:
        server.ask("/upload?seconds=20", method="POST")
        server.wait_for("background started")
        server.process.send_signal(signal.SIGINT)
        # Two at once are one: the kernel does not queue signals.
        while server.ask("/readyz").status == 200:
            pass
        server.process.send_signal(signal.SIGINT)
        assert server.wait(5) == ExitStatus.FORCED, server.output


def test_a_second_sigterm_changes_nothing(support: Support) -> None:
    with running(support.words, APP, TROUBLE="none") as server:
        server.ask("/upload?seconds=1", method="POST")
        server.wait_for("background started")
        server.terminate()
        while server.ask("/readyz").status == 200:
            pass
        server.terminate()
        assert server.wait(5) == ExitStatus.CLEAN, server.output
        assert "background finished" in events(server)


def test_a_blocked_event_loop_is_ended_by_the_watchdog(support: Support) -> None:
    with running(
        support.words,
        APP,
        TROUBLE="none",
        LIFECYCLE_GRACE_PERIOD="6.5",
        LIFECYCLE_DRAIN_TIMEOUT="0.2",
    ) as server:
        Waiting(lambda: server.ask("/block", timeout=20))
        server.wait_for("blocking")
        server.terminate()
        assert server.wait(8) == ExitStatus.DEADLINE, server.output
        assert "time.sleep(3600)" in server.output, "the stack of what is stuck"


def test_a_failed_start_is_told_by_the_status(support: Support) -> None:
    with launched(support.words, APP, TROUBLE="start fails") as server:
        assert server.wait() == ExitStatus.START_FAILED, server.output
        assert "no database" in server.output
        assert "shut down" not in events(server)
        assert events(server)[-1] == "exiting"


def test_sigterm_while_starting_cuts_the_start_short(support: Support) -> None:
    with launched(support.words, APP, TROUBLE="start hangs") as server:
        server.wait_for("starting")
        server.terminate()
        assert server.wait(5) == ExitStatus.CLEAN, server.output
        assert events(server) == ["starting", "finally", "exiting"]


@pytest.mark.skipif(not CAN_BE_PID_1, reason="no process namespaces for this user")
@pytest.mark.parametrize("moment", ["importing", "started"])
def test_pid_1_hears_sigterm_at_any_moment(support: Support, moment: str) -> None:
    """The kernel drops signals to PID 1 that have no handler: those that come while it imports, for one."""
    trouble = "import takes time" if moment == "importing" else "none"
    with launched(support.words, APP, inside=AS_PID_1, TROUBLE=trouble) as server:
        server.wait_for(moment)
        server.terminate()
        assert server.wait(5) == ExitStatus.CLEAN, server.output
        assert events(server)[-1] == "exiting"
        # Told before it began, it begins nothing.
        assert ("started" in events(server)) == (moment == "started")
        assert {note.pid for note in server.journal()} == {1}
