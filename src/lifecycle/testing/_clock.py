"""A clock that jumps: a sleep of 30 s takes microseconds, on asyncio and on trio.

Time stands still while anything can run. When nothing can, it jumps to the next deadline. That would be wrong while a
worker thread is at work, or another process: what they do takes real time, and a timeout around it would fire before
they had a chance. So there are stretches in which time **flows** as on the wall:

* by itself, while a task waits for a worker thread (`anyio.to_thread`, `loop.run_in_executor`);
* on request, in `with flowing():` around what waits for a socket or a process.

trio brings such a clock, `MockClock`; here is the one for asyncio, and what makes both flow.
"""

import asyncio
import functools
import importlib
import selectors
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar, TypeVarTuple

import anyio
import anyio.lowlevel

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

PATIENCE = 20.0
"""Seconds of real time without any event, and without any deadline, after which a test is taken for hung."""


class Flow(Protocol):
    """What can be made to flow."""

    def flow(self, *, more: bool) -> None:
        """Start, or end, one of the reasons to flow."""


class VirtualClock:
    """Reads like `time.monotonic`, and stands still unless it is told to jump or to flow."""

    def __init__(self) -> None:
        self._now = 0.0
        self._flowing_since: float | None = None
        self._flows = 0

    def time(self) -> float:
        if self._flowing_since is None:
            return self._now
        return self._now + time.monotonic() - self._flowing_since

    def jump(self, seconds: float) -> None:
        self._now += seconds

    @property
    def flows(self) -> bool:
        return self._flows > 0

    def flow(self, *, more: bool) -> None:
        """Start, or end, one of the reasons to flow."""
        self._now = self.time()
        self._flows += 1 if more else -1
        self._flowing_since = time.monotonic() if self._flows else None


class VirtualSelector(selectors.DefaultSelector):
    """Advances the clock instead of sleeping; what is ready already comes first."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            # No deadline at all: only a thread, a signal or a descriptor can go on from here.
            if events := super().select(PATIENCE):
                return events
            raise RuntimeError(f"Hung: nothing is scheduled, and nothing came for {PATIENCE:g} s")
        if timeout <= 0 or self._clock.flows:
            return super().select(timeout)
        if events := super().select(0):
            return events
        self._clock.jump(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on a virtual clock, fresh with every loop."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        super().__init__(VirtualSelector(self.clock))

    def time(self) -> float:
        return self.clock.time()

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], Any], *args: *Ts
    ) -> asyncio.Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        self.clock.flow(more=True)
        future.add_done_callback(lambda _: self.clock.flow(more=False))
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's signature
        # From Python 3.12 on it is given 300 s for its threads to end: a jump would use them up at once.
        with flowing():
            if sys.version_info >= (3, 12):
                await super().shutdown_default_executor(timeout)
            else:
                await super().shutdown_default_executor()


def _current_clock() -> Flow | None:
    """The virtual clock under the running task, or None where time is real."""
    loop: Any = anyio.lowlevel.current_token().native_token
    if isinstance(loop, VirtualLoop):
        return loop.clock
    if hasattr(loop, "call_soon_threadsafe"):
        return None
    flow: Flow | None = importlib.import_module("lifecycle.testing._trio").current_flow()
    return flow


@contextmanager
def flowing() -> Iterator[None]:
    """Let time pass as on the wall: for what waits for a socket, a process or a thread of one's own."""
    clock = _current_clock()
    if clock is None:
        yield
        return
    clock.flow(more=True)
    try:
        yield
    finally:
        clock.flow(more=False)


def on_virtual_clock(backend: str = "asyncio") -> tuple[str, dict[str, Any]]:
    """A backend whose clock jumps, as the fixture `anyio_backend` of anyio's pytest plugin wants it; fresh each time."""
    _let_time_flow_during_threads(backend)
    if backend == "asyncio":
        return backend, {"loop_factory": VirtualLoop}
    return backend, {"clock": importlib.import_module("lifecycle.testing._trio").make_clock()}


def run_virtual(function: Callable[[*Ts], Awaitable[R]], *args: *Ts, backend: str = "asyncio") -> R:
    """As `anyio.run`, on a virtual clock: for tests without pytest."""
    name, options = on_virtual_clock(backend)
    return anyio.run(function, *args, backend=name, backend_options=options)


@functools.cache
def _let_time_flow_during_threads(backend: str) -> None:
    """Make time flow while a task waits in `anyio.to_thread.run_sync`; where the clock is real, nothing changes.

    The backend's method is what is wrapped: the function itself is imported by name, here and there, before any test.
    """
    # There is no public way to a backend's class.
    cls: Any = importlib.import_module("anyio._core._eventloop").get_async_backend(backend)
    original = cls.run_sync_in_worker_thread

    async def run_sync_in_worker_thread(*args: Any, **kwargs: Any) -> Any:
        with flowing():
            return await original(*args, **kwargs)

    cls.run_sync_in_worker_thread = run_sync_in_worker_thread
