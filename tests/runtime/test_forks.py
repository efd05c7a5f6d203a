"""A child that the application forks inherits our handlers, and must not notice."""

import os
import signal
from collections.abc import Callable, Iterator
from signal import SIG_DFL, SIGINT, SIGTERM, raise_signal

import pytest

from lifecycle.runtime import SignalRelay
from lifecycle.runtime._signals import EarlySignals


@pytest.fixture(autouse=True)
def _given_back() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (SIGTERM, SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def relay() -> Iterator[SignalRelay]:
    ours = SignalRelay()
    assert ours.install()
    yield ours
    ours.restore()
    ours.close()


def in_a_child(body: Callable[[], int]) -> int:
    """How a forked child ended: what `body` returned, or less the signal."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(body())
        finally:
            os._exit(98)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.usefixtures("relay")
def test_ctrl_c_is_a_keyboard_interrupt_in_a_child_so_that_it_can_clean_up() -> None:
    def child() -> int:
        try:
            raise_signal(SIGINT)
        except KeyboardInterrupt:
            return 17
        return 0

    assert in_a_child(child) == 17


@pytest.mark.usefixtures("relay")
def test_a_child_may_handle_signals_in_its_own_way() -> None:
    def child() -> int:
        heard: list[int] = []
        signal.signal(SIGTERM, lambda number, _frame: heard.append(number))
        raise_signal(SIGTERM)
        return 17 if heard == [SIGTERM] else 0

    assert in_a_child(child) == 17


def early_as_pid_1(monkeypatch: pytest.MonkeyPatch) -> EarlySignals:
    early = EarlySignals()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 1)
        early.install()
    assert signal.getsignal(SIGTERM) == early._note
    return early


def test_a_child_forked_before_the_start_dies_of_sigterm_as_if_we_were_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    early_as_pid_1(monkeypatch)

    def child() -> int:
        raise_signal(SIGTERM)
        return 0

    assert in_a_child(child) == -SIGTERM


def test_our_own_handler_from_before_the_start_is_nobody_to_hand_the_signal_over_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Taken for a server's, it would be told to leave, and the server would not."""
    early_as_pid_1(monkeypatch)
    relay = SignalRelay()
    assert relay.install()
    assert relay.previous[SIGTERM] is SIG_DFL
    assert not relay.hand_over(SIGTERM)
    relay.restore()
    relay.close()
    assert signal.getsignal(SIGTERM) is SIG_DFL
