"""The virtual clock's part that needs trio: imported where trio runs, and nowhere else."""

import trio.lowlevel
import trio.testing


class TrioFlow:
    """Counts the reasons to flow of one `MockClock`, whose rate is one figure."""

    def __init__(self, clock: trio.testing.MockClock) -> None:
        self._clock = clock
        self._flows = 0

    def flow(self, *, more: bool) -> None:
        """Start, or end, one of the reasons to flow."""
        self._flows += 1 if more else -1
        self._clock.rate = 1.0 if self._flows else 0.0
        self._clock.autojump_threshold = float("inf") if self._flows else 0.0


_flow: trio.lowlevel.RunVar[TrioFlow] = trio.lowlevel.RunVar("flow")


def make_clock() -> trio.testing.MockClock:
    return trio.testing.MockClock(autojump_threshold=0)


def current_flow() -> TrioFlow | None:
    """Of the running task's clock; None where time is real."""
    clock = trio.lowlevel.current_clock()
    if not isinstance(clock, trio.testing.MockClock):
        return None
    try:
        return _flow.get()
    except LookupError:
        flow = TrioFlow(clock)
        _flow.set(flow)
        return flow
