"""A worker, as its parent sees it."""

import os
import subprocess
from signal import Signals
from typing import Any, Final

import anyio
import anyio.to_thread

from lifecycle.core import ExitStatus
from lifecycle.server._control import Channel

WAITING_SIGNALS: Final = (Signals.SIGTERM, Signals.SIGHUP)
"""Blocked until a worker's own handlers stand: before, they would end it in the middle of an import."""


class Worker:
    """A child process and what it has said of itself."""

    def __init__(self, process: "subprocess.Popen[bytes]", channel: Channel) -> None:
        self.process = process
        self.channel = channel
        self.ready = False
        self.became_ready = anyio.Event()
        self.gone = anyio.Event()
        self.hearing = anyio.CancelScope()
        self.silent = anyio.Event()
        """Nothing more will be heard of it."""
        self.report: dict[str, Any] | None = None
        self.replaced = False
        self.heard = False
        """It has told us something: its handlers for signals stand."""
        self.killed = False
        self.stopped: dict[str, Any] | None = None
        """Since when it is a lame duck, for how long at most, and who came to it before."""
        self.ready_at: float | None = None

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, which: Signals) -> None:
        """Send a signal, unless it has gone."""
        if not self.gone.is_set():
            self.process.send_signal(which)

    def stop(self, which: Signals | None) -> None:
        """Ask it to go, as the parent was asked."""
        # A worker that is still importing waits with its signals, but for SIGINT it has no use yet.
        self.send(Signals.SIGINT if which is Signals.SIGINT and self.heard else Signals.SIGTERM)

    @property
    def status(self) -> int:
        """Its exit status, in our own terms where it has none of its own."""
        status = self.process.returncode
        if status >= 0:
            return status
        return int(ExitStatus.DEADLINE if self.killed else ExitStatus.WORK_ABANDONED)


async def until_gone(process: "subprocess.Popen[bytes]") -> None:
    """Return when the process has ended, and reap it."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        # Not Linux, or an old kernel: a thread waits, one for each worker.
        await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
        return
    try:
        await anyio.wait_readable(descriptor)
    finally:
        os.close(descriptor)
    process.wait()


def describe(status: int) -> str:
    """How a process ended that has said nothing itself."""
    if status >= 0:
        return f"ended with status {status}, without a report"
    return f"killed by {Signals(-status).name}"
