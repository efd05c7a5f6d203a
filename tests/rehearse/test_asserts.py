"""A failed assertion says what was lost, when, and what to do: in CI there is no second look."""

import re
from dataclasses import replace

import pytest

from lifecycle.rehearse import (
    Result,
    assert_inside_budget,
    assert_kept,
    assert_nothing_lost,
)
from tests.support.rehearsals import broken, kept


def test_a_rehearsal_that_went_well_passes() -> None:
    assert_kept(kept())
    assert_nothing_lost(kept())
    assert_inside_budget(kept(), spare=13)


def test_what_was_lost_is_told_with_its_time() -> None:
    with pytest.raises(AssertionError, match=r"Pod/web, delete: 59 of 240 were lost") as failure:
        assert_nothing_lost(broken())
    message = str(failure.value)
    assert (
        "20 refused, kept connection, /: sent +0.05 s to +2.85 s from the stop signal (Connection refused)"
        in message
    )
    assert "pod.yaml:14:5: closed-too-early: web closed its port 0.05 s after SIGTERM" in message
    assert "Fix: Let it serve on for 5 s" in message
    assert re.search(r"28\.00 s  web +SIGKILL", message)


def test_without_a_signal_times_are_the_rehearsals() -> None:
    result = broken()
    samples = tuple(replace(one, after_signal=None) for one in result.samples)
    with pytest.raises(AssertionError, match=r"sent 8\.05 s to 10\.85 s after the beginning"):
        assert_nothing_lost(replace(result, samples=samples))


def test_a_promise_that_was_broken_is_named() -> None:
    with pytest.raises(
        AssertionError,
        match=r"not kept: No request was lost: 59 of 240.*\n  not kept: Every container ended before SIGKILL",
    ):
        assert_kept(broken())


def test_who_spent_too_much_is_named() -> None:
    with pytest.raises(
        AssertionError,
        match=r"web used 20\.1 s of 20 s, and 0 s were to be left: after SIGTERM, until SIGKILL 20\.1 s",
    ):
        assert_inside_budget(broken())
    with pytest.raises(AssertionError, match=r"web used 5\.9 s of 20 s, and 15 s were to be left"):
        assert_inside_budget(kept(), spare=15)


def test_nothing_asked_is_nothing_shown() -> None:
    nothing = Result(title="Pod/web", scenario="delete")
    with pytest.raises(AssertionError, match="nothing was asked for: name the port"):
        assert_nothing_lost(nothing)
    with pytest.raises(AssertionError, match="nothing was stopped that has ended"):
        assert_inside_budget(nothing)


def test_a_long_timeline_is_cut_to_its_end() -> None:
    result = broken()
    with pytest.raises(AssertionError) as failure:
        assert_nothing_lost(replace(result, events=result.events * 5))
    assert len(str(failure.value).splitlines()) < 60
    assert "  ...\n" in str(failure.value)
