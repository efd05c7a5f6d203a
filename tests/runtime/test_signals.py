"""Who owns the signals of this process, when, and who gets them back."""

import asyncio
import os
import select
import signal
import threading
from collections.abc import Iterator
from signal import SIG_DFL, SIG_IGN, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, raise_signal

import anyio
import pytest

from lifecycle import AlreadyStartedError, Lifecycle
from lifecycle.runtime import STOP_SIGNALS, SignalRelay
from lifecycle.runtime._signals import EarlySignals
from tests.support.living import live

ALL = (*STOP_SIGNALS, SIGHUP, SIGUSR1)


@pytest.fixture(autouse=True)
def _given_back() -> Iterator[None]:
    """No test leaves a handler behind."""
    before = {number: signal.getsignal(number) for number in ALL}
    yield
    after = {number: signal.getsignal(number) for number in ALL}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert after == before


@pytest.fixture
def relay() -> Iterator[SignalRelay]:
    ours = SignalRelay([SIGHUP])
    yield ours
    ours.restore()
    ours.close()


def readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])


# The relay.


def test_it_notes_what_comes_in_order_and_wakes_both_who_wait(relay: SignalRelay) -> None:
    assert relay.install()
    for number in (SIGHUP, SIGTERM, SIGINT, SIGTERM):
        raise_signal(number)
    assert readable(relay.fileno())
    assert readable(relay.watch_out.fileno())
    assert [which for which, _ in relay.take()] == [SIGHUP, SIGTERM, SIGINT, SIGTERM]
    assert not readable(relay.fileno())
    assert relay.take() == []


def test_only_stop_signals_start_the_watchdogs_clock(relay: SignalRelay) -> None:
    relay.install()
    raise_signal(SIGHUP)
    assert readable(relay.fileno())
    assert not readable(relay.watch_out.fileno())


def test_it_says_how_long_a_signal_has_waited(relay: SignalRelay) -> None:
    relay.install()
    raise_signal(SIGTERM)
    threading.Event().wait(0.05)
    ((_, late),) = relay.take()
    assert 0.05 <= late < 1


def test_thousands_of_signals_that_nobody_reads_block_nothing(relay: SignalRelay) -> None:
    relay.install()
    for _ in range(5000):
        raise_signal(SIGTERM)
    assert len(relay.take()) == 5000


def test_every_handler_is_given_back_as_it_was(relay: SignalRelay) -> None:
    signal.signal(SIGHUP, SIG_IGN)
    before = {number: signal.getsignal(number) for number in relay.signals}
    relay.install()
    assert all(signal.getsignal(number) == relay.note for number in relay.signals)
    relay.restore()
    assert {number: signal.getsignal(number) for number in relay.signals} == before
    signal.signal(SIGHUP, SIG_DFL)


def test_a_handler_that_somebody_else_has_installed_since_is_left_alone(relay: SignalRelay) -> None:
    def other(number: int, frame: object) -> None: ...

    before = signal.getsignal(SIGTERM)
    relay.install()
    signal.signal(SIGTERM, other)
    relay.restore()
    assert signal.getsignal(SIGTERM) is other
    signal.signal(SIGTERM, before)


def test_who_is_deaf_to_sigterm_ignores_it_from_then_on(relay: SignalRelay) -> None:
    before = signal.getsignal(SIGTERM)
    relay.install()
    relay.restore(deaf_to_sigterm=True)
    assert signal.getsignal(SIGTERM) is SIG_IGN
    signal.signal(SIGTERM, before)


def test_hand_over_calls_who_was_there_before(relay: SignalRelay) -> None:
    called: list[int] = []
    signal.signal(SIGHUP, lambda number, frame: called.append(number))
    relay.install()
    assert relay.hand_over(SIGHUP)
    assert not relay.hand_over(SIGTERM), "the default action is nobody to call"
    assert called == [SIGHUP]
    relay.restore()
    signal.signal(SIGHUP, SIG_DFL)


def test_off_the_main_thread_it_is_not_installed(relay: SignalRelay) -> None:
    said: list[bool] = []
    thread = threading.Thread(target=lambda: said.append(relay.install()))
    thread.start()
    thread.join()
    assert said == [False]
    assert not relay.installed


def test_a_second_one_in_the_same_process_is_refused(relay: SignalRelay) -> None:
    other = SignalRelay()
    relay.install()
    with pytest.raises(AlreadyStartedError, match="use one Lifecycle for the whole process"):
        other.install()
    other.close()


def test_libraries_that_look_for_the_server_find_whether_it_is_to_exit() -> None:
    stopping: list[bool] = []
    relay = SignalRelay(stopping=lambda: bool(stopping))
    relay.install()
    server = signal.getsignal(SIGTERM).__self__  # type: ignore[union-attr] # as such libraries do
    assert not server.should_exit
    stopping.append(True)
    assert server.should_exit
    relay.restore()
    relay.close()


