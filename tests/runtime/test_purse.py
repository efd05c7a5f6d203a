"""Who may wait until when, once the one deadline runs."""

import anyio
import pytest

from lifecycle.core import divide
from lifecycle.runtime import Loop
from lifecycle.runtime._purse import FORCED_SLICE, REPORT_SLACK, Purse


def purse(told: list[float] | None = None, *, drain: float | None = None) -> Purse:
    heard = told if told is not None else []
    return Purse(divide(delay=5, drain=drain), Loop(), heard.append)


async def test_until_it_is_opened_all_of_it_is_left() -> None:
    ours = purse()
    await anyio.sleep(100)
    assert (ours.remaining, ours.used) == (28.5, 0)


async def test_it_is_opened_once_and_the_watchdog_is_told_once() -> None:
    told: list[float] = []
    ours = purse(told)
    ours.open(late=2)
    await anyio.sleep(10)
    ours.open()
    assert (ours.remaining, ours.used) == pytest.approx((16.5, 12))
    assert told == [26.5]


async def test_what_is_left_is_never_negative() -> None:
    ours = purse()
    ours.open()
    await anyio.sleep(100)
    assert ours.remaining == 0


@pytest.mark.parametrize("drain", [None, 0, 3])
async def test_the_waits_end_one_after_the_other_before_the_deadline(drain: float | None) -> None:
    ours = purse(drain=drain)
    ours.open()
    began = ours.opened
    assert ours.routes_withdrawn_at() - began == 5
    assert ours.pre_stop_ends_at() - began == 5 + (28.5 - 5 - 5) / 2
    assert ours.drain_ends_at(None) - began == 23.5
    assert ours.hooks_end_at() - began == 28.5 - REPORT_SLACK


async def test_a_drain_timeout_is_counted_from_the_beginning_of_the_drain_and_leaves_the_hooks_theirs() -> (
    None
):
    ours = purse()
    ours.open()
    await anyio.sleep(10)
    assert ours.drain_ends_at(2) - ours.opened == pytest.approx(12)
    assert ours.drain_ends_at(20) - ours.opened == 23.5


async def test_a_wait_ends_at_its_moment() -> None:
    ours = purse()
    began = anyio.current_time()
    with ours.until(began + 3):
        await anyio.sleep(100)
    assert anyio.current_time() - began == pytest.approx(3)


async def test_force_cuts_the_waits_that_are_under_way_and_those_that_come() -> None:
    ours = purse()
    ours.open()
    began = anyio.current_time()
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(_wait, ours)
        await anyio.sleep(2)
        ours.force()
    await _wait(ours)
    assert anyio.current_time() - began == pytest.approx(2)
    assert ours.pre_stop_ends_at() == pytest.approx(began + 2)


async def _wait(ours: Purse) -> None:
    with ours.until(anyio.current_time() + 100):
        await anyio.sleep(100)


async def test_forced_hooks_get_one_slice_together_from_when_their_turn_has_come() -> None:
    ours = purse()
    ours.open()
    ours.force()
    await anyio.sleep(1)
    first = ours.hooks_end_at()
    assert first - ours.opened == pytest.approx(1 + FORCED_SLICE)
    await anyio.sleep(0.5)
    assert ours.hooks_end_at() == first


async def test_a_late_force_does_not_move_the_deadline() -> None:
    ours = purse()
    ours.open()
    await anyio.sleep(28)
    ours.force()
    assert ours.hooks_end_at() - ours.opened == pytest.approx(28.5 - REPORT_SLACK)
