"""Where threads are, and which are at work."""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.to_thread
import pytest

from lifecycle.runtime._threads import any_busy, busy_threads, stacks
from tests.support.clock import flowing


def test_stacks_are_named_after_their_threads_and_leave_out_the_asker() -> None:
    release, asked = threading.Event(), threading.Event()

    def sit_here() -> None:
        asked.set()
        release.wait(20)

    thread = threading.Thread(target=sit_here, name="sitter")
    thread.start()
    asked.wait()
    told = stacks()
    release.set()
    thread.join()
    assert "sit_here" in told["sitter"]
    assert threading.current_thread().name not in told


def test_threads_of_one_name_are_told_apart() -> None:
    release, asked = threading.Event(), threading.Barrier(3)

    def sit_here() -> None:
        asked.wait(20)
        release.wait(20)

    threads = [threading.Thread(target=sit_here, name="sitter") for _ in range(2)]
    for thread in threads:
        thread.start()
    asked.wait(20)
    told = stacks()
    release.set()
    for thread in threads:
        thread.join()
    assert {"sitter", "sitter (2)"} <= told.keys()


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize("run", [anyio.to_thread.run_sync, asyncio.to_thread])
async def test_a_pools_thread_is_busy_while_it_works_and_not_while_it_waits_for_work(
    run: Callable[..., Any],
) -> None:
    """What it works at may wait in a queue too: in another one than the pool's."""
    with ThreadPoolExecutor(thread_name_prefix="asyncio") as executor:
        asyncio.get_running_loop().set_default_executor(executor)
        jobs = queue.Queue[str]()
        async with anyio.create_task_group() as group:
            group.start_soon(run, jobs.get)
            await until(lambda: any("queue.py" in stack for stack in busy_threads().values()))
            jobs.put("done")
        # The result is there a moment before the thread is back in its own queue.
        await until(lambda: not any_busy())
        assert busy_threads() == {}
        assert stacks() != {}


async def until(condition: Callable[[], bool]) -> None:
    with flowing(), anyio.fail_after(20):
        while not condition():  # noqa: ASYNC110 - threads tell nobody
            await anyio.sleep(0.01)
