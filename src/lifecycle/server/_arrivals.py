"""Who still sends us new connections? The lame duck ends when their silence proves that the routers have let go.

Silence is evidence only against what was heard before: with λ new connections a second, none for t seconds happens by
chance with probability e^(-λt). A process that gets a request every three seconds proves nothing by being quiet for
two, and waits its whole delay; one that gets a hundred a second has proved it after a sixth of a second. Traffic that
comes in bursts is not that regular: silence must also outlast the longest that was seen before the stop, twice over.
"""

import logging
import math
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import pairwise
from typing import Any, Final

import anyio

logger = logging.getLogger("lifecycle")

CHANCE: Final = 1e-4
"""The risk, at each stop, of taking chance for silence."""
WINDOW: Final = 60.0
"""Seconds before the stop that count as its past: long enough for a burst a minute, short enough to be about now."""
BUCKET: Final = 0.1
"""Seconds: arrivals are counted in buckets, so that memory does not grow with traffic."""
LEAST: Final = 0.5
"""Seconds of lame duck at least: the notice itself needs a moment on its way to the routers."""
GAP_FACTOR: Final = 2.0


class Arrivals:
    """New connections with a request for the application; probes and hooks do not count. Times are the loop's."""

    def __init__(self, now: Callable[[], float], exempt: Iterable[str | None] = ()) -> None:
        self._now = now
        self._began = now()
        self._exempt = frozenset(exempt)
        self._buckets: deque[list[float]] = deque()
        self.last = self._began
        self.noted: Callable[[], object] = lambda: None
        """Called for each of them."""

    @classmethod
    def of_all(cls, pasts: Collection[Mapping[str, Any]]) -> "Arrivals":
        """Those of several processes, as one: `pasts` are what each of them answers as `past`.

        The kernel hands a connection to whichever process it likes: the silence of one says nothing about routers.
        """
        together = cls(lambda: 0.0)
        counts: Counter[float] = Counter()
        for past in pasts:
            counts.update(dict(past["buckets"]))
        together._buckets.extend([bucket, counts[bucket]] for bucket in sorted(counts))
        together._began = min(past["began"] for past in pasts)
        together.last = max(past["last"] for past in pasts)
        return together

    def past(self) -> dict[str, Any]:
        """What another process needs to know, which has the same clock."""
        return {"began": self._began, "last": self.last, "buckets": list(self._buckets)}

    def note(self, path: str = "") -> bool:
        """The first request of a new connection, for `path`. False: it says nothing about routers."""
        if path in self._exempt:
            return False
        now = self.last = self._now()
        self.noted()
        bucket = math.floor(now / BUCKET)
        if self._buckets and self._buckets[-1][0] == bucket:
            self._buckets[-1][1] += 1
            return True
        self._buckets.append([bucket, 1])
        while self._buckets[0][0] < bucket - WINDOW / BUCKET:
            self._buckets.popleft()
        return True

    async def wait_for_silence(self, within: float) -> None:
        """From now on, the moment of the stop, until nobody has come for long enough; for ever, if nothing proves that."""
        stopped_at = self._now()
        needed = self.silence_needed(stopped_at, within)
        logger.debug("silence needed", extra={"seconds": needed})
        if math.isinf(needed):
            await anyio.sleep_forever()
        while (moment := self.silent_at(stopped_at, needed)) > self._now():  # noqa: ASYNC110 - every arrival moves it
            await anyio.sleep(moment - self._now())

    def silence_needed(self, stopped_at: float, within: float) -> float:
        """Seconds without an arrival that prove that the routers have let go; infinite where nothing would.

        `within` are the seconds of the whole delay: the more pauses it has room for, the longer one of them is by chance.
        """
        past = [(bucket, count) for bucket, count in self._buckets if bucket * BUCKET <= stopped_at]
        observed = min(WINDOW, stopped_at - self._began)
        if not past or observed <= 0:
            return math.inf
        rate = sum(count for _, count in past) / observed
        edges = [stopped_at - observed, *(bucket * BUCKET for bucket, _ in past), stopped_at]
        longest = max(after - before for before, after in pairwise(edges))
        pauses = max(1.0, rate * within)
        return max(math.log(pauses / CHANCE) / rate, GAP_FACTOR * longest)

    def silent_at(self, stopped_at: float, needed: float) -> float:
        """The moment at which the silence is long enough, if nobody comes until then."""
        return max(stopped_at + LEAST, max(self.last, stopped_at) + needed)
