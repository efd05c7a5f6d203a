"""The object that an application holds: hooks are registered on it, and it is asked how things stand."""

import functools
import logging
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import anyio

from lifecycle.core import (
    AlreadyStartedError,
    Endpoints,
    Hook,
    Network,
    NotRunningError,
    Phase,
    PhaseChange,
    Report,
    Settings,
    SettingsError,
    StopSource,
    caller,
    read_settings,
)
from lifecycle.runtime._engine import Engine
from lifecycle.runtime._host import Host
from lifecycle.runtime._in_flight import InFlight
from lifecycle.runtime._loop import Flag
from lifecycle.runtime._main import Backend, main_hook, refuse_to_run
from lifecycle.runtime._registration import Registration
from lifecycle.runtime._signals import EarlySignals
from lifecycle.runtime._state import State
from lifecycle.runtime._track import tracked

logger = logging.getLogger("lifecycle")

P = ParamSpec("P")
R = TypeVar("R")


class Lifecycle(Registration):
    """One life of one process: its hooks, its deadline, its state.

    Every setting is an argument, else the environment variable `LIFECYCLE_…` of the same name, else a default. All
    durations are seconds.

    Raises:
        SettingsError: A setting is malformed; the message names the argument or the variable.
        BudgetError: The durations do not fit into the grace period; the sum is in the message.
    """

    def __init__(
        self,
        *,
        grace_period: float | None = None,
        shutdown_delay: float | None = None,
        drain_timeout: float | None = None,
        startup_timeout: float | None = None,
        post_start_file: str | Path | None = None,
        post_start_timeout: float | None = None,
        post_start_fresh: bool | None = None,
        shutdown_token: str | None = None,
        allow: str | Iterable[str | Network] | None = None,
        report_file: str | Path | None = None,
    ) -> None:
        self.settings: Settings = read_settings(
            {
                "grace_period": grace_period,
                "shutdown_delay": shutdown_delay,
                "drain_timeout": drain_timeout,
                "startup_timeout": startup_timeout,
                "post_start_file": post_start_file,
                "post_start_timeout": post_start_timeout,
                "post_start_fresh": post_start_fresh,
                "shutdown_token": shutdown_token,
                "allow": allow,
                "report_file": report_file,
            },
            os.environ,
        )
        self.endpoints = Endpoints()
        """Where the middleware answers; set by the middleware."""
        super().__init__()
        self.server: object = None
        """A server that knows the lifecycle; else the middleware finds out which one runs it."""
        self._where = caller()
        self._early = EarlySignals()
        self._early.install()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.state = State()
        """What the resources yielded, by name."""
        self.stop_requested = Flag()
        """Set by the first request to stop: `.is_set()` in any thread, `await .wait()` in the event loop."""
        self._works = InFlight()
        self._engine: Engine | None = None

    def __repr__(self) -> str:
        return f"<Lifecycle {self.phase} created at {self._where}>"

    # How things stand.

    @property
    def _started(self) -> bool:
        return self._engine is not None

    @property
    def phase(self) -> Phase:
        """Where in its life the process is; STARTING before the start too."""
        return Phase.STARTING if self._engine is None else self._engine.record.phase

    @property
    def report(self) -> Report:
        """What happened so far; complete when its `exit_status` is set."""
        return (
            Report(granted=self.settings.grace_period)
            if self._engine is None
            else self._engine.record.report
        )

    @property
    def failure(self) -> BaseExceptionGroup[BaseException] | None:
        """Every error of the start, the hooks and the essential tasks, as one group; `None` if there was none."""
        return None if self._engine is None else self._engine.record.failure

    def remaining(self) -> float:
        """Seconds until the process must be gone. Before a stop is requested: what a stop would have in all."""
        return (
            self.settings.budget.deadline if self._engine is None else self._engine.purse.remaining
        )

    async def changes(self, *, from_start: bool = False) -> AsyncGenerator[PhaseChange, None]:
        """The changes of phase until the last one: from now on, or all of this life.

        Not for a `@life.task`: the drain waits for the task, and the task would wait for what comes after the drain.
        """
        engine = self._running("changes()")
        seen = 0 if from_start else len(engine.record.history)
        while True:
            changed = engine.record.changed
            while seen < len(engine.record.history):
                yield engine.record.history[seen]
                seen += 1
            if engine.promises.over:
                return
            await changed.wait()

    # Asking it to act.

    def request_stop(self, reason: str, exit_code: int = 0) -> None:
        """Ask for the stop, from any thread; a later call joins the first. A clean stop exits with `exit_code`.

        Raises:
            NotRunningError: There is nothing to stop.
            SettingsError: `exit_code` is not 0 to 255.
        """
        if type(exit_code) is not int or exit_code not in range(256):
            raise SettingsError(
                f"request_stop(exit_code={exit_code!r}): an exit status is a whole number, 0 to 255"
            )
        engine = self._running("request_stop()")
        engine.expect_end()
        engine.loop.call(
            functools.partial(engine.stop, str(reason), StopSource.CALL, exit_code=exit_code)
        )

    @contextmanager
    def in_flight(self, name: str) -> Iterator[None]:
        """Count the block as work in flight under `name`: a drain waits for it. In async code and threads alike."""
        work = self._works.begin(str(name))
        try:
            yield
        finally:
            self._works.end(work)

    def track(self, function: Callable[P, R]) -> Callable[P, R]:
        """Count every call of `function`, sync or async, as work in flight under the function's name."""
        return tracked(function, self.in_flight)

    def reset(self) -> None:
        """Forget a life that is over, so that the same hooks can be started again: for tests.

        Raises:
            AlreadyStartedError: It is still running.
        """
        if self._engine is not None and not self._engine.promises.over:
            raise AlreadyStartedError(f"{self!r} is still running: stop it before reset()")
        self._begin_anew()

    # Running.

    def serve(self, app: Any, *, workers: int = 1, **options: Any) -> int:
        """Serve an ASGI application, with uvicorn for HTTP and this lifecycle in charge of listening and leaving.

        `app` is the application or, for several `workers` and for `reload`, its name `"module:attribute"`. `options`
        are those of `uvicorn.Config` (`host`, `port`, `uds`, `fd`, `ssl_keyfile`, …). The middleware is put around the
        application unless it is there already. Returns the exit status: `sys.exit(life.serve(app))`.

        Raises:
            SettingsError: An option is not uvicorn's, or belongs to the lifecycle.
            AlreadyStartedError: This lifecycle has been started before.
        """
        from lifecycle import serve  # noqa: PLC0415 - the façade knows where the upper layers live; we do not

        return serve(self, app, workers=workers, **options)

    async def serve_async(self, app: Any, **options: Any) -> int:
        """As `serve`, one process, inside an asyncio event loop that runs already."""
        from lifecycle import serve_async  # noqa: PLC0415 - the façade knows where the upper layers live; we do not

        return await serve_async(self, app, **options)

    def run_by(self, server: object) -> None:
        """Name the server that is to leave when this lifecycle is over, where the middleware cannot find it."""
        self.server = server

    def heed(self, early: EarlySignals) -> None:
        """Take over what was noted before this lifecycle was made."""
        self._early = early

    def run(self, main: Callable[..., Any], *, backend: Backend = "asyncio") -> int:
        """Run `main`, a coroutine function that takes nothing or the lifecycle, through a whole life.

        Returns the exit status: `sys.exit(life.run(main))`. See `ExitStatus`.

        Raises:
            RegistrationError: `main` cannot be called so.
            AlreadyStartedError: This lifecycle has been started before, or an event loop runs here already.
            SettingsError: There is no such backend.
        """
        hook = main_hook(self, main, caller())
        refuse_to_run(hook, backend)
        with ExitStack() as afterwards:
            # The event loop's own end can hang as well: asyncio waits for the threads of its executor.
            anyio.run(
                functools.partial(self._run, hook, owns_process=True, later=afterwards.callback),
                backend=backend,
            )
        return self.report.exit_status or 0

    async def run_async(self, main: Callable[..., Any]) -> int:
        """As `run`, inside an event loop that runs already: for embedding and for tests.

        Signals are handled, in the main thread; the process itself is never ended.
        """
        await self._run(main_hook(self, main, caller()), owns_process=False)
        return self.report.exit_status or 0

    async def _run(self, main: Hook, **options: Any) -> None:
        async with Host(self, main=main, **options).open() as engine:
            await engine.over.wait()

    def _open(self, make: Callable[[], Engine]) -> Engine:
        if self._engine is not None:
            raise AlreadyStartedError(
                f"{self!r} has been started before: make a new Lifecycle for each start (an application factory),"
                " install its middleware once, or call reset() between tests"
            )
        self._engine = make()
        return self._engine

    def _running(self, what: str) -> Engine:
        if self._engine is None:
            raise NotRunningError(
                f"{what} needs a running lifecycle, and {self!r} has not been started: start it with life.run(main), or"
                " with the server that serves the middleware"
            )
        return self._engine
