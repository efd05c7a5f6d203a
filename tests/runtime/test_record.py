"""The account of a life: phases, log records, the exit status and which failure decides it."""

import itertools
import logging
from collections.abc import AsyncIterator

import anyio
import pytest

from lifecycle import ExitStatus, Lifecycle
from lifecycle.core import Event, IllegalMoveError, Phase
from lifecycle.runtime import Loop
from lifecycle.runtime._record import WORST_FIRST, Record
from tests.support.living import live, phases


def record() -> Record:
    return Record(Loop(), 30)


def close(ours: Record, exit_code: int = 0) -> int | None:
    ours.close(exit_code=exit_code, used=1, finished=2, refused=3)
    return ours.report.exit_status


def stopping() -> Record:
    ours = record()
    ours.move(Event.STOP_REQUESTED)
    return ours


# The exit status.


async def test_where_nothing_went_wrong_it_is_0_or_what_was_asked_for() -> None:
    assert close(stopping()) == 0
    assert close(stopping(), exit_code=42) == 42


def test_every_failure_has_its_place_in_the_precedence() -> None:
    assert set(WORST_FIRST) == set(ExitStatus) - {ExitStatus.CLEAN, ExitStatus.DEADLINE}


@pytest.mark.parametrize(("worse", "better"), [*itertools.combinations(WORST_FIRST, 2)])
async def test_the_worst_decides_in_whichever_order_they_come(
    worse: ExitStatus, better: ExitStatus
) -> None:
    for order in ((worse, better), (better, worse)):
        ours = stopping()
        for status in order:
            ours.fail(status, "something failed")
        assert close(ours, exit_code=42) == worse


async def test_the_report_is_complete_when_it_is_closed() -> None:
    ours = stopping()
    ours.fail(ExitStatus.HOOK_FAILED, "hook failed", ValueError("no"))
    assert close(ours) == 5
    assert (ours.report.used, ours.report.finished, ours.report.refused) == (1, 2, 3)
    assert ours.report.failures == ["ValueError: no"]
    assert ours.report.outcome == "hook failed"


async def test_the_same_error_is_one_failure_however_often_it_is_met() -> None:
    ours = stopping()
    error = ValueError("no")
    ours.fail(ExitStatus.TASK_CRASHED, "something essential is gone", error)
    ours.fail(ExitStatus.HOOK_FAILED, "hook failed", error)
    ours.fail(ExitStatus.HOOK_FAILED, "hook failed", ValueError("no"))
    assert ours.failure is not None
    assert len(ours.failure.exceptions) == 2


async def test_failures_that_are_exceptions_make_an_exception_group_that_except_exception_catches() -> (
    None
):
    ours = record()
    ours.fail(ExitStatus.HOOK_FAILED, "hook failed", ValueError("no"))
    assert isinstance(ours.failure, ExceptionGroup)
    ours.fail(ExitStatus.HOOK_FAILED, "hook failed", SystemExit(1))
    assert not isinstance(ours.failure, ExceptionGroup)


# Phases.


async def test_phases_are_timed_and_follow_each_other_without_a_gap() -> None:
    ours = record()
    await anyio.sleep(3)
    ours.move(Event.STARTED)
    await anyio.sleep(10)
    ours.move(Event.STOP_REQUESTED)
    starting, ready, lame_duck = ours.report.phases
    assert (starting.began, starting.ended, ready.began, ready.ended) == pytest.approx(
        (0, 3, 3, 13)
    )
    assert lame_duck.ended is None
    assert [change.at for change in ours.history] == pytest.approx([3, 13])


async def test_an_external_event_that_changes_nothing_leaves_no_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ours = stopping()
    before = len(ours.history)
    with caplog.at_level(logging.INFO, "lifecycle"):
        ours.move(Event.STOP_REQUESTED)
    assert (len(ours.history), caplog.records) == (before, [])


async def test_a_step_out_of_its_place_is_a_defect() -> None:
    with pytest.raises(IllegalMoveError, match="'drained' has no place in phase 'starting'"):
        record().move(Event.DRAINED)


@pytest.mark.parametrize(
    ("status", "exit_code", "last"),
    [(None, 0, Phase.STOPPED), (None, 1, Phase.FAILED), (ExitStatus.FORCED, 0, Phase.FAILED)],
)
async def test_the_last_phase_says_whether_it_went_well(
    status: ExitStatus | None, exit_code: int, last: Phase
) -> None:
    ours = stopping()
    if status is not None:
        ours.fail(status, "something failed")
    close(ours, exit_code)
    assert ours.phase is last


# Log records.


async def test_there_is_one_record_per_change_of_phase_and_a_last_one_with_the_report(
    caplog: pytest.LogCaptureFixture,
) -> None:
    life = Lifecycle()
    with caplog.at_level(logging.INFO, "lifecycle"):
        assert await live(life, stop_at=1) == 0
    changes = [log.__dict__ for log in caplog.records if log.message == "phase changed"]
    assert [(log["before"], log["after"], log["cause"]) for log in changes] == [
        ("starting", "ready", "started"),
        ("ready", "lame duck", "stop requested"),
        ("lame duck", "draining", "routes withdrawn"),
        ("draining", "stopping", "drained"),
        ("stopping", "stopped", "shut down"),
    ]
    assert [log["after"] for log in changes] == phases(life)[1:]
    last = caplog.records[-1]
    assert (last.levelname, last.message) == ("INFO", "lifecycle is over")
    assert last.__dict__["report"] == life.report.to_dict()
    assert sum(log.message == "lifecycle is over" for log in caplog.records) == 1


async def test_sentences_are_constant_and_what_varies_is_in_fields(
    caplog: pytest.LogCaptureFixture,
) -> None:
    life = Lifecycle(drain_timeout=1)

    @life.resource
    async def fails() -> AsyncIterator[None]:
        yield
        raise ValueError("100 %s")

    @life.task(essential=True)
    async def crashes() -> None:
        await anyio.sleep(5)
        raise OSError("gone")

    async def main(life: Lifecycle) -> None:
        with life.in_flight("job %d"):
            await anyio.sleep(1000)

    with caplog.at_level(logging.INFO, "lifecycle"):
        assert await live(life, main) == ExitStatus.TASK_CRASHED
    assert {log.msg for log in caplog.records} == {
        "phase changed",
        "something essential is gone",
        "work was abandoned",
        "hook failed",
        "lifecycle is over",
    }
    fields = {log.msg: log.__dict__ for log in caplog.records}
    assert fields["work was abandoned"]["abandoned"] == ["job %d", "task main"]
    assert (fields["hook failed"]["outcome"], fields["hook failed"]["status"]) == (
        "failed",
        "HOOK_FAILED",
    )
    assert "resource hook 'fails'" in fields["hook failed"]["hook"]
    assert "crashed: OSError: gone" in fields["something essential is gone"]["reason"]
    assert fields["lifecycle is over"]["levelname"] == "ERROR"
    # Each traceback is logged once, where it happened.
    assert caplog.records[-1].exc_info is None
    assert all(log.exc_info for log in caplog.records if log.msg == "hook failed")
