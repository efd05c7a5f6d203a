"""What surrounds a life: the process's signals, the watchdog, the place for the report."""

import functools
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from signal import Signals
from typing import TYPE_CHECKING

import anyio

from lifecycle.core import AlreadyStartedError, Hook, Kind, Report, StopSource
from lifecycle.runtime._attempt import Attempt
from lifecycle.runtime._engine import Engine
from lifecycle.runtime._report import report_path, write_report
from lifecycle.runtime._signals import STOP_SIGNALS, SignalRelay
from lifecycle.runtime._watchdog import STUCK_PATIENCE, Watchdog

if TYPE_CHECKING:
    from lifecycle.runtime._lifecycle import Lifecycle

logger = logging.getLogger("lifecycle")

INTERPOSE_AGAIN = (0.005, 0.05, 0.5, 2.0)
"""Seconds after the start at which an event loop that was run anew (granian does so) may have taken its wake-up
descriptor back."""


class Host:
    """One run of a lifecycle in this process.

    `owns_process`: it may end the process at the deadline. `routed`: routers send it work, so it needs a lame duck.
    `later` is given what is to be done when the event loop has ended; if nobody will know, it is done at once.
    """

    def __init__(
        self,
        life: "Lifecycle",
        *,
        owns_process: bool,
        routed: bool = False,
        main: Hook | None = None,
        inner: Sequence[Hook] = (),
        later: Callable[[Callable[[], object]], object] = lambda end: end(),
    ) -> None:
        self._life = life
        self._later = later
        self._main = main
        self._routed = routed
        self._hooks = (*life._hooks, *inner)  # noqa: SLF001 - host and lifecycle are two halves of one thing
        numbers = {hook.signal for hook in self._hooks if hook.signal is not None}
        self.terminated = anyio.Event()
        """SIGTERM has come."""
        self.path = report_path(life.settings.report_file)
        self.owns_process = owns_process
        self._watchdog: Watchdog | None = None
        self._interrupted = False
        self.engine: Engine = life._open(self._make_engine)  # noqa: SLF001 - see above
        # Last, for it holds sockets: a start that is refused leaves nothing open.
        self.relay = SignalRelay(sorted(numbers), stopping=self._is_stopping)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Engine]:
        """The engine, running. Leaving the block before its end asks it to stop, and waits."""
        self._take_signals()
        engine = self.engine
        for text in self._life.settings.misspelt:
            logger.warning("unknown setting", extra={"reason": text})
        try:
            async with anyio.create_task_group() as group:
                await group.start(engine.live)
                if self.relay.installed:
                    group.start_soon(self._listen)
                try:
                    yield engine
                    engine.stop("the application was closed", StopSource.SERVER)
                    await engine.over.wait()
                except (Exception, anyio.get_cancelled_exc_class()):
                    engine.force("what surrounds the lifecycle was cut off", StopSource.CALL)
                    with anyio.CancelScope(shield=True):
                        await engine.over.wait()
                    raise
                group.cancel_scope.cancel()
        finally:
            self._give_back()

    def _make_engine(self) -> Engine:
        life = self._life
        return Engine(
            settings=life.settings,
            hooks=self._hooks,
            works=life._works,  # noqa: SLF001 - host and lifecycle are two halves of one thing
            state=life.state,
            stop_requested=life.stop_requested,
            routed=self._routed,
            main=self._main,
            purse_opened=self._purse_opened,
            closed=self._closed,
        )

    def _take_signals(self) -> None:
        try:
            installed = self.relay.install()
        except AlreadyStartedError:
            self.relay.close()
            self._life._engine = None  # noqa: SLF001 - it has not started after all
            raise
        if self.owns_process:
            self._watchdog = Watchdog(
                self.relay,
                self._life.settings.budget.deadline,
                lambda: self.engine.record.report,
                self._write,
                # Off the main thread there is more to the process than this life.
                ends_process=installed,
            )
            self._watchdog.start()
        if not installed:
            logger.warning(
                "not in the main thread: signals cannot be handled here, so stop with request_stop() or /shutdown"
            )
            return
        early = self._life._early.noted_at  # noqa: SLF001 - host and lifecycle are two halves of one thing
        if early is not None:
            self._deliver(Signals.SIGTERM, time.monotonic() - early)

    def _give_back(self) -> None:
        # After preStop there always comes a SIGTERM: on its way out, it must not turn a clean end into 143.
        self.relay.restore(deaf_to_sigterm=self.owns_process and self.was_told())
        if self._watchdog is None:
            self.relay.close()
        elif not self._keeps_watch(self._watchdog):
            self._later(functools.partial(self._call_off, self._watchdog))
        elif self.engine.record.stuck:
            self._watchdog.arm(STUCK_PATIENCE)

    def _call_off(self, watchdog: Watchdog) -> None:
        watchdog.stop()
        self.relay.close()

    def _keeps_watch(self, watchdog: Watchdog) -> bool:
        """Under Kubernetes the deadline stays: what the process does after us is paid out of the same purse."""
        in_kubernetes = self._life.settings.in_kubernetes
        return watchdog.ends_process and (
            self.engine.record.stuck or (self.was_told() and in_kubernetes)
        )

    def was_told(self) -> bool:
        """The platform, or somebody who acts like it, has told this process to go."""
        request = self.engine.request
        if request is None:
            return False
        hooks = (StopSource.ENDPOINT, StopSource.WORKER)
        # Not only where SIGTERM was the first to ask: it may have joined a Ctrl-C, or a call.
        return request.source in hooks or self.terminated.is_set()

    def _purse_opened(self, deadline: float) -> None:
        if self._watchdog is not None:
            self._watchdog.arm(deadline)

    def _closed(self) -> None:
        self._write(self.engine.record.report)
        if self.engine.record.stuck and self._watchdog is not None:
            self._watchdog.arm(STUCK_PATIENCE)

    def _write(self, report: Report) -> None:
        error = write_report(report, self.path)
        if error is not None and not self._expired():
            logger.warning(
                "the report could not be written", extra={"path": str(self.path)}, exc_info=error
            )

    def _expired(self) -> bool:
        return self._watchdog is not None and self._watchdog.expired

    def _is_stopping(self) -> bool:
        promises = self.engine.promises
        return self.engine.request is not None and not promises.accepts

    async def _listen(self) -> None:
        while True:
            await anyio.wait_readable(self.relay.fileno())
            for which, late in self.relay.take():
                self._deliver(which, late)

    async def interpose_again(self) -> None:
        """Once the server goes on after its start: granian runs the loop anew, and uvloop takes its descriptor back."""
        for pause in INTERPOSE_AGAIN:
            await anyio.sleep(pause)
            self.relay.interpose()

    def _deliver(self, which: Signals, late: float) -> None:
        engine = self.engine
        if which is Signals.SIGQUIT or (which is Signals.SIGINT and self._interrupted):
            engine.force(f"{which.name} forced the stop", signal=which)
        elif which in STOP_SIGNALS:
            self._interrupted = self._interrupted or which is Signals.SIGINT
            engine.stop(which.name, StopSource.SIGNAL, signal=which, late=late)
            if which is Signals.SIGTERM:
                self.terminated.set()
        else:
            self.relay.hand_over(which)
            for hook in self._hooks:
                # Once it is over there may still be a server to wait for, but nothing that runs hooks.
                if hook.kind is Kind.SIGNAL and hook.signal == which and not engine.promises.over:
                    engine.spawn(self._run_signal_hook, hook)

    async def _run_signal_hook(self, hook: Hook) -> None:
        attempt = Attempt(hook)
        try:
            await attempt.run()
        finally:
            # Cancelled at the end of everything: a thread that goes on would hold the interpreter's end.
            self.engine.record.stuck = self.engine.record.stuck or attempt.in_thread
        if attempt.error is not None:
            logger.error("signal hook failed", extra={"hook": str(hook)}, exc_info=attempt.error)
