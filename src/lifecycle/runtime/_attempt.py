"""One hook being run: in a task of its own, so that one that ignores its cancellation costs nobody else their turn."""

import asyncio
import inspect
import math
from collections.abc import AsyncIterator, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from typing import Any, Final

import anyio
import anyio.to_thread

from lifecycle.core import Hook, HookRecord, HookTimeoutError
from lifecycle.runtime._loop import Loop

PATIENCE: Final = 0.5
"""Seconds that cancelled code gets for its own cleaning up, before it is left behind as stuck."""


class Attempt:
    """A hook in its task. `done` is set when the task has left the hook's code, however that came about."""

    def __init__(self, hook: Hook, argument: object = None) -> None:
        self.hook = hook
        self.error: BaseException | None = None
        self.value: Any = None
        self.done = anyio.Event()
        self.cancelled = False
        self._thread_runs = False
        self._thread_awaited = False
        self._stage = hook.kind.value
        self._argument = argument
        self._loop = Loop()
        self._scope = anyio.CancelScope()
        self._began = self._loop.now()
        self._ended: float | None = None

    async def run(self) -> None:
        """The task's whole life."""
        self._began = self._loop.now()
        try:
            with self._scope:
                await self._body()
        except anyio.get_cancelled_exc_class() as error:
            if not self._is_cancelled():
                # asyncio: it awaited a task that somebody cancelled. Let out, it would look like our own cancellation.
                self.error = RuntimeError(
                    f"{self.hook} awaited something that was cancelled, and let its CancelledError out"
                )
                self.error.__cause__ = error
                return
            self.cancelled = True
            raise
        except BaseException as error:  # noqa: BLE001 - a SystemExit of one hook must not cost the others their turn
            self.error = error
        finally:
            self.cancelled = self.cancelled or self._scope.cancelled_caught
            self._ended = self._loop.now()
            self.done.set()

    def _is_cancelled(self) -> bool:
        """Whether this task has really been cancelled, by us or by the event loop at its end."""
        if not self._loop.is_asyncio or anyio.current_effective_deadline() == -math.inf:
            return True
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0

    async def _body(self) -> None:
        self.value = await self._call()

    async def _call(self) -> Any:
        arguments = (self._argument,) if self.hook.takes_argument else ()
        if self.hook.is_async:
            return await self.hook.function(*arguments)
        result = await self._in_thread(self.hook.function, *arguments)
        # A lambda around a coroutine function looks like a plain function until it is called.
        return await result if inspect.isawaitable(result) else result

    async def _in_thread(self, function: Callable[..., Any], *arguments: object) -> Any:
        # Whoever takes the ticket first, the thread or the cancellation, decides whether the function is called.
        ticket = [None]

        def body() -> list[Any]:
            try:
                ticket.pop()
            except IndexError:
                return []
            try:
                # In a list: trio refuses a coroutine that comes out of a thread by itself.
                return [function(*arguments)]
            finally:
                self._thread_runs = False

        self._thread_runs = self._thread_awaited = True
        try:
            # A limiter of its own: threads of the application that hang must not use up those of the hooks.
            (result,) = await anyio.to_thread.run_sync(
                body, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1)
            )
            return result
        finally:
            self._thread_awaited = False
            with suppress(IndexError):
                ticket.pop()
                self._thread_runs = False

    @property
    def seconds(self) -> float:
        ended = self._ended
        return (self._loop.now() if ended is None else ended) - self._began

    @property
    def in_thread(self) -> bool:
        """A worker thread is in the hook's code, or its result is on the way: it cannot be cancelled, only left behind."""
        return self._thread_runs or self._thread_awaited

    @property
    def gone(self) -> bool:
        """Nothing of it runs any more, not in a thread either."""
        return self.done.is_set() and not self.in_thread

    def cancel(self) -> None:
        self._scope.cancel()

    async def settle(self, allowance: float | None, patience: float = PATIENCE) -> HookRecord:
        """Wait for the end, at most `allowance` seconds; then cancel, and wait for `patience` more."""
        return await self._settle(self.done, allowance, patience)

    async def _settle(
        self, milestone: anyio.Event, allowance: float | None, patience: float
    ) -> HookRecord:
        with anyio.move_on_after(allowance):
            await milestone.wait()
        if milestone.is_set():
            return self.record()
        await self.cut(patience)
        if self.error is None:
            given = f"{allowance:.3g} s" if allowance is not None else "the start"
            self.error = HookTimeoutError(
                f"{self.hook} took longer than the {given} it was given: make it faster, or give it more with timeout="
            )
        return self.record("timed out")

    async def cut(self, patience: float = PATIENCE) -> HookRecord:
        """Cancel, and wait for the hook's own cleaning up."""
        self._scope.cancel()
        with anyio.move_on_after(patience, shield=True):
            await self.done.wait()
        return self.record()

    def record(self, outcome: str | None = None) -> HookRecord:
        """What to report of it; `outcome` unless its own end tells."""
        if self._scope.cancel_called and (self.in_thread or not self.done.is_set()):
            outcome = "stuck"
        elif outcome is None:
            outcome = "failed" if self.error else "cut short" if self.cancelled else "ok"
        hook, error = self.hook, self.error
        text = None if error is None else f"{type(error).__name__}: {error}"
        return HookRecord(self._stage, hook.name, hook.where, outcome, self.seconds, text)


