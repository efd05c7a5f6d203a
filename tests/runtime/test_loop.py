"""The way into the running event loop, from wherever one is."""

import signal
import threading

import anyio
import anyio.to_thread

from lifecycle.runtime import Flag, Loop
from tests.support.clock import flowing


async def test_it_reads_the_loops_own_clock_in_threads_too() -> None:
    loop = Loop()
    began = loop.now()
    await anyio.sleep(100)
    assert loop.now() - began == anyio.current_time() - began
    assert await anyio.to_thread.run_sync(loop.now) >= began + 100


async def test_from_a_task_the_call_is_at_once() -> None:
    called: list[int] = []
    Loop().call(lambda: called.append(1))
    assert called == [1]


async def test_from_a_thread_the_call_is_made_in_the_loops_thread() -> None:
    loop, done = Loop(), anyio.Event()
    threads: list[int] = []

    def there() -> None:
        threads.append(threading.get_ident())
        done.set()

    await anyio.to_thread.run_sync(loop.call, there)
    await done.wait()
    assert threads == [threading.get_ident()]


async def test_from_a_signal_handler_that_interrupts_the_loops_sleep_the_loop_wakes_up() -> None:
    loop, done = Loop(), anyio.Event()
    previous = signal.signal(signal.SIGALRM, lambda *_: loop.call(done.set))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with flowing(), anyio.fail_after(10):
            await done.wait()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def test_a_call_into_a_loop_that_is_closed_is_none() -> None:
    for backend in ("asyncio", "trio"):
        loops: list[Loop] = []

        async def main(loops: list[Loop] = loops) -> None:
            loops.append(Loop())

        anyio.run(main, backend=backend)
        called = threading.Event()
        loops[0].call(called.set)
        assert not called.is_set()


async def test_a_flag_can_be_made_and_set_before_there_is_a_loop() -> None:
    flag = Flag()
    flag.set()
    assert flag.is_set()
    with anyio.fail_after(0.1):
        await flag.wait()


async def test_all_who_wait_for_a_flag_are_woken() -> None:
    flag = Flag()
    woken: list[int] = []

    async def wait(number: int) -> None:
        await flag.wait()
        woken.append(number)

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(wait, number)
        await anyio.sleep(1)
        assert woken == []
        flag.set()
    assert sorted(woken) == [0, 1, 2]


async def test_a_flag_may_be_set_in_a_thread() -> None:
    flag = Flag()
    async with anyio.create_task_group() as group:
        group.start_soon(flag.wait)
        await anyio.wait_all_tasks_blocked()
        await anyio.to_thread.run_sync(flag.set)
