"""Which server is this, does it let us hear the signals, and how is it told to leave?

Public means only: the handlers that `signal` shows, the wake-up descriptor, signals to the parent. What each server
does with them was found by trying; `docs/reference/servers.md` has the table.
"""

import asyncio
import functools
import logging
import multiprocessing
import os
import signal
import sys
import threading
from typing import Any, Protocol

import anyio

from lifecycle.core import StopSource
from lifecycle.runtime import Host

logger = logging.getLogger("lifecycle")

SIGTERM_PATIENCE = 1.0
"""Seconds for the platform's SIGTERM, once `/shutdown` was answered, before a server is left to end without it."""
PARENT_PATIENCE = 2.0
"""Seconds for a server's parent to pass SIGTERM on to us, before we leave without it."""


SERVER_EXTENSION = "lifecycle.server"
"""In `scope["extensions"]` of the lifespan: a server of our own, which need not be guessed at."""
BEGUN = "lifecycle.begun"
"""In the scope of a request that had been received in part when the drain began: the work that stood for it."""


class OurServer(Protocol):
    """A server that knows the lifecycle."""

    parent: int | None
    """The process that would replace this one if it ended by itself."""
    writes_report: bool
    owns_process: bool
    """It may be ended at the deadline."""

    def waiting_for(self) -> str | None:
        """What else has to be ready before this process may say that it is."""

    def leave(self) -> None:
        """All is done: stop listening and return."""


def parent_of_workers() -> int | None:
    """The process that started this worker and would start another one in its place; `None` if we are on our own.

    uvicorn, hypercorn and granian start workers with multiprocessing; gunicorn forks, and names itself.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        return parent.pid
    if "gunicorn.arbiter" in sys.modules and os.environ.get("SERVER_SOFTWARE", "").startswith(
        "gunicorn"
    ):
        return os.getppid()
    return None


def is_served() -> bool:
    """Whether a server runs us. Else some program drives the lifespan, a test for example: its process is not ours."""
    return (
        callable(signal.getsignal(signal.SIGTERM))
        or os.getpid() == 1
        or parent_of_workers() is not None
        or "hypercorn" in sys.modules  # on trio it has no handler
    )


class ServerLink:
    """The way to the server that runs this application."""

    def __init__(self, host: Host, ours: "OurServer | None" = None) -> None:
        self._ours = ours
        self._host = host
        self.parent = parent_of_workers() if ours is None else ours.parent
        handler: Any = host.relay.previous.get(signal.SIGTERM)
        owner = getattr(handler, "__self__", None)
        self._server: Any = owner if hasattr(owner, "should_exit") else None
        self._silent = host.relay.installed and handler in (signal.SIG_DFL, signal.SIG_IGN, None)

    @property
    def hears_signals(self) -> bool:
        """SIGTERM comes to us first, and the server stops when we say so."""
        if not self._host.relay.installed:
            return False
        if self._ours is not None:
            return True
        return not (self._silent and self.parent is not None)

    @property
    def remark(self) -> str:
        if not self._host.relay.installed:
            return "SIGTERM cannot be heard off the main thread: let a preStop hook call /shutdown"
        return (
            "this server's parent process does not pass SIGTERM on to its workers: let a preStop hook call /shutdown,"
            " or run it without a parent (hypercorn --workers 0)"
        )

    def stopped_already(self) -> bool:
        """The server was told to stop before we stood between it and its signals."""
        return bool(getattr(self._server, "should_exit", False))

    async def leave(self) -> None:
        """All is done: let the server stop."""
        host, request = self._host, self._host.engine.request
        source = (
            None if request is None else request.source
        )  # None: the start failed while the server was serving
        if source is StopSource.SERVER:
            return
        if self._ours is None and not host.relay.installed:
            # Off the main thread the process is somebody else's: a test client's, or a program's around the server.
            logger.info("all is done: whoever runs the server may stop it")
            return
        await self._expect_sigterm(source)
        if self._ours is not None:
            self._ours.leave()
        elif self._server is not None:
            # Not through its handler: uvicorn would raise the signal once more at its end, and die of it with 143.
            self._server.should_exit = True
        elif host.relay.hand_over(signal.SIGTERM):
            return
        elif host.owns_process or host.terminated.is_set() or source is StopSource.SIGNAL:
            self._end_ourselves()
        else:
            logger.info("all is done: whoever runs the server may stop it")
            host.relay.restore()

    async def _expect_sigterm(self, source: StopSource | None) -> None:
        """Where somebody else may stop us, or our parent, let them do so first."""
        host = self._host
        if self.parent is not None and source is StopSource.WORKER:
            # The one who answers tells the parent, once all are done; a parent would replace a worker that just ends.
            with anyio.move_on_after(host.engine.purse.remaining):
                await host.terminated.wait()
        elif source is StopSource.ENDPOINT and not (
            self.parent is None and (self._server is not None or self._ours is not None)
        ):
            # The platform's SIGTERM follows its preStop hook at once: it must not meet a process, or a parent, whose
            # interpreter is past handling signals. Of a uvicorn that is alone we see to that ourselves, to the end.
            with anyio.move_on_after(SIGTERM_PATIENCE):
                await host.terminated.wait()
            if self.parent is not None and not host.terminated.is_set():
                logger.info(
                    "asking the server's parent process to stop", extra={"parent": self.parent}
                )
                os.kill(self.parent, signal.SIGTERM)
                with anyio.move_on_after(PARENT_PATIENCE):
                    await host.terminated.wait()

    def _end_ourselves(self) -> None:
        host, request = self._host, self._host.engine.request
        if not host.engine.loop.is_asyncio:
            # A trio server without a handler of its own (hypercorn --workers 0 -k trio) stops for KeyboardInterrupt.
            # Raised in this task it would end this task only: trio hands it to the server's from outside any task.
            host.relay.restore(deaf_to_sigterm=host.owns_process and host.was_told())
            host.engine.loop.call_soon(functools.partial(signal.raise_signal, signal.SIGINT))
        elif self.parent is None:
            host.relay.restore()
            is_ctrl_c = request is not None and request.signal is signal.SIGINT
            signal.raise_signal(signal.SIGINT if is_ctrl_c else signal.SIGTERM)

    def leave_behind(self, status: int) -> None:
        """See to the process's exit status, and that no late signal changes it, once the server has gone."""
        alone = (
            self.parent is None and self._server is not None and self._host.engine.loop.is_asyncio
        )
        if (
            not alone
            or not self._host.relay.installed
            or threading.current_thread() is not threading.main_thread()
        ):
            return
        afterwards = asyncio.get_running_loop().create_task(
            _afterwards(status, deaf_to_sigterm=self._host.was_told()), name="lifecycle afterwards"
        )
        _kept.add(afterwards)


_kept: set["asyncio.Task[None]"] = set()
"""The event loop holds tasks weakly; this one is there for the loop's very end."""


async def _afterwards(status: int, *, deaf_to_sigterm: bool) -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        # asyncio.run cancels what is left when the server is through: nobody handles signals any more, and SIGTERM,
        # which follows a preStop hook at once, would end the process with 143 in the middle of its clean end.
        if deaf_to_sigterm:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if status == 0:
            return
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        if rest:
            await asyncio.wait(rest)
        loop = asyncio.get_running_loop()
        await loop.shutdown_asyncgens()
        await loop.shutdown_default_executor()

        def leave() -> None:
            raise SystemExit(status)

        # From a callback: raised in a task it would leave a traceback behind, and pending tasks.
        loop.call_soon(leave)
