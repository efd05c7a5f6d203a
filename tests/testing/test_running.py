"""A life that is played in a test keeps the promises of one that is lived in a pod."""

import os
import signal
from pathlib import Path

import anyio
import pytest

from lifecycle import Lifecycle, NotRunningError, Phase, SettingsError, StopRequest, Trigger
from lifecycle.testing import (
    assert_clean,
    assert_inside_budget,
    assert_nothing_lost,
    outcomes,
    running,
)


async def test_sigterm_is_heard_and_the_report_is_complete() -> None:
    life = Lifecycle()
    seen: list[object] = []

    @life.on_pre_stop
    async def leave(request: StopRequest) -> None:
        seen.append(request.signal)
        await anyio.sleep(3)

    @life.on_shutdown
    def close() -> None:
        seen.append("closed")

    async with running(life) as play:
        assert play.phase is Phase.READY
        report = await play.sigterm()
    assert seen == [signal.SIGTERM, "closed"]
    assert outcomes(report) == {"leave": "ok", "close": "ok"}
    assert report.used == pytest.approx(3, abs=0.5)
    assert_clean(report)
    assert_nothing_lost(report)
    assert_inside_budget(report, spare=20)


async def test_the_trigger_is_written_as_a_hook_writes_it_and_goes_with_the_pod(
    tmp_path: Path,
) -> None:
    path = tmp_path / "post-start-done"
    life = Lifecycle(post_start_file=path)
    messages: list[str] = []

    @life.on_post_start
    async def warmed(trigger: Trigger) -> None:
        messages.append(trigger.message)

    async with running(life) as play:
        phases = [play.phase]
        await play.post_start("Wake up!")
        phases.append(play.phase)
    assert phases == [Phase.STARTING, Phase.READY]
    assert messages == ["Wake up!"]
    assert not any(os.scandir(tmp_path))


async def test_without_a_trigger_file_there_is_nothing_to_write() -> None:
    async with running(Lifecycle()) as play:
        with pytest.raises(SettingsError, match=r"waits for no trigger file: set post_start_file"):
            await play.post_start()


async def test_a_life_that_never_gets_ready_shows_its_report() -> None:
    life = Lifecycle()

    @life.on_startup
    async def connect() -> None:
        raise OSError("no route to the database")

    with pytest.raises(
        AssertionError, match=r"(?s)it never became ready.*no route to the database"
    ):
        async with running(life):
            raise AssertionError("not to be reached")


async def test_a_failure_in_the_block_comes_out_as_it_is_and_costs_no_drain() -> None:
    life = Lifecycle()
    began = anyio.current_time()

    async def failing() -> None:
        async with running(life):
            with life.in_flight("a job of an hour"):
                1 / 0  # noqa: B018 - the failure is the point

    with pytest.raises(ZeroDivisionError):
        await failing()
    assert anyio.current_time() - began < 5
    assert life.phase is Phase.FAILED


async def test_who_outlives_the_grace_period_would_be_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    life = Lifecycle(grace_period=10)
    async with running(life) as play:
        # No hook gets that far, whatever it does: the engine leaves it behind. So one that only hears.
        monkeypatch.setattr(play, "signal", lambda number: None)
        began = anyio.current_time()
        with pytest.raises(
            AssertionError,
            match=r"SIGKILL: 10 s after the stop began it was still ready, and the grace period is 10 s",
        ):
            await play.sigterm()
        assert anyio.current_time() - began == pytest.approx(10)


async def test_a_hook_that_is_deaf_is_named() -> None:
    life = Lifecycle(grace_period=10)

    @life.on_shutdown
    async def deaf() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(60)

    async with running(life) as play:
        report = await play.sigterm()
        with pytest.raises(AssertionError, match="on_shutdown deaf: stuck"):
            assert_clean(report)
        with pytest.raises(
            AssertionError, match=r"1\.\d s were left, and 5 s were to be; on_shutdown deaf stuck"
        ):
            assert_inside_budget(report, spare=5)


async def test_phases_can_be_waited_for() -> None:
    life = Lifecycle()
    async with running(life) as play:
        await play.reached(Phase.STARTING)
        await play.reached(Phase.READY)
        life.request_stop("enough")
        await play.reached(Phase.STOPPED)
        with pytest.raises(AssertionError, match="it was never aborting"):
            await play.reached(Phase.ABORTING)
        play.signal(signal.SIGTERM)  # nobody is there to hear it, and nothing happens


async def test_a_signal_that_the_life_does_not_hear_is_not_sent() -> None:
    async with running(Lifecycle()) as play:
        with pytest.raises(NotRunningError, match=r"SIGUSR2 is not this life's"):
            play.signal(signal.SIGUSR2)


async def test_the_same_hooks_live_again() -> None:
    life = Lifecycle()
    starts: list[int] = []
    life.on_startup(lambda: starts.append(1))
    for _ in range(2):
        async with running(life) as play:
            await play.sigterm()
        assert_clean(life.report)
    assert starts == [1, 1]


async def test_main_is_the_life_of_a_program() -> None:
    life = Lifecycle()

    async def main() -> None:
        await anyio.sleep(7)

    async with running(life, main) as play:
        await play.reached(Phase.STOPPED)
        assert anyio.current_time() >= 7
    assert life.report.reason == "main returned"


async def test_no_report_is_written_unless_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    termination_log, asked = tmp_path / "termination-log", tmp_path / "report"
    termination_log.touch()
    monkeypatch.setattr("lifecycle.runtime._report.TERMINATION_LOG", termination_log)
    async with running(Lifecycle()):
        pass
    async with running(Lifecycle(report_file=asked)):
        pass
    assert termination_log.read_text() == ""
    assert '"exit_status":0' in asked.read_text()


async def test_the_process_itself_is_left_as_it_was() -> None:
    before = signal.getsignal(signal.SIGTERM)
    async with running(Lifecycle()) as play:
        await play.delete()
    assert signal.getsignal(signal.SIGTERM) is before
    assert os.getpid()
