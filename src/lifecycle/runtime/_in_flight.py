"""What is being worked on right now, by name and age."""

from collections.abc import Callable
from typing import Any

import anyio

from lifecycle.core import Abandoned
from lifecycle.runtime._loop import Loop


class Work:
    """One piece of work in flight. Its name is made when somebody asks for it: most work ends unnamed."""

    __slots__ = ("began", "cancel", "cut", "label")

    def __init__(
        self, label: Any, began: float, cancel: Callable[[], object] | None = None
    ) -> None:
        self.label = label
        """A name, or the ASGI scope to make it from."""
        self.began = began
        self.cancel = cancel
        self.cut = False
        """It was cut off: its budget ran out."""

    @property
    def name(self) -> str:
        if isinstance(self.label, str):
            return self.label
        scope = self.label
        return f"{scope.get('method', scope['type'].upper())} {scope['path']}"


class InFlight:
    """The register of work in flight. Adding and removing is safe in any thread; waiting is for the loop."""

    def __init__(self) -> None:
        self.works: set[Work] = set()
        self.finished = 0
        self.refused = 0
        self.loop: Loop | None = None
        self.now: Callable[[], float] = _zero
        self._waiter: anyio.Event | None = None

    def __len__(self) -> int:
        return len(self.works)

    def bind(self, loop: Loop) -> None:
        """Use the clock of the loop that runs now."""
        self.loop = loop
        self.now = loop.now

    def begin(self, name: str) -> Work:
        work = Work(name, self.now())
        self.works.add(work)
        return work

    def end(self, work: Work, *, counted: bool = True) -> None:
        """Count `work` as finished, unless it was cut off; wake who waits for the last one."""
        self.works.discard(work)
        if counted and not work.cut:
            self.finished += 1
        if self._waiter is not None and not self.works:
            self._wake()

    async def wait_until_idle(self) -> None:
        """Return as soon as nothing is in flight: told by the last one, not by looking."""
        while self.works:
            self._waiter = anyio.Event()
            try:
                if (
                    self.works
                ):  # The last one may have ended in a thread between the two lines above.
                    await self._waiter.wait()
            finally:
                self._waiter = None

    def abandon(self) -> list[Abandoned]:
        """Cut off all that is left, oldest first, and say what it was."""
        now = self.now()
        left = sorted(self.works, key=lambda work: work.began)
        for work in left:
            work.cut = True
            if work.cancel is not None:
                work.cancel()
        return [Abandoned(work.name, now - work.began) for work in left]

    def forget(self) -> list[Work]:
        """Stop waiting for what was cut off and goes on all the same."""
        left = list(self.works)
        self.works.clear()
        return left

    def _wake(self) -> None:
        waiter, loop = self._waiter, self.loop
        if waiter is not None and loop is not None:
            loop.call(waiter.set)


def _zero() -> float:
    return 0.0