def test_a_child_forked_by_the_application_dies_of_sigterm_as_if_we_were_not_there(
    relay: SignalRelay,
) -> None:
    relay.install()
    child = os.fork()
    if child == 0:
        raise_signal(SIGTERM)
        os._exit(99)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -SIGTERM
    assert relay.take() == [], "and its parent hears nothing of it"


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_handlers_inside_an_asyncio_loop_are_held_back_and_get_the_signal_when_it_is_handed_over() -> (
    None
):
    loop = asyncio.get_running_loop()
    heard: list[signal.Signals] = []
    for number in (SIGTERM, SIGUSR1):
        loop.add_signal_handler(number, heard.append, number)
    relay = SignalRelay()
    relay.install()
    loop.add_reader(relay.fileno(), lambda: taken.extend(which for which, _ in relay.take()))
    taken: list[signal.Signals] = []
    raise_signal(SIGTERM)
    raise_signal(SIGUSR1)
    await _turns()
    assert (taken, heard) == ([SIGTERM], [SIGUSR1]), "only the stop signals are held back"
    assert relay.hand_over(SIGTERM)
    await _turns()
    assert heard == [SIGUSR1, SIGTERM]
    loop.remove_reader(relay.fileno())
    relay.restore()
    relay.close()
    raise_signal(SIGTERM)
    await _turns()
    assert heard == [SIGUSR1, SIGTERM, SIGTERM], "the loop has its wake-up descriptor back"
    for number in (SIGTERM, SIGUSR1):
        loop.remove_signal_handler(number)


async def _turns() -> None:
    """Enough of the loop's turns for a byte to go through two socket pairs."""
    for _ in range(5):
        await anyio.sleep(0.01)


# A life.


async def test_a_signal_hook_runs_whenever_the_signal_comes_after_who_handled_it_before() -> None:
    life = Lifecycle()
    told: list[str] = []
    before = signal.signal(SIGHUP, lambda *_: told.append("before"))

    @life.on_signal(SIGHUP)
    async def reload() -> None:
        await anyio.sleep(1)
        told.append("async")

    @life.on_signal(SIGHUP)
    def reload_too() -> None:
        told.append("sync")

    async def main() -> None:
        for _ in range(2):
            raise_signal(SIGHUP)
            await anyio.sleep(5)

    assert await live(life, main) == 0
    assert told == ["before", "sync", "async"] * 2
    signal.signal(SIGHUP, before)


async def test_a_signal_hook_that_fails_is_logged_and_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    life = Lifecycle()

    @life.on_signal(SIGHUP)
    async def reload() -> None:
        raise ValueError("bad file")

    async def main() -> None:
        raise_signal(SIGHUP)
        await anyio.sleep(5)

    assert await live(life, main) == 0
    (failed,) = [log for log in caplog.records if log.message == "signal hook failed"]
    assert "on_signal hook 'reload'" in failed.__dict__["hook"]
    assert life.report.phases[1].ended == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize("number", [SIGTERM, SIGINT, SIGQUIT])
async def test_the_request_and_the_report_name_the_signal(number: signal.Signals) -> None:
    life = Lifecycle()
    seen: list[object] = []

    @life.on_pre_stop
    def leave(request: object) -> None:
        seen.append(getattr(request, "signal", None))

    status = await live(life, stop_at=1, then=lambda: raise_signal(number))
    assert status == (7 if number is SIGQUIT else 0)
    assert seen == ([] if number is SIGQUIT else [number])
    assert (life.report.signal, life.report.source) == (number.name, "signal")


# Before the start.


def test_early_signals_are_noted_by_pid_1_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ordinary = EarlySignals()
    ordinary.install()
    assert signal.getsignal(SIGTERM) is SIG_DFL
    first = EarlySignals()
    monkeypatch.setattr(os, "getpid", lambda: 1)
    first.install()
    raise_signal(SIGTERM)
    noted = first.noted_at
    raise_signal(SIGTERM)
    assert noted is not None
    assert first.noted_at == noted, "the clock starts with the first"
    signal.signal(SIGTERM, SIG_DFL)


def test_early_signals_leave_a_handler_of_somebody_else_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    signal.signal(SIGTERM, SIG_IGN)
    EarlySignals().install()
    assert signal.getsignal(SIGTERM) is SIG_IGN
    signal.signal(SIGTERM, SIG_DFL)


def test_whoever_waits_for_an_early_signal_is_told_once_and_also_afterwards() -> None:
    told: list[str] = []
    early = EarlySignals()
    early.when_noted(lambda: told.append("at once"))
    for _ in range(2):
        early._note(signal.SIGTERM, None)
    early.when_noted(lambda: told.append("afterwards"))
    assert told == ["at once", "afterwards"]
