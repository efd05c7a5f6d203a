"""When silence proves that the routers have let go. All on a clock of the test's own."""

import math
import random

import pytest

from lifecycle.server._arrivals import CHANCE, LEAST, WINDOW, Arrivals


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def steady(clock: Clock, rate: float, seconds: float, arrivals: Arrivals) -> None:
    for _ in range(int(rate * seconds)):
        clock.now += 1 / rate
        arrivals.note("/")


def leaves_after(arrivals: Arrivals, clock: Clock) -> float:
    """Seconds of lame duck, if nobody comes any more."""
    stopped = clock.now
    return arrivals.silent_at(stopped, arrivals.silence_needed(stopped, 5)) - stopped


def test_a_hundred_a_second_have_let_go_at_the_least_delay(clock: Clock) -> None:
    arrivals = Arrivals(clock)
    steady(clock, 100, 60, arrivals)
    assert leaves_after(arrivals, clock) == LEAST


def test_one_in_three_seconds_proves_nothing_in_five(clock: Clock) -> None:
    arrivals = Arrivals(clock)
    steady(clock, 1 / 3, 60, arrivals)
    assert leaves_after(arrivals, clock) > 25


def test_nobody_at_all_proves_nothing(clock: Clock) -> None:
    arrivals = Arrivals(clock)
    clock.now += 100
    assert leaves_after(arrivals, clock) == math.inf


def test_a_stop_at_the_very_start_proves_nothing(clock: Clock) -> None:
    assert leaves_after(Arrivals(clock), clock) == math.inf


def test_probes_are_no_arrivals(clock: Clock) -> None:
    arrivals = Arrivals(clock, exempt=("/readyz", None))
    assert not arrivals.note("/readyz")
    assert arrivals.note("/")
    clock.now += 1
    arrivals.note("/readyz")
    assert arrivals.last == clock.now - 1


def test_every_arrival_starts_the_silence_anew(clock: Clock) -> None:
    arrivals = Arrivals(clock)
    steady(clock, 10, 60, arrivals)
    stopped = clock.now
    needed = arrivals.silence_needed(stopped, 5)
    clock.now += 2
    arrivals.note("/")
    assert arrivals.silent_at(stopped, needed) == pytest.approx(stopped + 2 + needed)


def test_bursts_are_not_mistaken_for_their_end(clock: Clock) -> None:
    """A hundred at once every two seconds: the mean is 50 a second, and still a second of silence says nothing."""
    arrivals = Arrivals(clock)
    for _ in range(30):
        for _ in range(100):
            arrivals.note("/")
        clock.now += 2
    assert leaves_after(arrivals, clock) >= 4


def test_a_gap_before_the_first_arrival_counts(clock: Clock) -> None:
    arrivals = Arrivals(clock)
    clock.now += 10
    steady(clock, 100, 1, arrivals)
    assert leaves_after(arrivals, clock) > 19


def test_what_is_longer_ago_than_the_window_is_forgotten(clock: Clock) -> None:
    arrivals = Arrivals(clock)
    clock.now += 10
    steady(clock, 100, WINDOW + 20, arrivals)
    assert leaves_after(arrivals, clock) == LEAST


@pytest.mark.parametrize("rate", [0.5, 2.0, 10.0, 50.0])
def test_random_traffic_is_cut_off_as_rarely_as_promised(rate: float) -> None:
    """While routers still route, silence is mistaken for their letting go at most as often as the formula says."""
    generator = random.Random(rate)
    mistakes = 0
    for _ in range(200):
        clock = Clock()
        arrivals = Arrivals(clock)
        end = clock.now + WINDOW
        while (at := clock.now + generator.expovariate(rate)) < end:
            clock.now = at
            arrivals.note("/")
        clock.now = end
        needed = arrivals.silence_needed(end, 5)
        until = end + 5
        while clock.now < until:
            gone = arrivals.silent_at(end, needed)
            clock.now += generator.expovariate(rate)
            if clock.now > gone and gone < until:
                mistakes += 1
                break
            arrivals.note("/")
    assert 200 * CHANCE < 1
    assert mistakes == 0


def test_memory_does_not_grow_with_traffic(clock: Clock) -> None:
    arrivals = Arrivals(clock)
    steady(clock, 1000, 2 * WINDOW, arrivals)
    assert len(arrivals._buckets) <= WINDOW / 0.1 + 1
