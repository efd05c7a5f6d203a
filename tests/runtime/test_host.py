"""What surrounds a life: signals while it lasts, an orderly end whoever ends it, nothing left behind."""

import os
import signal
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM, raise_signal

import anyio
import pytest

from lifecycle import AlreadyStartedError, Lifecycle
from lifecycle.runtime import Host
from tests.support.living import live, outcomes, until_stopped


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted, not looked at


async def test_leaving_the_block_stops_what_runs_and_waits_for_its_end() -> None:
    life = Lifecycle()
    ended: list[float] = []

    @life.on_shutdown
    async def close() -> None:
        await anyio.sleep(3)
        ended.append(anyio.current_time())

    async with Host(life, owns_process=False).open() as engine:
        await engine.ready.wait()
    assert len(ended) == 1
    assert (life.report.source, life.report.exit_status) == ("server", 0)


async def test_an_error_in_the_block_forces_the_stop_and_hooks_run() -> None:
    life = Lifecycle()
    ran: list[str] = []
    life.on_shutdown(lambda: ran.append("closed"))

    async def fail() -> None:
        async with Host(life, owns_process=False).open() as engine:
            await engine.ready.wait()
            raise ValueError("no")

    with pytest.raises(ExceptionGroup) as caught:
        await fail()
    assert caught.group_contains(ValueError, match="no")
    assert ran == ["closed"]
    assert (life.report.exit_status, life.report.reason) == (
        7,
        "what surrounds the lifecycle was cut off",
    )


async def test_a_signal_after_the_end_harms_nothing() -> None:
    life = Lifecycle()
    ran: list[str] = []
    life.on_signal(SIGHUP)(lambda: ran.append("reloaded"))
    async with Host(life, owns_process=False).open() as engine:
        life.request_stop("enough")
        await engine.over.wait()
        for number in (SIGHUP, SIGTERM):
            raise_signal(number)
            await anyio.sleep(1)
    assert ran == []
    assert life.report.exit_status == 0


async def test_nothing_is_left_open_by_a_life_nor_by_a_start_that_is_refused() -> None:
    await live(Lifecycle(), stop_at=1)
    before = descriptors()
    life = Lifecycle()
    assert await live(life, stop_at=1) == 0
    with pytest.raises(AlreadyStartedError):
        await life.run_async(until_stopped)
    assert descriptors() == before


async def test_inside_a_loop_of_somebody_else_there_is_no_watchdog_and_sigterm_is_not_kept() -> (
    None
):
    before = signal.getsignal(SIGTERM)
    life = Lifecycle()
    assert await live(life, stop_at=1, then=lambda: raise_signal(SIGTERM)) == 0
    assert signal.getsignal(SIGTERM) == before


@pytest.mark.parametrize(
    ("numbers", "told"), [([SIGTERM], True), ([SIGINT], False), ([SIGINT, SIGTERM], True)]
)
async def test_sigterm_is_the_platforms_word_whoever_asked_before_and_ctrl_c_is_not(
    numbers: list[signal.Signals], *, told: bool
) -> None:
    host = Host(Lifecycle(), owns_process=False)
    async with host.open() as engine:
        assert not host.was_told()
        for number in numbers:
            raise_signal(number)
        await engine.over.wait()
        assert host.was_told() is told


async def test_a_setting_that_looks_misspelt_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LIFECYCLE_GRACE_PERIODE", "60")
    assert await live(Lifecycle(), stop_at=1) == 0
    (warning,) = [log for log in caplog.records if log.message == "unknown setting"]
    assert warning.__dict__["reason"] == (
        "LIFECYCLE_GRACE_PERIODE is not a setting: did you mean LIFECYCLE_GRACE_PERIOD?"
    )


# The report file.


async def test_the_report_is_written_when_it_is_over(tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_text("x" * 10000)
    life = Lifecycle(report_file=file)
    assert await live(life, stop_at=1) == 0
    assert file.read_text() == life.report.to_json(limit=4096)


@pytest.mark.parametrize(
    "where", ["a directory", "nowhere", "/dev/full", "a FIFO that nobody reads"]
)
async def test_a_report_that_cannot_be_written_is_a_warning_and_costs_nothing(
    tmp_path: Path, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = {"a directory": tmp_path, "nowhere": tmp_path / "no" / "report"}.get(where, Path(where))
    if where == "a FIFO that nobody reads":
        file = tmp_path / "fifo"
        os.mkfifo(file)
    life = Lifecycle(report_file=file)
    life.on_shutdown(name="close")(lambda: None)
    assert await live(life, stop_at=1) == 0
    assert outcomes(life) == {"close": "ok"}
    (warning,) = [log for log in caplog.records if log.message == "the report could not be written"]
    assert warning.__dict__["path"] == str(file)
    assert warning.exc_info is not None


async def test_a_thread_that_goes_on_does_not_hide_that_the_report_could_not_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    life = Lifecycle(report_file=tmp_path)

    @life.on_shutdown
    async def close() -> None:
        life.report.stacks["AnyIO worker thread"] = "…"

    assert await live(life, stop_at=1) == 0
    assert "the report could not be written" in caplog.text
