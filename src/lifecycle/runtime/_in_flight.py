"""What is being worked on right now, by name and age."""

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, Protocol

import anyio

from lifecycle.core import Abandoned
from lifecycle.runtime._loop import Loop

Scope = MutableMapping[str, Any]


class Cancellable(Protocol):
    """What a request can be cut off by: its task (asyncio), or a cancel scope around it (trio)."""

    def cancel(self) -> object: ...


class Work:
    """One piece of work in flight. Its name is made when somebody asks for it: most work ends unnamed."""

    __slots__ = ("began", "cancel", "cut", "label")

    def __init__(
        self, label: str | Scope, began: float, cancel: Callable[[], object] | None = None
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
        self.requests: dict[Cancellable, tuple[Scope, float]] = {}
        """Requests: by what would cancel each, its ASGI scope and when it began. The middleware keeps this by itself:
        an object for each of them, and a call each way, would cost more than all the rest that it does."""
        self.works: set[Work] = set()
        """All other work, and the requests that were cut off."""
        self.cut: dict[Cancellable, Work] = {}
        """The requests that were cut off and go on."""
        self.finished = 0
        self.refused = 0
        self.loop: Loop | None = None
        self.now: Callable[[], float] = _zero
        self.waiter: anyio.Event | None = None
        """Somebody waits for the end of the last work; who ends a request has to `wake` them then."""

    def __len__(self) -> int:
        return len(self.requests) + len(self.works)

    def __iter__(self) -> Iterator[Work]:
        yield from list(self.works)
        for cancellable, (scope, began) in list(self.requests.items()):
            yield Work(scope, began, cancellable.cancel)

    def bind(self, loop: Loop) -> None:
        """Use the clock of the loop that runs now."""
        self.loop = loop
        self.now = loop.now

    def begin(self, label: str | Scope) -> Work:
        work = Work(label, self.now())
        self.works.add(work)
        return work

    def end(self, work: Work, *, counted: bool = True) -> None:
        """Count `work` as finished, unless it was cut off; wake who waits for the last one."""
        self.works.discard(work)
        if counted and not work.cut:
            self.finished += 1
        if self.waiter is not None:
            self.wake()

    def end_cut(self, cancellable: Cancellable) -> None:
        """A request that was cut off has come to its end, if anybody still waits for it."""
        work = self.cut.pop(cancellable, None)
        if work is not None:
            self.end(work)

    async def wait_until_idle(self) -> None:
        """Return as soon as nothing is in flight: told by the last one, not by looking."""
        while len(self):
            self.waiter = anyio.Event()
            try:
                if len(
                    self
                ):  # The last one may have ended in a thread between the two lines above.
                    await self.waiter.wait()
            finally:
                self.waiter = None

    def abandon(self) -> list[Abandoned]:
        """Cut off all that is left, oldest first, and say what it was."""
        now = self.now()
        for cancellable, (scope, began) in self.requests.items():
            self.cut[cancellable] = Work(scope, began, cancellable.cancel)
        self.works.update(self.cut.values())
        self.requests.clear()
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
        self.cut.clear()
        return left

    def wake(self) -> None:
        """Tell who waits, if that was the last."""
        waiter, loop = self.waiter, self.loop
        if waiter is not None and loop is not None and not len(self):
            loop.call(waiter.set)


def _zero() -> float:
    return 0.0
