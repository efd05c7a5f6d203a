"""One life, from the start to the exit: a straight line through the phases under one deadline.

Everything that may come at any time (a signal, a call, a crash) enters through `stop`, `force` and `crash`, which move
the state machine at once and wake the conductor. The conductor (`live`) is one line from STARTING to the end and never
asks what has happened: it waits for the next thing that must, and the table says where that leads.
"""

import functools
import logging
import time
from collections.abc import Callable, Sequence
from signal import Signals

import anyio
import anyio.abc

from lifecycle.core import (
    Event,
    ExitStatus,
    Hook,
    HookOrderError,
    Kind,
    Promises,
    Settings,
    StopRequest,
    StopSource,
    divide,
    in_order,
    shutdown_order,
)
from lifecycle.runtime._attempt import Attempt, Resource
from lifecycle.runtime._drain import CUT_PATIENCE, Drain
from lifecycle.runtime._in_flight import InFlight
from lifecycle.runtime._loop import Flag, Loop
from lifecycle.runtime._purse import Purse
from lifecycle.runtime._record import Record
from lifecycle.runtime._start import Start
from lifecycle.runtime._state import State
from lifecycle.runtime._stop_hooks import StopHooks
from lifecycle.runtime._tasks import Tasks

logger = logging.getLogger("lifecycle")


