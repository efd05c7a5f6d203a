"""A life that is lived inside a test, on the test's own event loop and its clock; the platform's part is played."""

import dataclasses
import math
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import anyio

from lifecycle.core import (
    NotRunningError,
    Phase,
    Report,
    SettingsError,
    StopSource,
    caller,
    divide,
)
from lifecycle.runtime import Engine, Host, Lifecycle, SignalRelay, main_hook

LEAST_STOP: Final = 2.0
"""Seconds between SIGTERM and SIGKILL that the kubelet always grants, however long preStop took."""


class Running:
    """A life under way. `running` makes one."""

    def __init__(self, life: Lifecycle) -> None:
        self.life = life
        self._trigger: Path | None = None

    @property
    def phase(self) -> Phase:
        return self.life.phase

    @property
    def report(self) -> Report:
        """What happened so far; complete when its `exit_status` is set."""
        return self.life.report

    @property
    def is_over(self) -> bool:
        return self._engine.over.is_set()

    @property
    def _engine(self) -> Engine:
        engine = engine_of(self.life)
        if engine is None:
            raise NotRunningError(f"{self.life!r} has not been started")
        return engine

    # What the platform does.

    async def post_start(self, message: str = "") -> None:
        """The postStart hook: write the trigger file, in one piece, and wait for READY.

        Raises:
            SettingsError: The life waits for no file.
            AssertionError: The start failed.
        """
        path = self.life.settings.post_start_file
        if path is None:
            raise SettingsError(
                "post_start(): this life waits for no trigger file: set post_start_file (LIFECYCLE_POST_START_FILE)"
            )
        part = path.with_name(f".{path.name}.{os.getpid()}")
        part.write_text(message, encoding="utf-8")
        part.replace(path)
        self._trigger = path
        await self.ready()

    async def ready(self) -> None:
        """Wait for READY.

        Raises:
            AssertionError: The life ended before; the report is in the message.
        """
        await self._engine.settled.wait()
        if not self._engine.ready.is_set():
            await self._engine.over.wait()
            raise AssertionError(f"it never became ready\n{self.report}")

    async def reached(self, phase: Phase) -> None:
        """Wait until this phase has begun.

        Raises:
            AssertionError: The life was over without it; the report is in the message.
        """
        if phase is Phase.STARTING:
            return
        async with aclosing(self.life.changes(from_start=True)) as changes:
            async for change in changes:
                if change.after is phase:
                    return
        raise AssertionError(f"it was never {phase}\n{self.report}")

    def signal(self, number: int) -> None:
        """Send this process a signal, for the life to hear; one that is over hears nothing any more.

        Raises:
            NotRunningError: The life could not take the signals over, so that this one would end the test run.
        """
        if self.is_over:
            return
        if not isinstance(getattr(signal.getsignal(number), "__self__", None), SignalRelay):
            raise NotRunningError(
                f"{signal.Signals(number).name} is not this life's: it takes signals over in the main thread only, and"
                " those alone that stop it or have an on_signal hook. Call life.request_stop(reason) in its place"
            )
        signal.raise_signal(number)

    async def sigterm(self) -> Report:
        """SIGTERM alone: a rollout of a pod without preStop hook. Waits for the end.

        Raises:
            AssertionError: It would have been killed.
        """
        return await self._stop(None)

    async def delete(self) -> Report:
        """`kubectl delete pod`: the preStop hook where there is one, then SIGTERM. Waits for the end.

        Raises:
            AssertionError: It would have been killed, because it went on when the grace period was over.
        """
        return await self._stop(self._pre_stop())

    def _pre_stop(self) -> Callable[[], Awaitable[object]] | None:
        return None

    async def _stop(self, hook: Callable[[], Awaitable[object]] | None) -> Report:
        grace = self.life.settings.grace_period
        began = anyio.current_time()
        if hook is not None:
            with anyio.move_on_after(grace):
                await hook()
        # The kubelet counts the hook's time in whole seconds.
        left = max(LEAST_STOP, grace - math.floor(anyio.current_time() - began))
        self.signal(signal.SIGTERM)
        with anyio.move_on_after(left):
            await self._engine.over.wait()
            return self.report
        seconds = anyio.current_time() - began
        raise AssertionError(
            f"SIGKILL: {seconds:g} s after the stop began it was still {self.phase}, and the grace period is {grace:g} s."
            f" A hook or a task does not heed its cancellation, perhaps.\n{self.report}"
        )

    def forget_trigger(self) -> None:
        """The file goes with the pod: the next test's life shall not find it."""
        if self._trigger is not None:
            self._trigger.unlink(missing_ok=True)


async def _until_stopped(life: Lifecycle) -> None:
    await life.stop_requested.wait()


@asynccontextmanager
async def running(
    life: Lifecycle, main: Callable[..., Any] = _until_stopped, *, wait: bool = True
) -> AsyncIterator[Running]:
    """A life without HTTP, as `life.run(main)` lives it; without `main` it does nothing until it is stopped.

    The block begins when the life is READY; with `wait=False` at once, to look at the start. Leaving the block stops a
    life that still runs. Neither is this process ended, nor a report written unless `report_file` is set. A life that is
    over already, because another test has lived it, is reset.
    """
    renew(life)
    hook = main_hook(life, main, caller())
    host = Host(life, owns_process=False, main=hook)
    _spare_termination_log(life, host)
    play = Running(life)
    failure: Exception | None = None
    try:
        async with host.open():
            try:
                if wait and life.settings.post_start_file is None:
                    await play.ready()
                yield play
            except Exception as error:  # noqa: BLE001 - raised again below, where no task group wraps it
                failure = error
                host.engine.force("the test failed", StopSource.CALL)
    finally:
        play.forget_trigger()
    if failure is not None:
        raise failure


def renew(life: Lifecycle) -> None:
    """Forget an earlier test's life."""
    if engine_of(life) is not None:
        life.reset()


def engine_of(life: Lifecycle) -> Engine | None:
    return life._engine  # noqa: SLF001 - tests of lives are a part of the library


def _spare_termination_log(life: Lifecycle, host: Host) -> None:
    if life.settings.report_file is None:
        # Tests may run in a pod as well: its termination message is not theirs.
        host.path = None


@contextmanager
def as_in_a_pod(life: Lifecycle, *, in_kubernetes: bool = True) -> Iterator[None]:
    """Settings as Kubernetes would make them, wherever the test runs: there is a lame duck, for routers to forget us."""
    before = life.settings
    budget = divide(
        grace=before.grace_period,
        delay=before.shutdown_delay,
        drain=before.drain_timeout,
        in_kubernetes=in_kubernetes,
    )
    life.settings = dataclasses.replace(before, in_kubernetes=in_kubernetes, budget=budget)
    try:
        yield
    finally:
        life.settings = before
