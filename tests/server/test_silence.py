"""Several workers on one port: the routers have let go when all of them together have heard nobody."""

import math
from typing import Any

import pytest

from lifecycle.server._arrivals import BUCKET, LEAST, Arrivals
from lifecycle.server._silence import silent_at

STOP = 60.0


def past(rate: float, *, last: float = STOP) -> dict[str, Any]:
    """A minute of regular arrivals."""
    now = 0.0
    arrivals = Arrivals(lambda: now)
    for number in range(round(STOP * rate)):
        now = number / rate
        arrivals.note()
    return {**arrivals.past(), "last": last}


def stop(rate: float, *, at: float = STOP, last: float = STOP) -> dict[str, Any]:
    return {"at": at, "within": 5.0, "past": past(rate, last=last)}


def test_the_busy_one_proves_it_for_the_one_that_hears_nobody() -> None:
    alone = silent_at([stop(0.2)])
    together = silent_at([stop(0.2), stop(100)])
    assert alone > STOP + 5
    assert together == pytest.approx(STOP + LEAST)


def test_who_comes_to_any_of_them_starts_the_silence_anew() -> None:
    later = silent_at([stop(20, last=STOP + 3), stop(20)])
    assert later > STOP + 3.2


def test_the_last_to_hear_of_the_stop_counts() -> None:
    assert silent_at([stop(100), stop(100, at=STOP + 2)]) >= STOP + 2 + LEAST


@pytest.mark.parametrize("stops", [[], [None], [stop(100), None]])
def test_nothing_is_proved_before_all_have_been_heard(stops: list[Any]) -> None:
    assert silent_at(stops) == math.inf


def test_what_is_told_is_what_is_known() -> None:
    first, second = past(2), past(3)
    together = Arrivals.of_all([first, second])
    alone = Arrivals.of_all([first])
    assert sum(count for _, count in together.past()["buckets"]) == round(STOP * 5)
    assert together.silence_needed(STOP, 5) < alone.silence_needed(STOP, 5)
    assert BUCKET < 1 / 5