class Engine:
    """One life of one `Lifecycle`. Made inside the event loop, used once."""

    def __init__(
        self,
        *,
        settings: Settings,
        hooks: Sequence[Hook],
        works: InFlight,
        state: State,
        stop_requested: Flag,
        routed: bool,
        main: Hook | None = None,
        purse_opened: Callable[[float], object] = lambda _: None,
        closed: Callable[[], object] = lambda: None,
    ) -> None:
        self.settings = settings
        self.loop = Loop()
        self.record = Record(self.loop, settings.grace_period)
        budget = divide(
            grace=settings.grace_period,
            delay=settings.shutdown_delay,
            drain=settings.drain_timeout,
            in_kubernetes=settings.in_kubernetes and routed,
        )
        self.purse = Purse(budget, self.loop, purse_opened)
        self.works = works
        works.bind(self.loop)
        self.request: StopRequest | None = None
        self.settled = anyio.Event()
        """The start is behind us, one way or the other."""
        self.ready = anyio.Event()
        self.draining = anyio.Event()
        self.over = anyio.Event()
        self.routes_withdrawn = anyio.Event()
        """Somebody who can tell has seen that the routers have let go: the lame duck need not last its whole delay."""
        self.at_drain: Callable[[], object] = _nothing
        """What a server has to do between the last moment of the lame duck and the first look at what is in flight."""
        self._purse_opened = purse_opened
        self._stop_requested = stop_requested
        self._closed = closed
        self._hooks = tuple(hooks)
        self._main = main
        self._exit_code = 0
        self._drain_began: float | None = None
        self._asked = anyio.Event()
        self._tasks = Tasks(self.record, self.crash, self._leave)
        self._drain = Drain(works, self._tasks.attempts, self.record, self.purse)
        self._group: anyio.abc.TaskGroup | None = None
        self._hooks_on_the_way_down = StopHooks(self.record, self.purse, self.loop, self.spawn)
        self.start = Start(
            self._hooks, settings, self.record, self.purse, state, self.spawn, self._lost
        )

    @property
    def promises(self) -> Promises:
        return self.record.promises

    @property
    def waiting_for(self) -> str:
        """Why the process is not ready, in one line."""
        if self.request is not None:
            return f"{self.record.phase}: {self.request.reason}"
        if self.start.error is not None:
            return "the start failed: the report says why"  # an error may hold a password; anybody can probe
        return self.promises.what if self.ready.is_set() else self.start.reason(self.loop.now())

    def expect_end(self) -> None:
        """Start the clock of the deadline, in any thread: the loop may be blocked, and never hear of the stop."""
        if self.request is None and not self.promises.over:
            self._purse_opened(self.purse.budget.deadline)

    # What may come at any time. In the loop's thread.

    def stop(
        self,
        reason: str,
        source: StopSource,
        *,
        signal: Signals | None = None,
        late: float = 0.0,
        exit_code: int = 0,
        event: Event = Event.STOP_REQUESTED,
    ) -> None:
        """Ask for the stop: the first one opens the purse, later ones join. `late`: seconds since it really came."""
        if self.promises.over:
            return
        if self.request is None:
            self.request = StopRequest(reason, source, signal, time.time() - late)
            self.record.requested(self.request)
            self._exit_code = exit_code
            if source is StopSource.SERVER or signal is Signals.SIGINT:
                # Nobody routes to a port that is closed, nor to a terminal where somebody pressed Ctrl-C.
                self.purse.delay = 0.0
            self.purse.open(late=late)
            self._stop_requested.set()
            self._asked.set()
            self.start.cut_short()
        self.record.move(event)

    def force(
        self,
        reason: str,
        source: StopSource = StopSource.SIGNAL,
        *,
        signal: Signals | None = None,
    ) -> None:
        """Cut every wait short; the shutdown hooks get a second."""
        if self.promises.over or self.purse.forced.is_set():
            return
        self.record.fail(ExitStatus.FORCED, "the stop was forced")
        self.stop(reason, source, signal=signal, event=Event.FORCED)
        self.purse.force()

    def crash(self, what: str, error: BaseException | None) -> None:
        """Something essential is gone: leave in good order, with an exit status that says so."""
        if self.promises.over:
            return
        self.record.fail(ExitStatus.TASK_CRASHED, "something essential is gone", error, reason=what)
        self.stop(what, StopSource.TASK, event=Event.TASK_CRASHED)

    def _leave(self, what: str, status: int) -> None:
        self.stop(what, StopSource.CALL, exit_code=status)
        # Where the stop came first, the program may still say that it has failed.
        self._exit_code = self._exit_code or status

    def _lost(self, resource: Resource) -> None:
        error = resource.error
        why = "" if error is None else f": {type(error).__name__}: {error}"
        self.crash(f"{resource.hook} ended before it was asked to{why}", error)

    def refuse(self) -> None:
        """Count a request that came while there was nothing to serve it with."""
        self.works.refused += 1
        if self._drain_began is not None and self.purse.delay > 0:
            self.record.report.late = self.loop.now() - self._drain_began

    def spawn(self, function: Callable[..., object], *arguments: object) -> None:
        """Run a coroutine function beside everything else, until the end."""
        assert self._group is not None, "nothing is spawned before `live`"  # noqa: S101 - a defect of ours, not an input
        self._group.start_soon(function, *arguments)  # type: ignore[arg-type] # attempts and watches are heterogeneous

    # The straight line.

    async def live(
        self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """The whole life. Returns when it is over and all that it spawned has ended."""
        # Shielded: whoever cancels what surrounds a life forces its stop (see `Host.open`), and then its hooks still run.
        with anyio.CancelScope(shield=True):
            try:
                await self._live(task_status)
            finally:
                # Also after a defect of ours: others wait for this.
                self.over.set()

    async def _live(self, task_status: anyio.abc.TaskStatus[None]) -> None:
        async with anyio.create_task_group() as group:
            self._group = group
            task_status.started()
            await self._come_up()
            if self.ready.is_set():
                await self._asked.wait()
                await self._be_lame_duck()
                await self._finish_work()
            await self._shut_down()
            self._closed()
            self.over.set()
            group.cancel_scope.cancel()

    async def _come_up(self) -> None:
        started = False
        error: BaseException | None
        try:
            for kind in (Kind.PRE_STOP, Kind.SHUTDOWN):
                in_order(self._of(kind))
        except HookOrderError as refused:
            # Nothing has been started, and there is no order in which to shut it down.
            self._hooks = ()
            error = refused
        else:
            started = await self.start.run()
            error = self.start.error
        if error is not None:
            self.record.fail(ExitStatus.START_FAILED, "the start failed", error)
            if self.request is None:
                self.start.error = error
                self.record.report.reason = f"the start failed: {error}"
                self.purse.open()
                self.record.move(Event.START_FAILED)
        elif started and self.request is None:
            self.record.move(Event.STARTED)
            self.ready.set()
            for hook in (*self._of(Kind.TASK), *([self._main] if self._main else [])):
                self.spawn(
                    functools.partial(
                        self._tasks.run, self._tasks.add(hook), is_main=hook is self._main
                    )
                )
        self.settled.set()

    async def _be_lame_duck(self) -> None:
        done = anyio.Event()
        self.spawn(self._run_pre_stop_hooks, done)
        with self.purse.until(self.purse.routes_withdrawn_at()):
            await self.routes_withdrawn.wait()
        # Work must not be refused before, say, a queue has been left; a hook that hangs may not eat the drain.
        with self.purse.until(self.purse.pre_stop_ends_at() + 2 * CUT_PATIENCE):
            await done.wait()
        self._advance(Event.ROUTES_WITHDRAWN)

    async def _run_pre_stop_hooks(self, done: anyio.Event) -> None:
        hooks = [Attempt(hook, self.request) for hook in in_order(self._of(Kind.PRE_STOP))]
        await self._hooks_on_the_way_down.run(hooks, self.purse.pre_stop_ends_at)
        done.set()

    async def _finish_work(self) -> None:
        self._drain_began = self.loop.now()
        self.at_drain()
        self.draining.set()
        self._advance(await self._drain.run(self.settings.drain_timeout))

    async def _shut_down(self) -> None:
        hooks = shutdown_order(self._hooks, self.start.started)
        attempts = [self.start.resources.get(hook) or Attempt(hook) for hook in hooks]
        await self._hooks_on_the_way_down.run(attempts, self.purse.hooks_end_at)
        self.record.not_run(hook for hook in self._of(Kind.SHUTDOWN) if hook not in hooks)
        self.record.close(
            exit_code=self._exit_code,
            used=self.purse.used,
            finished=self.works.finished,
            refused=self.works.refused,
        )

    def _of(self, kind: Kind) -> list[Hook]:
        return [hook for hook in self._hooks if hook.kind is kind]

    def _advance(self, event: Event) -> None:
        # Whoever forced the stop has moved the machine past the conductor's own steps.
        if not self.purse.forced.is_set():
            self.record.move(event)


def _nothing() -> None:
    """Nobody has anything to do."""
