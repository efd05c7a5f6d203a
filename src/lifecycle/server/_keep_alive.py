"""What a connection of uvicorn's asks of its loop, at less cost: a task for a request, a timer for a silence."""

import asyncio
import functools
from collections.abc import Callable
from typing import Any, Final

TASK_NAME: Final = "request"


class KeepAlive:
    """In the place of the loop, for one connection of uvicorn's: the timeout of its silences, in one timer.

    uvicorn starts a timer after each answer, and cancels it at the next byte. To note when the silence would be too long
    costs less than a timer, and tells who has begun a request: a server of ours asks nothing else of what comes.
    """

    __slots__ = ("_callback", "_due", "_loop", "_timer", "create_task", "silent", "time")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._callback: Callable[[], object] | None = None
        self.create_task = _task_maker(loop)
        self.time = loop.time
        self.silent = True
        """Nothing has come since the connection was made, or since the last answer."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def call_later(self, delay: float, callback: Callable[[], object]) -> "KeepAlive":
        """A silence begins: `callback` if it lasts for `delay` seconds. To be cancelled as any timer."""
        self.silent = True
        self._due = self.time() + delay
        if self._timer is None:
            self._callback = callback
            self._timer = self._loop.call_later(delay, self._look)
        return self

    def cancel(self) -> None:
        """The silence is over."""
        self.silent = False

    def stop(self) -> None:
        """The connection is over."""
        self._callback = None
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        if not self.silent or self._callback is None:
            return
        left = self._due - self.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._callback()


def _task_maker(loop: asyncio.AbstractEventLoop) -> Callable[..., Any]:
    """`loop.create_task`, or what that comes down to where nobody has changed it: a number in each name costs time."""
    if loop.get_task_factory() is not None or loop.get_debug():
        return loop.create_task
    return functools.partial(asyncio.Task, loop=loop, name=TASK_NAME)
