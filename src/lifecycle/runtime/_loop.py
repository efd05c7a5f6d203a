"""The running event loop: its clock, and the way into it from a thread or a signal handler."""

import asyncio
import importlib
import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel


class Loop:
    """Made inside the loop it stands for. The clock is the loop's own, so that tests may run on a virtual one."""

    now: Callable[[], float]

    def __init__(self) -> None:
        native: Any = anyio.lowlevel.current_token().native_token
        self.native = native
        self.is_asyncio: bool = hasattr(native, "call_soon_threadsafe")
        # Not `anyio.current_time`: work in flight is timed in threads as well, where no loop runs.
        self.now = (
            _clock(native)
            if self.is_asyncio
            else _trio("trio.lowlevel").current_clock().current_time
        )
        self.cancel_scope: Callable[[], Any] = (
            anyio.CancelScope if self.is_asyncio else _trio("trio").CancelScope
        )
        """The backend's own, where it has one: anyio's, around that, costs half as much again."""
        self._post: Callable[[Callable[[], object]], object] = (
            native.call_soon_threadsafe if self.is_asyncio else native.run_sync_soon
        )
        self._thread = threading.get_ident()

    def call(self, function: Callable[[], object]) -> None:
        """Call `function` in the loop: at once from within a task, as soon as possible from elsewhere.

        Elsewhere is a thread, or a signal handler that has interrupted the loop's own sleep: it would sleep on.
        """
        if threading.get_ident() == self._thread and in_task():
            function()
            return
        try:
            self._post(function)
        except RuntimeError:
            # The loop is closed: nobody is left who waits for what the function would tell.
            return

    def call_soon(self, function: Callable[[], object]) -> None:
        """Call `function` in the loop, outside any task."""
        self._post(function)


def _clock(native: Any) -> Callable[[], float]:
    """`native.time`, or what that calls, if it is asyncio's own: each request asks it."""
    is_own = getattr(native.time, "__func__", None) is asyncio.BaseEventLoop.time
    return time.monotonic if is_own else native.time


def _trio(module: str) -> Any:
    return importlib.import_module(module)


def in_task() -> bool:
    """Whether a task of an event loop runs in this thread just now."""
    try:
        anyio.get_current_task()
    except (RuntimeError, AttributeError):
        # No loop runs in this thread; or it runs no task just now (asyncio).
        return False
    return True


class Flag:
    """An event that can be made before there is a loop, and set from any thread."""

    def __init__(self) -> None:
        self._set = False
        self._loop: Loop | None = None
        self._event: anyio.Event | None = None

    def set(self, loop: Loop | None = None) -> None:
        self._set = True
        if self._event is not None:
            (loop or self._loop or _Nowhere).call(self._event.set)

    def is_set(self) -> bool:
        return self._set

    async def wait(self) -> None:
        """Return as soon as the flag is set."""
        if self._set:
            await anyio.lowlevel.checkpoint()
            return
        if self._event is None:
            self._loop, self._event = Loop(), anyio.Event()
        await self._event.wait()


class _Nowhere:
    @staticmethod
    def call(function: Callable[[], object]) -> None:
        function()
