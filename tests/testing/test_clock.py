"""The virtual clock keeps its promises, on both backends."""

import asyncio
import socket
import threading
import time

import anyio
import pytest
from anyio import from_thread, to_thread

from lifecycle.testing import flowing, on_virtual_clock, run_virtual
from lifecycle.testing._clock import VirtualLoop


@pytest.fixture(autouse=True)
def real_time() -> "Stopwatch":
    return Stopwatch()


class Stopwatch:
    def __init__(self) -> None:
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start


async def test_a_sleep_of_30_s_takes_milliseconds(real_time: Stopwatch) -> None:
    start = anyio.current_time()
    await anyio.sleep(30)
    assert anyio.current_time() - start == pytest.approx(30)
    assert real_time.seconds < 1


async def test_a_poll_of_20_ms_for_a_minute_is_quick(real_time: Stopwatch) -> None:
    with anyio.move_on_after(60) as scope:
        for _ in range(10_000):
            await anyio.sleep(0.02)
    assert scope.cancelled_caught
    assert real_time.seconds < 5


async def test_sleepers_wake_in_the_order_of_their_deadlines() -> None:
    woken: list[int] = []

    async def sleeper(seconds: int) -> None:
        await anyio.sleep(seconds)
        woken.append(seconds)

    async with anyio.create_task_group() as group:
        for seconds in (20, 5, 10, 1):
            group.start_soon(sleeper, seconds)
    assert woken == [1, 5, 10, 20]


async def test_time_stands_still_while_tasks_can_run() -> None:
    start = anyio.current_time()
    for _ in range(1000):
        await anyio.lowlevel.checkpoint()
    assert anyio.current_time() == start


async def test_every_test_starts_at_the_same_time() -> None:
    assert anyio.current_time() < 1
    await anyio.sleep(1000)


async def test_every_test_starts_at_the_same_time_again() -> None:
    assert anyio.current_time() < 1
    await anyio.sleep(1000)


async def test_a_worker_thread_is_not_timed_out_by_a_jump() -> None:
    finished = threading.Event()

    def work() -> None:
        assert not finished.wait(0.05)

    start = anyio.current_time()
    with anyio.fail_after(2):
        await to_thread.run_sync(work)
    assert 0.03 < anyio.current_time() - start < 2


async def test_a_thread_that_hangs_is_left_behind_in_real_time() -> None:
    release = threading.Event()
    start = anyio.current_time()
    with anyio.move_on_after(0.05) as scope:
        await to_thread.run_sync(release.wait, abandon_on_cancel=True)
    assert scope.cancelled_caught
    assert anyio.current_time() - start < 5
    await anyio.sleep(3600)  # nobody waits for the thread any more: time jumps again
    release.set()


async def test_other_deadlines_do_not_jump_past_a_thread_at_work(real_time: Stopwatch) -> None:
    order: list[str] = []

    async def timer() -> None:
        await anyio.sleep(10)
        order.append("timer")

    async with anyio.create_task_group() as group:
        group.start_soon(timer)
        await to_thread.run_sync(threading.Event().wait, 0.02)
        order.append("thread")
    assert order == ["thread", "timer"]
    assert real_time.seconds < 5


async def test_a_thread_may_call_back(real_time: Stopwatch) -> None:
    def work() -> float:
        return from_thread.run_sync(anyio.current_time)

    assert await to_thread.run_sync(work) >= 0
    await anyio.sleep(100)
    assert real_time.seconds < 5


async def test_flowing_time_is_real_time() -> None:
    start = anyio.current_time()
    with flowing(), flowing():
        await anyio.sleep(0.02)
        flowed = anyio.current_time() - start
    assert 0.02 <= flowed < 2
    await anyio.sleep(100)
    assert anyio.current_time() - start == pytest.approx(100 + flowed, abs=1)


async def test_a_socket_that_is_ready_comes_before_a_jump() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        other.send(b"!")
        with anyio.fail_after(1):
            await anyio.wait_readable(one)


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_the_executor_of_asyncio_is_waited_for() -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(2):
        await loop.run_in_executor(None, threading.Event().wait, 0.02)
        await asyncio.to_thread(threading.Event().wait, 0.02)


def test_a_loop_in_which_nothing_can_happen_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lifecycle.testing._clock.PATIENCE", 0.02)

    async def hang() -> None:
        await asyncio.get_running_loop().create_future()

    with (
        pytest.raises(
            RuntimeError, match=r"Hung: nothing is scheduled, and nothing came for 0\.02 s"
        ),
        asyncio.Runner(loop_factory=VirtualLoop) as runner,
    ):
        runner.run(hang())


def test_a_backend_has_a_clock_of_its_own() -> None:
    _, options = on_virtual_clock("asyncio")
    for _ in range(2):
        with asyncio.Runner(**options) as runner:
            assert runner.get_loop().time() == 0
            runner.run(anyio.sleep(1000))
    one, other = on_virtual_clock("trio"), on_virtual_clock("trio")
    assert one[1]["clock"] is not other[1]["clock"]


@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_no_pytest_is_needed(name: str) -> None:
    async def an_hour(hours: int) -> float:
        await anyio.sleep(3600 * hours)
        return anyio.current_time()

    assert run_virtual(an_hour, 2, backend=name) >= 7200