class Resource(Attempt):
    """A resource: entered and left in the same task, since task groups and cancel scopes must be."""

    def __init__(self, hook: Hook) -> None:
        super().__init__(hook)
        self.entered = anyio.Event()
        """It is there, or never will be."""
        self.there = False
        self._leave = anyio.Event()

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            self.entered.set()

    async def _body(self) -> None:
        async with self._manager() as self.value:
            self._ended = self._loop.now()
            self.there = True
            self.entered.set()
            await self._leave.wait()

    async def enter(self, allowance: float | None) -> HookRecord:
        """Wait until the resource is there."""
        return await self._settle(self.entered, allowance, PATIENCE)

    @property
    def leaving(self) -> bool:
        """It has been told to go."""
        return self._leave.is_set()

    def leave(self) -> None:
        """Tell the resource to go; `settle` waits until it is gone."""
        if not self.done.is_set():
            self._began, self._ended = self._loop.now(), None
            self._stage = "resource.close"
        self._leave.set()

    def _manager(self) -> AbstractAsyncContextManager[Any]:
        """The context manager that the function stands for, whichever of the usual forms it has."""
        function = self.hook.function
        if inspect.isasyncgenfunction(function):
            return asynccontextmanager(function)()
        if inspect.isgeneratorfunction(function):
            return self._threaded(contextmanager(function)())
        return self._made()

    @asynccontextmanager
    async def _made(self) -> AsyncIterator[Any]:
        made = await self._call()
        if isinstance(made, AbstractAsyncContextManager):
            async with made as value:  # pyright: ignore[reportUnknownVariableType] - what the user passed is of any type
                yield value
        elif isinstance(made, AbstractContextManager):
            async with self._threaded(made) as value:  # pyright: ignore[reportUnknownArgumentType] - what the user passed is of any type
                yield value
        else:
            raise TypeError(
                f"{self.hook} returned {type(made).__name__}: a resource is a generator function that yields once, or"
                " a function that returns a context manager"
            )

    @asynccontextmanager
    async def _threaded(self, context: AbstractContextManager[Any]) -> AsyncIterator[Any]:
        value = await self._in_thread(context.__enter__)
        try:
            yield value
        except BaseException as error:
            if not await self._in_thread(context.__exit__, type(error), error, error.__traceback__):
                raise
        else:
            await self._in_thread(context.__exit__, None, None, None)
