"""The deadline that holds even when the event loop does not: a thread ends the process before SIGKILL would."""

import contextlib
import faulthandler
import logging
import os
import selectors
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from lifecycle.core import ExitStatus, Report
from lifecycle.runtime._signals import SignalRelay
from lifecycle.runtime._threads import stacks

logger = logging.getLogger("lifecycle")

STUCK_PATIENCE = 1.0
"""Seconds for the interpreter's own end when something that ignores its cancellation would hold it for ever."""
LAST_WORDS_PATIENCE = 0.5
"""Seconds for the report, standard error and the log together: any of them may be what everybody is stuck in."""
INTERPRETER_PATIENCE = 0.9
"""Seconds after the deadline at which code in C that does not let go of the interpreter is ended; the margin before
SIGKILL is a second at least."""


class Watchdog:
    """Waits beside the event loop, in real time. Armed by the first stop request, or by the signal itself.

    `grace` is the time from a stop signal to the deadline; `report` is asked at the end. Without `ends_process` it says
    what is stuck, and lets it be.
    """

    def __init__(
        self,
        relay: SignalRelay,
        grace: float,
        report: Callable[[], Report],
        write: Callable[[Report], object],
        *,
        ends_process: bool = True,
    ) -> None:
        self._relay = relay
        self._grace = grace
        self._report = report
        self._write = write
        self.ends_process = ends_process
        self.expired = False
        """The deadline has come: nobody may rely on locks any more, nor on the log."""
        self._deadline: float | None = None
        self._off = False
        self._wake_out, self._wake_in = os.pipe()
        self._thread = threading.Thread(target=self._watch, name="lifecycle watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def arm(self, seconds: float) -> None:
        """End the process in `seconds`, unless an earlier end is set already."""
        moment = time.monotonic() + seconds
        if not self._off and (self._deadline is None or moment < self._deadline):
            self._deadline = moment
            os.write(self._wake_in, b"\0")
            if self.ends_process:
                end_without_the_interpreter(seconds + INTERPRETER_PATIENCE)

    def stop(self) -> None:
        """Call it off: the process may live on."""
        self._off = True
        if self._deadline is not None and self.ends_process:
            faulthandler.cancel_dump_traceback_later()
        os.write(self._wake_in, b"\0")
        self._thread.join()
        os.close(self._wake_in)
        os.close(self._wake_out)

    def _watch(self) -> None:
        with (
            selectors.DefaultSelector() as selector
        ):  # not select(): it fails on descriptors above 1023
            selector.register(self._wake_out, selectors.EVENT_READ)
            selector.register(self._relay.watch_out, selectors.EVENT_READ)
            while not self._off:
                left = None if self._deadline is None else self._deadline - time.monotonic()
                if left is not None and left <= 0:
                    self._expire()
                    return
                for key, _ in selector.select(left):
                    if key.fileobj is self._relay.watch_out:
                        self._relay.watch_out.recv(4096)
                        # The loop may be blocked and never open its purse: the signal alone starts the clock.
                        self.arm(self._grace)
                    else:
                        os.read(self._wake_out, 4096)

    def _expire(self) -> None:
        self.expired = True
        if self.ends_process:
            faulthandler.cancel_dump_traceback_later()
        report = self._report()
        if not self.ends_process:
            # The life goes on, and its own report with it.
            report = replace(report, failures=list(report.failures))
        if report.exit_status is None:
            report.exit_status = int(ExitStatus.DEADLINE)
            report.failures.append(
                "the event loop was blocked, or something ignored its cancellation, until the deadline"
            )
        try:
            report.stacks = stacks()
            # The main thread may hold any lock, that of logging too, and a pipe that nobody reads is full: this thread,
            # which has to end the process, may wait for none of them.
            speaker = threading.Thread(target=self._speak, args=(report,), daemon=True)
            speaker.start()
            speaker.join(LAST_WORDS_PATIENCE)
        finally:
            if self.ends_process:
                os._exit(report.exit_status)

    def _speak(self, report: Report) -> None:
        self._write(report)
        with contextlib.suppress(OSError):
            os.write(2, self._last_words(report).encode(errors="replace"))
        self._log(report)

    def _last_words(self, report: Report) -> str:
        what = (
            f"ending the process with status {report.exit_status}"
            if self.ends_process
            else "and the lifecycle has not ended"
        )
        blocked = "\n".join(f"thread {name}:\n{stack}" for name, stack in report.stacks.items())
        return f"lifecycle: the deadline has come, {what}\n{blocked}\n"

    def _log(self, report: Report) -> None:
        fields = {"report": report.to_dict()}
        if self.ends_process:
            logger.critical("ended by the watchdog", extra=fields)
        else:
            logger.critical("the deadline has come, and the lifecycle has not ended", extra=fields)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()


def end_without_the_interpreter(seconds: float) -> None:
    """End the process in so many seconds, with the stacks on standard error and status 1, by a thread that is all C.

    Threads of Python's own stand still while code in C holds the interpreter. There is one such timer in a process: a
    program that has set it for itself gets ours instead, now that it is leaving.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=2)
