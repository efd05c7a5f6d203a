"""The register of work in flight: who is in it, how long already, and who is told when it is empty."""

import threading

import anyio
import anyio.to_thread
import pytest

from lifecycle.runtime import InFlight, Loop, Work
from tests.support.clock import flowing
from tests.support.living import after


def register() -> InFlight:
    ours = InFlight()
    ours.bind(Loop())
    return ours


async def test_waiting_ends_with_the_last_work_at_that_very_moment() -> None:
    ours = register()
    works = [ours.begin(str(number)) for number in range(3)]
    began = anyio.current_time()
    async with anyio.create_task_group() as group:
        for number, work in enumerate(works):
            group.start_soon(after, number + 1, lambda work=work: ours.end(work))
        await ours.wait_until_idle()
    assert anyio.current_time() - began == pytest.approx(3)
    assert ours.finished == 3


async def test_where_nothing_is_in_flight_nobody_waits() -> None:
    with anyio.fail_after(0.1):
        await register().wait_until_idle()


async def test_work_that_begins_while_the_last_one_ends_is_waited_for_too() -> None:
    ours = register()
    first = ours.begin("first")

    def hand_on() -> None:
        ours.end(first)
        second = ours.begin("second")
        group.start_soon(after, 5, lambda: ours.end(second))

    began = anyio.current_time()
    async with anyio.create_task_group() as group:
        group.start_soon(after, 1, hand_on)
        await ours.wait_until_idle()
        assert anyio.current_time() - began == pytest.approx(6)


async def test_the_last_work_may_end_in_a_thread() -> None:
    ours = register()
    work = ours.begin("in a thread")
    thread = threading.Timer(0.05, ours.end, [work])
    thread.start()
    with flowing(), anyio.fail_after(5):
        await ours.wait_until_idle()
    thread.join()


async def test_a_wait_that_is_cut_short_leaves_nothing_behind() -> None:
    ours = register()
    work = ours.begin("long")
    with anyio.move_on_after(1):
        await ours.wait_until_idle()
    ours.end(work)
    await ours.wait_until_idle()


async def test_abandoned_work_is_named_oldest_first_with_its_age_and_told_to_go() -> None:
    ours = register()
    told: list[str] = []
    ours.begin("old")
    await anyio.sleep(5)
    young = ours.begin("young")
    young.cancel = lambda: told.append("young")
    await anyio.sleep(2)
    left = ours.abandon()
    assert [(work.name, round(work.age, 3)) for work in left] == [("old", 7), ("young", 2)]
    assert told == ["young"]


async def test_what_was_cut_off_does_not_count_as_finished() -> None:
    ours = register()
    work = ours.begin("cut")
    ours.abandon()
    ours.end(work)
    assert ours.finished == 0
    assert ours.forget() == []


async def test_what_goes_on_although_it_was_cut_off_is_forgotten_and_named() -> None:
    ours = register()
    ours.begin("deaf")
    ours.abandon()
    assert [work.name for work in ours.forget()] == ["deaf"]
    assert len(ours) == 0


def test_a_request_is_named_by_its_method_and_path_and_a_websocket_by_its_path() -> None:
    assert Work({"type": "http", "method": "GET", "path": "/a"}, 0).name == "GET /a"
    assert Work({"type": "websocket", "path": "/ws"}, 0).name == "WEBSOCKET /ws"


async def test_many_threads_at_once_lose_none() -> None:
    ours = register()
    last = ours.begin("last")

    def work() -> None:
        for _ in range(200):
            ours.end(ours.begin("job"))

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(anyio.to_thread.run_sync, work)
    ours.end(last)
    await ours.wait_until_idle()
    assert ours.finished == 801
