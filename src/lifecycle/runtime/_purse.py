"""The one deadline while it runs: who is waiting, until when, and what cuts every wait short."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio

from lifecycle.core import HOOKS_RESERVE, Budget
from lifecycle.runtime._loop import Loop

REPORT_SLACK = 0.2
"""Seconds of the hooks' reserve for writing the report before the watchdog's deadline."""
FORCED_SLICE = 1.0
"""Seconds for all shutdown hooks together, once somebody has forced the stop."""


class Purse:
    """Opened by the first request to stop, never again. All moments are on the loop's clock."""

    def __init__(self, budget: Budget, loop: Loop, opened: Callable[[float], object]) -> None:
        self.budget = budget
        self.delay = budget.delay
        """What the lame duck really gets: nothing where no router has to forget us."""
        self.forced = anyio.Event()
        self._loop = loop
        self._tell = opened
        self._opened: float | None = None
        self._slice_ends: float | None = None
        self._waits: set[anyio.CancelScope] = set()

    def open(self, *, late: float = 0.0) -> None:
        """Begin to count, `late` seconds ago."""
        if self._opened is None:
            self._opened = self._loop.now() - late
            self._tell(self.budget.deadline - late)

    @property
    def opened(self) -> float:
        return self._loop.now() if self._opened is None else self._opened

    @property
    def used(self) -> float:
        return self._loop.now() - self.opened

    @property
    def remaining(self) -> float:
        """Seconds until the process must be gone; before a stop, what a stop would have."""
        return max(0.0, self.opened + self.budget.deadline - self._loop.now())

    def routes_withdrawn_at(self) -> float:
        return self.opened + self.delay

    def pre_stop_ends_at(self) -> float:
        if self.forced.is_set():
            return self._loop.now()
        # A hook that hangs may cost half of what a drain could take, not all of it. However short the drain itself is
        # to be: whoever sets it to nothing still wants the queue to be left.
        longest = self.budget.deadline - self.budget.delay - HOOKS_RESERVE
        return self.opened + self.delay + longest / 2

    def drain_ends_at(self, drain_timeout: float | None) -> float:
        latest = self.opened + self.budget.deadline - HOOKS_RESERVE
        return latest if drain_timeout is None else min(latest, self._loop.now() + drain_timeout)

    def hooks_end_at(self) -> float:
        latest = self.opened + self.budget.deadline - REPORT_SLACK
        if not self.forced.is_set():
            return latest
        if self._slice_ends is None:
            self._slice_ends = self._loop.now() + FORCED_SLICE
        return min(latest, self._slice_ends)

    def force(self) -> None:
        """Cut every wait short that is under way or will come."""
        self.forced.set()
        for scope in tuple(self._waits):
            scope.cancel()

    @contextmanager
    def until(self, moment: float) -> Iterator[None]:
        """Leave the block at `moment` at the latest, at once if the stop is forced."""
        with anyio.CancelScope(deadline=moment) as scope:
            self._waits.add(scope)
            if self.forced.is_set():
                scope.cancel()
            try:
                yield
            finally:
                self._waits.discard(scope)
