"""What several runs say together: how long a stop takes, and the delay and grace period to set."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lifecycle.core import HOOKS_RESERVE, MARGIN_LEAST, MARGIN_SHARE
from lifecycle.rehearse._events import STOPS, Kind
from lifecycle.rehearse._purse import AFTER_SIGNAL, PHASES, PRE_STOP
from lifecycle.rehearse._result import Result, Way, percentile

HEADROOM: Final = 1.5
"""A production machine is busier than the one of a rehearsal."""
P99: Final = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Seconds, all of them. None: it was not seen."""

    runs: int
    lost: int
    """Requests, over all runs."""
    pre_stop: float | None
    drain: float | None
    hooks: float | None
    after_signal: float | None
    last_request: float | None
    """The latest request on a new connection, from the stop of its pod on."""
    delay: int
    grace: int

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    def lines(self) -> Iterator[str]:
        yield f"over {self.runs} runs: {self.lost} requests lost"
        for title, seconds in (
            ("preStop hook", self.pre_stop),
            ("drain", self.drain),
            ("shutdown hooks", self.hooks),
            ("after the stop signal", self.after_signal),
            ("last request after the stop", self.last_request),
        ):
            if seconds is not None:
                yield f"  p99 {seconds:7.2f} s  {title}"
        yield f"  set a shutdown delay (LIFECYCLE_SHUTDOWN_DELAY, or a preStop sleep) of {self.delay} s"
        yield f"  set terminationGracePeriodSeconds, and LIFECYCLE_GRACE_PERIOD with it, to {self.grace} or more"


def advise(results: Sequence[Result]) -> Advice:
    """From what was measured: p99s, half as much again, and the parts of the budget that are reserved."""
    drain = _p99(results, PHASES["draining"])
    hooks = _p99(results, PHASES["stopping"])
    signals = {
        event.detail for result in results for event in result.events if event.kind is Kind.SIGNAL
    }
    after_signal = _p99(results, *(AFTER_SIGNAL.format(signal=name) for name in signals))
    last = _last_requests(results)
    last_request = percentile(last, P99)
    delay = math.ceil(last_request or 0) + 1
    # Without a report of its own, all that a container does after its signal is its drain.
    work = HEADROOM * (drain if drain is not None else after_signal or 0)
    closing = max(HEADROOM * (hooks or 0), HOOKS_RESERVE if hooks is not None else 0)
    return Advice(
        runs=len(results),
        lost=sum(len(result.failed) for result in results),
        pre_stop=_p99(results, PRE_STOP),
        drain=drain,
        hooks=hooks,
        after_signal=after_signal,
        last_request=last_request,
        delay=delay,
        grace=_grace(delay + work + closing),
    )


def _grace(needed: float) -> int:
    """The smallest whole number that leaves its margin."""
    return math.ceil(max(needed + MARGIN_LEAST, needed / (1 - MARGIN_SHARE)))


def _p99(results: Sequence[Result], *who: str) -> float | None:
    took = [
        sum(share.seconds for share in purse.shares if share.who in who)
        for result in results
        for purse in result.purses
        if any(share.who in who for share in purse.shares)
    ]
    return percentile(sorted(took), P99)


def _last_requests(results: Sequence[Result]) -> list[float]:
    latest: list[float] = []
    for result in results:
        for stop in (event for event in result.events if event.kind in STOPS):
            after = [
                sample.at - stop.at
                for sample in result.samples
                if sample.pod == stop.pod and sample.way is Way.NEW and sample.at > stop.at
            ]
            if after:
                latest.append(max(after))
    return sorted(latest)
