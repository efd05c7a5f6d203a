"""Signals: taken, noted, and passed on when the work is done.

A handler may run between any two instructions of the main thread, so it takes no lock and raises nothing: it notes the
signal and writes a byte to two wake-up descriptors, one for the event loop and one for the watchdog.

A server has its own handlers, in one of two places. A Python handler (`signal.signal`, as uvicorn does) is replaced,
and called or told in another way when the drain is over. A handler inside the event loop (`loop.add_signal_handler`)
hears of a signal by a byte with its number in the loop's wake-up descriptor: ours takes that descriptor's place and
passes on every byte but the stop signals', and those at the end.
See https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd
"""

import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from signal import Signals
from types import FrameType
from typing import Any, Final

from lifecycle.core import AlreadyStartedError

Handler = Any
"""What `signal.getsignal` returns: a callable, `SIG_DFL`, `SIG_IGN` or `None`."""

STOP_SIGNALS: Final = (Signals.SIGTERM, Signals.SIGINT, Signals.SIGQUIT)


class SignalRelay:
    """Owns the stop signals, and those in `others`, of this process while installed.

    `should_exit` is for libraries that find the server through `signal.getsignal(SIGTERM).__self__` and ask it.
    """

    def __init__(
        self, others: Iterable[int] = (), *, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self.signals = (*STOP_SIGNALS, *(Signals(number) for number in others))
        self.previous: dict[int, Handler] = {}
        self._stopping = stopping
        self._noted: deque[tuple[Signals, float]] = deque()
        self._pid = os.getpid()
        self._in, self._out = socket.socketpair()
        self._watch_in, self.watch_out = socket.socketpair()
        for end in (self._in, self._out, self._watch_in, self.watch_out):
            end.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        self._loops_descriptor = -1

    @property
    def should_exit(self) -> bool:
        return self._stopping()

    @property
    def installed(self) -> bool:
        return bool(self.previous)

    def install(self) -> bool:
        """Take the signals over. False where Python forbids it: off the main thread.

        Raises:
            AlreadyStartedError: Another lifecycle of this process has them.
        """
        if threading.current_thread() is not threading.main_thread():
            return False
        if isinstance(getattr(signal.getsignal(signal.SIGTERM), "__self__", None), SignalRelay):
            raise AlreadyStartedError(
                "another Lifecycle is running in this process and owns its signals: use one Lifecycle for the whole"
                " process, and install its middleware once"
            )
        for number in self.signals:
            handler = signal.signal(number, self.note)
            # Our own, from before the start, is no server that could be told to leave.
            is_early = isinstance(getattr(handler, "__self__", None), EarlySignals)
            self.previous[number] = signal.SIG_DFL if is_early else handler
        self.interpose()
        return True

    def interpose(self) -> None:
        """Stand between the kernel and an event loop's own handlers. May be repeated: a loop may be run again."""
        if not any(_is_the_loops(handler) for handler in self.previous.values()):
            return
        loops = signal.set_wakeup_fd(-1)
        if loops in (-1, self._in.fileno()):
            signal.set_wakeup_fd(loops, warn_on_full_buffer=False)
            return
        signal.set_wakeup_fd(self._in.fileno(), warn_on_full_buffer=False)
        self._loops_descriptor = loops

    def note(self, number: int, _frame: FrameType | None) -> None:
        """The handler."""
        if os.getpid() != self._pid:
            _as_if_we_were_not_here(number)
            return
        self._noted.append((Signals(number), time.monotonic()))
        # The watchdog is told of what starts the clock, and of nothing else: a SIGHUP may come every day.
        for end in (self._in, self._watch_in) if number in STOP_SIGNALS else (self._in,):
            try:
                end.send(b"\0")
            except OSError:
                continue  # Full: whoever reads it will wake up all the same. Closed: nobody waits any more.

    def fileno(self) -> int:
        """Readable when something has been noted."""
        return self._out.fileno()

    def take(self) -> list[tuple[Signals, float]]:
        """What has been noted since, with the seconds that each has waited; bytes of other signals are passed on."""
        try:
            numbers = self._out.recv(4096)
        except BlockingIOError:
            numbers = b""
        ours = {0, *self.signals}
        self._pass_on(bytes(number for number in numbers if number not in ours))
        taken: list[tuple[Signals, float]] = []
        while self._noted:
            which, noted_at = self._noted.popleft()
            taken.append((which, max(0.0, time.monotonic() - noted_at)))
        return taken

    def hand_over(self, which: Signals) -> bool:
        """Let whoever handled this signal before us do so now. False: nobody did."""
        handler = self.previous.get(which)
        if self._loops_descriptor != -1 and _is_the_loops(handler):
            self._pass_on(bytes([which]))
            return True
        if callable(handler) and handler is not signal.default_int_handler:
            handler(int(which), None)
            return True
        return False

    def restore(self, *, deaf_to_sigterm: bool = False) -> None:
        """Give everything back that nobody else has taken in the meantime; SIGTERM only if it still means something."""
        for number, handler in self.previous.items():
            if signal.getsignal(number) != self.note:
                continue
            if number == signal.SIGTERM and deaf_to_sigterm:
                handler = signal.SIG_IGN  # noqa: PLW2901 - the loop's value, replaced for this one
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self.previous.clear()
        if self._loops_descriptor != -1:
            now = signal.set_wakeup_fd(-1)
            ours = now == self._in.fileno()
            signal.set_wakeup_fd(self._loops_descriptor if ours else now, warn_on_full_buffer=False)
            self._loops_descriptor = -1

    def close(self) -> None:
        for end in (self._in, self._out, self._watch_in, self.watch_out):
            end.close()

    def _pass_on(self, numbers: bytes) -> None:
        if numbers and self._loops_descriptor != -1:
            try:
                os.write(self._loops_descriptor, numbers)
            except OSError:
                return  # The loop has closed its end: it is past handling signals.


def _as_if_we_were_not_here(number: int) -> None:
    # In a child that the application has forked, a signal is the child's own business. Not the handlers from before us:
    # those are the server's, and would note the signal for a server that does not run there.
    is_ctrl_c = number == Signals.SIGINT
    signal.signal(number, signal.default_int_handler if is_ctrl_c else signal.SIG_DFL)
    signal.raise_signal(number)


def _is_the_loops(handler: Handler) -> bool:
    # asyncio registers a function that does nothing, `_sighandler_noop`; uvloop a method of that kind of its loop.
    return callable(handler) and "sighandler" in getattr(handler, "__name__", "")


class EarlySignals:
    """A SIGTERM between the construction of a lifecycle and its start, for PID 1 alone.

    The kernel drops signals to PID 1 that have no handler, so the stop would be lost and the pod killed a grace period
    later. Any other process simply ends by its default action: nothing has been started yet.
    See https://man7.org/linux/man-pages/man7/pid_namespaces.7.html
    """

    def __init__(self) -> None:
        self.noted_at: float | None = None
        self._pid = os.getpid()
        self._tell: Callable[[], object] | None = None

    def when_noted(self, tell: Callable[[], object]) -> None:
        """Call `tell` as soon as one is noted; now, if one has been."""
        self._tell = tell
        if self.noted_at is not None:
            tell()

    def install(self, *, everywhere: bool = False) -> None:
        """Note SIGTERM from now on. `everywhere`: as an ordinary process too, where somebody will ask for it."""
        if (
            (everywhere or os.getpid() == 1)
            and threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        ):
            self._pid = os.getpid()
            signal.signal(signal.SIGTERM, self._note)

    def give_back(self) -> None:
        """Let SIGTERM mean again what it meant before: somebody else handles it from now on."""
        if signal.getsignal(signal.SIGTERM) == self._note:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            _as_if_we_were_not_here(number)
            return
        if self.noted_at is None:
            self.noted_at = time.monotonic()
            if self._tell is not None:
                self._tell()
