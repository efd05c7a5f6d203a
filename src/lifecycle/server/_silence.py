"""When all workers stop: have the routers let go? Only all of them together can tell.

They listen on one port, and the kernel hands a connection to whichever it likes: one of them may hear nobody for seconds
while another one serves everybody. And none may begin to refuse while another still serves: it would get its share.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import anyio

from lifecycle.server._arrivals import Arrivals
from lifecycle.server._child import Worker

POLL: Final = 0.1
"""Seconds between two looks, while not all workers have said that they are stopping, or one may have died."""


async def announce_silence(workers: Sequence[Worker]) -> None:
    """Tell all `workers`, a list that changes, as soon as silence proves that nobody sends them anything any more."""
    while True:
        moment = silent_at([worker.stopped for worker in workers if _counts(worker)])
        now = anyio.current_time()
        if moment <= now:
            break
        await anyio.sleep(min(POLL, moment - now))
    for worker in list(workers):
        await worker.channel.tell(silence=True)


def silent_at(stops: Sequence[dict[str, Any] | None]) -> float:
    """The moment at which the silence is long enough, if nobody comes until then; infinite while it is not known."""
    known = [stop for stop in stops if stop is not None]
    if not known or len(known) < len(stops):
        return math.inf
    together = Arrivals.of_all([stop["past"] for stop in known])
    stopped_at = min(stop["at"] for stop in known)
    needed = together.silence_needed(stopped_at, max(stop["within"] for stop in known))
    return together.silent_at(max(stop["at"] for stop in known), needed)


def _counts(worker: Worker) -> bool:
    # One that has never been ready ends by itself; one that is replaced has its own way of leaving.
    return worker.ready_at is not None and not worker.replaced
