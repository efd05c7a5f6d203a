"""`lifecycle serve --workers`: one budget, one report, one answer for all; what happens to one costs no request."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from lifecycle import ExitStatus
from tests.support.servers import Server, Waiting, assert_nothing_is_lost, launched, load, running

pytestmark = pytest.mark.process

APP = "tests.process.apps.served:app"
SERVE = ["lifecycle", "serve", "{app}", "--port", "{port}", "--workers", "2"]
IN_A_POD: dict[str, Any] = {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "LIFECYCLE_SHUTDOWN_DELAY": "0.4",
    "LIFECYCLE_GRACE_PERIOD": "12",
}


def workers(server: Server) -> list[int]:
    """Its children that are alive."""
    task = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    try:
        return [int(pid) for pid in task.read_text().split()]
    except FileNotFoundError:
        return []


def wait_for_workers(server: Server, pids: set[int], count: int = 2) -> None:
    """Until there are `count`, none of `pids`, and all are ready."""
    deadline = time.monotonic() + 20
    while len(set(workers(server)) - pids) != count or server.ask("/readyz").status != 200:
        assert time.monotonic() < deadline, server.output
        time.sleep(0.05)


def test_it_is_ready_when_all_are() -> None:
    with launched(SERVE, APP, START_SECONDS="0.7") as server:
        server.wait_for("starting", times=2)
        assert server.ask("/readyz").status == 503
        server.wait_for("started", times=2)
        wait_for_workers(server, set())


@pytest.mark.parametrize("start_seconds", ["0", "0.6"])
def test_a_rolling_replacement_under_load_loses_nothing(start_seconds: str) -> None:
    """Not even while a new worker, which listens on the same port, is not ready yet."""
    with (
        running(SERVE, APP, workers=2, START_SECONDS=start_seconds, **IN_A_POD) as server,
        load(server, {"/fast": 50, "/slow?seconds=0.4": 4}, seconds=0.2) as generators,
    ):
        old = set(workers(server))
        os.kill(server.pid, signal.SIGHUP)
        wait_for_workers(server, old)
        for generator in generators:
            generator.stopping(time.monotonic())
        for generator in generators:
            result = generator.result()
            assert not result.failures, result.summary()
            assert result.sent > 20  # A replacement may take no more than half a second.
        server.terminate()
        assert server.wait() == 0, server.output


def test_a_replacement_that_cannot_start_costs_the_old_workers_nothing(tmp_path: Path) -> None:
    """A new version, say, that is wrong: those that serve go on."""
    broken = tmp_path / "broken"
    with running(SERVE, APP, workers=2, BROKEN_FROM_HERE_ON=str(broken)) as server:
        old = workers(server)
        broken.touch()
        os.kill(server.pid, signal.SIGHUP)
        deadline = time.monotonic() + 20
        while "rolling restart called off" not in server.output:
            assert time.monotonic() < deadline, server.output
            time.sleep(0.05)
        time.sleep(0.6)  # the back-off of a worker that has crashed
        assert workers(server) == old
        assert server.ask("/readyz").status == 200
        server.terminate()
        assert server.wait() == 0, server.output


def test_a_crash_in_the_middle_of_a_rolling_replacement_leaves_as_many_as_before() -> None:
    with running(SERVE, APP, workers=2, START_SECONDS="0.4") as server:
        old = workers(server)
        os.kill(server.pid, signal.SIGHUP)
        server.wait_for("starting", times=3)
        os.kill(old[0], signal.SIGKILL)
        deadline = time.monotonic() + 20
        while set(workers(server)) & set(old):
            assert time.monotonic() < deadline, server.output
            time.sleep(0.05)
        assert len(workers(server)) == 2, server.output
        server.terminate()
        assert server.wait() == 0, server.output


def test_workers_that_have_served_as_many_requests_as_they_may_are_relieved_without_loss() -> None:
    command = [*SERVE, "--limit-max-requests", "40"]
    with (
        running(command, APP, workers=2, **IN_A_POD) as server,
        load(server, {"/fast": 50, "/slow?seconds=0.4": 4}, seconds=0.2) as generators,
    ):
        wait_for_workers(server, set(workers(server)))
        for generator in generators:
            generator.stopping(time.monotonic())
        for generator in generators:
            result = generator.result()
            assert not result.failures, (result.summary(), server.output)
        server.terminate()
        assert server.wait() == 0, server.output
        assert "worker ended by itself" not in server.output


def test_a_worker_that_does_not_hear_is_killed_inside_the_grace_period(tmp_path: Path) -> None:
    report = tmp_path / "report"
    settings = {"LIFECYCLE_GRACE_PERIOD": "6.5", "LIFECYCLE_REPORT_FILE": str(report)}
    with running(SERVE, APP, workers=2, **settings) as server:
        frozen = workers(server)[0]
        os.kill(frozen, signal.SIGSTOP)
        began = time.monotonic()
        server.terminate()
        assert server.wait(10) == ExitStatus.DEADLINE, server.output
        assert time.monotonic() - began < 6.5
        assert "worker killed: its grace period is over" in server.output
    assert f"worker {frozen} was killed at the deadline" in report.read_text()


def test_a_worker_that_is_killed_is_replaced() -> None:
    with running(SERVE, APP, workers=2) as server:
        old = workers(server)
        os.kill(old[0], signal.SIGKILL)
        wait_for_workers(server, {old[0]})
        assert old[1] in workers(server)
        server.terminate()
        assert server.wait() == 0, server.output


def test_a_worker_killed_in_the_drain_does_not_hold_it_up(tmp_path: Path) -> None:
    report = tmp_path / "report"
    with running(SERVE, APP, workers=2, LIFECYCLE_REPORT_FILE=str(report)) as server:
        Waiting(lambda: server.ask("/thread?seconds=8"))
        server.wait_for("in a thread")
        server.terminate()
        time.sleep(0.2)
        began = time.monotonic()
        os.kill(server.journal("in a thread")[0].pid, signal.SIGKILL)
        assert server.wait() == ExitStatus.WORK_ABANDONED, server.output
        assert time.monotonic() - began < 1.5
    said = json.loads(report.read_text())
    assert said["exit_status"] == ExitStatus.WORK_ABANDONED
    assert {worker["outcome"] for worker in said["workers"]} == {"killed by SIGKILL", "clean"}


def test_workers_that_cannot_start_are_given_up_on() -> None:
    with launched(SERVE, APP, CRASH_AT_START="1") as server:
        assert server.wait() == ExitStatus.START_FAILED, server.output
        assert "no database" in server.output


def test_an_application_that_cannot_be_imported_is_given_up_on() -> None:
    with launched(SERVE, APP, CRASH_AT_IMPORT="1") as server:
        assert server.wait() == ExitStatus.START_FAILED, server.output
        assert "no such table" in server.output


@pytest.mark.parametrize("moment", ["", "importing", "starting"])
def test_a_stop_before_the_workers_are_up_is_clean(moment: str) -> None:
    with launched(SERVE, APP, IMPORT_SECONDS="0.3", START_SECONDS="5") as server:
        if moment:
            server.wait_for(moment)
        else:
            deadline = time.monotonic() + 5
            while not workers(server) and time.monotonic() < deadline:
                time.sleep(0.001)
        server.terminate()
        assert server.wait(6) == 0, server.output
        assert not server.journal("started")


def test_one_report_for_all(tmp_path: Path) -> None:
    report = tmp_path / "report"
    with running(SERVE, APP, workers=2, LIFECYCLE_REPORT_FILE=str(report)) as server:
        for _ in range(6):
            server.ask("/fast")
        server.terminate()
        assert server.wait() == 0, server.output
    said = json.loads(report.read_text())
    assert (said["exit_status"], said["reason"], said["signal"]) == (0, "SIGTERM", "SIGTERM")
    assert len(said["workers"]) == 2
    assert said["finished"] >= 6


def test_ctrl_c_in_a_terminal_is_one_stop_and_a_second_one_is_urgent() -> None:
    with running(SERVE, APP, workers=2) as server:
        Waiting(lambda: server.ask("/slow?seconds=20"))
        time.sleep(0.3)
        os.killpg(server.pid, signal.SIGINT)
        time.sleep(0.5)
        assert server.process.poll() is None, server.output
        os.killpg(server.pid, signal.SIGINT)
        assert server.wait(5) == ExitStatus.FORCED, server.output


@pytest.mark.parametrize("moment", ["importing", "started"])
def test_workers_whose_parent_is_killed_do_not_stay_behind(moment: str) -> None:
    with launched(SERVE, APP, IMPORT_SECONDS="0.3") as server:
        server.wait_for(moment, times=2)
        left = workers(server)
        server.process.kill()
        server.process.wait()
        deadline = time.monotonic() + 8
        while any(Path(f"/proc/{pid}/stat").exists() for pid in left):
            assert time.monotonic() < deadline, server.output
            time.sleep(0.05)


def test_a_worker_whose_loop_is_blocked_is_ended_inside_the_grace_period() -> None:
    with running(
        SERVE,
        "tests.process.apps.troubled:app",
        TROUBLE="none",
        workers=2,
        LIFECYCLE_GRACE_PERIOD="8",
    ) as server:
        Waiting(lambda: server.ask("/block"))
        server.wait_for("blocking")
        began = time.monotonic()
        server.terminate()
        assert server.wait(9) == ExitStatus.DEADLINE, server.output
        assert time.monotonic() - began < 8
        assert "time.sleep" in server.output


def test_all_workers_see_together_that_the_routers_have_let_go(tmp_path: Path) -> None:
    report = tmp_path / "report"
    settings = {
        **IN_A_POD,
        "LIFECYCLE_SHUTDOWN_DELAY": "6",
        "LIFECYCLE_GRACE_PERIOD": "30",
        "LIFECYCLE_REPORT_FILE": str(report),
    }
    with (
        running(SERVE, APP, workers=2, **settings) as server,
        load(server, {"/fast": 100}, seconds=0.5, lead=1.5) as generators,
    ):
        assert_nothing_is_lost(server, generators)
    ducks = [
        phase["seconds"]
        for worker in json.loads(report.read_text())["workers"]
        for phase in worker["phases"]
        if phase["phase"] == "lame duck"
    ]
    assert len(ducks) == 2
    assert max(ducks) < 5.5, "they waited their whole delay"
    assert max(ducks) - min(ducks) < 0.3, "one refused while the other one served"
