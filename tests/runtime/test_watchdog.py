"""The thread beside the event loop. How it ends a process is tested with processes."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from signal import SIGHUP, SIGTERM, raise_signal
from typing import Any

import pytest

from lifecycle import ExitStatus
from lifecycle.core import Report
from lifecycle.runtime import SignalRelay, Watchdog


class Ended(BaseException):
    """What the test's `os._exit` raises, in the watchdog's own thread."""


class Bench:
    """A watchdog whose end of the process is noted instead of done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, grace: float = 0.1) -> None:
        self.report = Report()
        self.written: list[Report] = []
        self.status: int | None = None
        self.ended = threading.Event()
        self.relay = SignalRelay([SIGHUP])
        self.watchdog = Watchdog(self.relay, grace, lambda: self.report, self.write)
        monkeypatch.setattr(os, "_exit", self.exit)
        monkeypatch.setattr(threading, "excepthook", lambda _: None)

    def write(self, report: Report) -> None:
        self.written.append(report)

    def exit(self, status: int) -> None:
        self.status = status
        self.ended.set()
        raise Ended


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(monkeypatch)
    made.relay.install()
    made.watchdog.start()
    yield made
    made.watchdog.stop()
    made.relay.restore()
    made.relay.close()


def test_at_the_deadline_it_writes_the_report_with_all_stacks_and_ends_the_process(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    bench.watchdog.arm(0.01)
    assert bench.ended.wait(5)
    assert bench.status == ExitStatus.DEADLINE
    (report,) = bench.written
    assert report.outcome == "deadline"
    assert "test_at_the_deadline_it_writes" in report.stacks["MainThread"]
    assert "test_at_the_deadline_it_writes" in capfd.readouterr().err


def test_a_life_that_was_over_keeps_its_status(bench: Bench) -> None:
    bench.report.exit_status = 4
    bench.watchdog.arm(0.01)
    assert bench.ended.wait(5)
    assert (bench.status, bench.report.failures) == (4, [])


def test_the_signal_alone_starts_its_clock(bench: Bench) -> None:
    raise_signal(SIGTERM)
    assert bench.ended.wait(5)


def test_a_signal_that_is_no_stop_does_not(bench: Bench) -> None:
    raise_signal(SIGHUP)
    assert not bench.ended.wait(0.3)


def test_the_earlier_deadline_counts_whatever_comes_later(bench: Bench) -> None:
    bench.watchdog.arm(0.05)
    bench.watchdog.arm(100)
    assert bench.ended.wait(5)


def test_it_can_be_called_off(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Bench(monkeypatch)
    made.watchdog.start()
    made.watchdog.arm(0.2)
    made.watchdog.stop()
    made.relay.close()
    assert not made.ended.wait(0.3)


def test_it_ends_the_process_although_the_report_hangs_or_fails(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def hang(report: Report) -> None:
        release.wait(20)

    bench.watchdog._write = hang
    bench.watchdog.arm(0.01)
    assert bench.ended.wait(2)
    release.set()


def test_it_ends_the_process_although_no_thread_can_be_started(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading, "Thread", refuse)
    bench.watchdog.arm(0.01)
    assert bench.ended.wait(2)
    assert bench.status == ExitStatus.DEADLINE


def test_descriptors_above_1023_are_no_obstacle(bench: Bench, tmp_path: Path) -> None:
    import resource  # noqa: PLC0415 - only here

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip("this system allows too few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    files = [os.open(tmp_path, os.O_RDONLY) for _ in range(1100)]
    relay = SignalRelay()
    high = Watchdog(relay, 0.1, Report, lambda _: None)
    try:
        high.start()
        high.arm(100)
        high.stop()
    finally:
        for file in files:
            os.close(file)
        relay.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_where_the_process_is_somebody_elses_it_says_what_is_stuck_and_lets_it_be(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    watchdog = Watchdog(bench.relay, 0.1, lambda: bench.report, bench.write, ends_process=False)
    watchdog.start()
    watchdog.arm(0.01)
    watchdog._thread.join(5)
    watchdog.stop()
    watchdog.arm(0.01)
    (report,) = bench.written
    assert report.exit_status == ExitStatus.DEADLINE
    assert "test_where_the_process_is_somebody_elses" in report.stacks["MainThread"]
    assert "the deadline has come, and the lifecycle has not ended" in capfd.readouterr().err
    assert bench.status is None
    assert (bench.report.exit_status, bench.report.failures) == (None, []), "it may still end well"


def test_code_that_holds_the_interpreter_is_left_to_a_timer_in_c_before_sigkill_would_come(
    bench: Bench, last_resort: list[float]
) -> None:
    bench.watchdog.arm(20)
    bench.watchdog.arm(30)
    assert last_resort == [pytest.approx(20.9)], "within the margin, and never put off"
