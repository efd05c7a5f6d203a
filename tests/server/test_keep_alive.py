"""What a connection asks of its loop: one timer for its silences, however many answers, and tasks."""

import asyncio
import contextvars
import gc
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lifecycle.server._keep_alive import TASK_NAME, KeepAlive
from lifecycle.testing import run_virtual

TIMEOUT = 5.0


class Connection:
    """As uvicorn's: it asks the loop that it knows for a timer after an answer, and cancels that at the next byte."""

    def __init__(self) -> None:
        self.timers: list[float] = []
        loop = asyncio.get_running_loop()
        self.began = loop.time()
        counting: Any = Counting(loop, self.timers)
        self.loop = KeepAlive(counting)
        self.closed_after: float | None = None

    def answer(self) -> None:
        self.timer = self.loop.call_later(TIMEOUT, self.close)

    def hear(self) -> None:
        self.timer.cancel()

    def close(self) -> None:
        self.closed_after = asyncio.get_running_loop().time() - self.began


class Counting:
    """A loop that notes the timers that it is asked for."""

    def __init__(self, loop: asyncio.AbstractEventLoop, timers: list[float]) -> None:
        self._loop = loop
        self._timers = timers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def call_later(self, delay: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        self._timers.append(delay)
        return self._loop.call_later(delay, callback)


Play = Callable[[Connection], Awaitable[None]]


def play(scene: Play) -> Connection:
    async def played() -> Connection:
        connection = Connection()
        await scene(connection)
        return connection

    return run_virtual(played)


def test_a_silence_of_the_whole_timeout_closes() -> None:
    async def scene(connection: Connection) -> None:
        connection.answer()
        await asyncio.sleep(60)

    assert play(scene).closed_after == pytest.approx(TIMEOUT)


def test_requests_move_the_timeout_on_and_take_no_timer_each() -> None:
    async def scene(connection: Connection) -> None:
        for _ in range(1000):
            connection.answer()
            await asyncio.sleep(0.01)
            connection.hear()
        connection.answer()
        await asyncio.sleep(60)

    connection = play(scene)
    assert connection.closed_after == pytest.approx(10 + TIMEOUT)
    assert len(connection.timers) <= 4


def test_a_request_that_takes_longer_than_the_timeout_is_not_cut_off() -> None:
    async def scene(connection: Connection) -> None:
        connection.answer()
        await asyncio.sleep(1)
        connection.hear()
        await asyncio.sleep(60)
        assert connection.closed_after is None
        connection.answer()
        await asyncio.sleep(60)

    assert play(scene).closed_after == pytest.approx(61 + TIMEOUT)


def test_it_tells_who_is_silent() -> None:
    async def scene(connection: Connection) -> None:
        heard = [connection.loop.silent]
        connection.answer()
        heard.append(connection.loop.silent)
        connection.hear()
        heard.append(connection.loop.silent)
        connection.answer()
        heard.append(connection.loop.silent)
        assert heard == [True, True, False, True]

    play(scene)


def test_an_ended_connection_is_not_kept_in_memory_nor_closed_once_more() -> None:
    async def scene(connection: Connection) -> None:
        another: Any = Connection()
        another.answer()
        another.loop.stop()
        gone = weakref.ref(another)
        gc.disable()
        try:
            del another
            assert gone() is None, "only the garbage collector would find it"
        finally:
            gc.enable()
        connection.answer()
        connection.loop.stop()
        await asyncio.sleep(60)

    assert play(scene).closed_after is None


def test_for_all_else_it_is_the_loop() -> None:
    async def scene(connection: Connection) -> None:
        loop = KeepAlive(asyncio.get_running_loop())
        future = loop.create_future()
        task = loop.create_task(future_result(future))
        future.set_result("done")
        assert await task == "done"

    async def future_result(future: "asyncio.Future[str]") -> str:
        return await future

    play(scene)


@pytest.mark.parametrize("special", [None, "factory", "debug"])
def test_requests_run_in_tasks_of_the_kind_that_the_loop_makes(special: str | None) -> None:
    class Own(asyncio.Task[str]):
        pass

    def own(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        return Own(coroutine, loop=loop, **options)

    async def told() -> tuple[str, str, type]:
        loop = asyncio.get_running_loop()
        loop.set_debug(special == "debug")
        if special == "factory":
            loop.set_task_factory(own)
        variable.set("outside")
        task = KeepAlive(loop).create_task(said(), context=contextvars.Context())
        result = (await task, task.get_name(), type(task))
        loop.set_task_factory(None)
        return result

    async def said() -> str:
        return variable.get("inside")

    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    value, name, kind = asyncio.run(told())
    assert value == "inside"
    assert (name == TASK_NAME) == (special is None)
    assert kind is (Own if special == "factory" else asyncio.Task)
