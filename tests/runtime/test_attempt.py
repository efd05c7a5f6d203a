"""One hook: in which forms it may come, in which task it runs, and what is said of it afterwards."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.to_thread
import pytest

from lifecycle import Lifecycle
from lifecycle.core import Kind, make_hook
from lifecycle.runtime import Attempt
from tests.support.living import deaf, live, outcomes, until_stopped

ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)

told: ContextVar[str] = ContextVar("told", default="nothing")


def attempt(function: Callable[..., Any], kind: Kind = Kind.SHUTDOWN, **options: Any) -> Attempt:
    return Attempt(make_hook(kind, function, "here.py:1", name="it", **options))


async def settled(tried: Attempt, allowance: float | None = 10) -> tuple[Any, Any, Any]:
    """Outcome, seconds and error of an attempt that is run to its end."""
    async with anyio.create_task_group() as group:
        group.start_soon(tried.run)
        record = await tried.settle(allowance)
        group.cancel_scope.cancel()
    return record.outcome, record.seconds, record.error


# The outcome.


async def test_a_hook_that_ends_is_ok_and_timed() -> None:
    async def hook() -> str:
        await anyio.sleep(3)
        return "value"

    tried = attempt(hook)
    assert await settled(tried) == ("ok", pytest.approx(3), None)
    assert tried.value == "value"


async def test_a_hook_that_raises_has_failed_with_its_error() -> None:
    async def hook() -> None:
        await anyio.sleep(2)
        raise ValueError("no")

    assert await settled(attempt(hook)) == ("failed", pytest.approx(2), "ValueError: no")


async def test_a_hook_that_overruns_is_cancelled_and_told_what_to_do() -> None:
    cleaned: list[float] = []

    async def hook() -> None:
        try:
            await anyio.sleep(100)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.2)
            cleaned.append(anyio.current_time())

    outcome, seconds, error = await settled(attempt(hook), 5)
    assert outcome == "timed out"
    assert seconds == pytest.approx(5.2)
    assert error == (
        "HookTimeoutError: on_shutdown hook 'it' (here.py:1) took longer than the 5 s it was given: make it faster,"
        " or give it more with timeout="
    )
    assert len(cleaned) == 1


async def test_an_error_in_the_cleaning_up_after_a_cancellation_is_not_hidden_by_it() -> None:
    async def hook() -> None:
        try:
            await anyio.sleep(100)
        finally:
            raise OSError("broken pipe")

    assert await settled(attempt(hook), 5) == (
        "timed out",
        pytest.approx(5),
        "OSError: broken pipe",
    )


async def test_a_hook_that_swallows_its_cancellation_is_stuck_and_left_behind() -> None:
    async def hook() -> None:
        await deaf(20)

    async with anyio.create_task_group() as group:
        tried = attempt(hook)
        group.start_soon(tried.run)
        began = anyio.current_time()
        record = await tried.settle(5)
        assert anyio.current_time() - began == pytest.approx(5.5)
    assert record.outcome == "stuck"


async def test_a_thread_that_hangs_is_stuck_and_left_behind() -> None:
    release = threading.Event()
    tried = attempt(lambda: release.wait(20))
    outcome, _, _ = await settled(tried, 0.1)
    assert outcome == "stuck"
    assert not tried.gone
    release.set()
    with anyio.fail_after(5):
        await anyio.to_thread.run_sync(_until_gone, tried)


def _until_gone(tried: Attempt) -> None:
    while not tried.gone:
        threading.Event().wait(0.001)


async def test_a_thread_that_never_began_is_not_taken_for_stuck() -> None:
    ran: list[str] = []
    tried = attempt(lambda: ran.append("hook"))
    tried.cancel()
    await settled(tried, 0)
    assert (ran, tried.gone) == ([], True)


@ASYNCIO
async def test_awaiting_a_task_that_was_cancelled_is_the_hooks_failure_and_cancels_nobody() -> None:
    async def hook() -> None:
        task = asyncio.ensure_future(asyncio.sleep(100))
        await asyncio.sleep(1)
        task.cancel()
        await task

    assert await settled(attempt(hook)) == (
        "failed",
        pytest.approx(1),
        "RuntimeError: on_shutdown hook 'it' (here.py:1) awaited something that was cancelled, and let its CancelledError out",
    )


@ASYNCIO
async def test_such_a_hook_costs_the_others_nothing() -> None:
    life = Lifecycle()
    ran: list[str] = []
    life.on_shutdown(name="next")(lambda: ran.append("next"))

    @life.on_shutdown
    async def leaky() -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    @life.on_pre_stop(name="leaky too")
    async def leaky_too() -> None:
        await leaky()

    assert await live(life, stop_at=1) == 5
    assert ran == ["next"]
    assert outcomes(life) == {"leaky too": "failed", "leaky": "failed", "next": "ok"}


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
async def test_an_exit_out_of_a_hook_is_its_failure_and_ends_nothing_else(
    kind: type[BaseException],
) -> None:
    async def hook() -> None:
        raise kind(3)

    outcome, _, error = await settled(attempt(hook))
    assert (outcome, error) == ("failed", f"{kind.__name__}: 3")


async def test_an_exception_group_of_a_hook_is_kept_whole() -> None:
    async def bad() -> None:
        raise ValueError("no")

    async def hook() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(bad)

    tried = attempt(hook)
    outcome, _, _ = await settled(tried)
    assert outcome == "failed"
    assert isinstance(tried.error, ExceptionGroup)


# Forms.


async def test_a_lambda_around_a_coroutine_function_is_awaited() -> None:
    async def hook() -> str:
        await anyio.sleep(1)
        return "awaited"

    tried = attempt(lambda: hook())  # noqa: PLW0108 - the lambda is the point
    assert (await settled(tried))[0] == "ok"
    assert tried.value == "awaited"


async def test_a_method_and_a_callable_object_are_hooks() -> None:
    class Pool:
        def close(self) -> str:
            return threading.current_thread().name

        async def __call__(self) -> str:
            return "called"

    for function, in_loop in ((Pool().close, False), (Pool(), True)):
        tried = attempt(function)
        assert (await settled(tried))[0] == "ok"
        assert (tried.value == "called") is in_loop


async def test_a_hook_in_a_thread_sees_the_context_of_its_task() -> None:
    told.set("something")
    tried = attempt(told.get)
    await settled(tried)
    assert tried.value == "something"


async def test_sync_hooks_have_their_own_threads_whatever_the_application_does_with_its_own() -> (
    None
):
    life = Lifecycle()
    ran: list[str] = []
    release = threading.Event()
    life.on_shutdown(lambda: ran.append("closed"))
    anyio.to_thread.current_default_thread_limiter().total_tokens = 1
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, release.wait, 20)
        await anyio.wait_all_tasks_blocked()
        assert await live(life, stop_at=0.1) == 0
        assert ran == ["closed"]
        assert life.report.used < 5, "it did not wait for the others' end"
        release.set()


# Resources.


class Held:
    """A context manager of either kind, which notes what it lives through."""

    def __init__(self, notes: list[str]) -> None:
        self.notes = notes

    def __enter__(self) -> str:
        self.notes.append("in")
        return "value"

    def __exit__(self, *_: object) -> None:
        self.notes.append("out")

    async def __aenter__(self) -> str:
        await anyio.sleep(1)
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        await anyio.sleep(1)
        self.__exit__()


class SyncHeld:
    def __init__(self, notes: list[str]) -> None:
        self._held = Held(notes)

    def __enter__(self) -> str:
        return self._held.__enter__()

    def __exit__(self, *_: object) -> None:
        self._held.__exit__()


def forms(notes: list[str]) -> dict[str, Callable[[], Any]]:
    async def async_generator() -> AsyncIterator[str]:
        notes.append("in")
        yield "value"
        notes.append("out")

    def sync_generator() -> Iterator[str]:
        notes.append("in")
        yield "value"
        notes.append("out")

    async def coroutine() -> Held:
        await anyio.sleep(1)
        return Held(notes)

    return {
        "async generator": async_generator,
        "sync generator": sync_generator,
        "asynccontextmanager": asynccontextmanager(async_generator),
        "contextmanager": contextmanager(sync_generator),
        "function returning an async context manager": lambda: Held(notes),
        "function returning a context manager": lambda: SyncHeld(notes),
        "coroutine function returning one": coroutine,
    }


@pytest.mark.parametrize("form", forms([]))
async def test_a_resource_may_be(form: str) -> None:
    life = Lifecycle()
    notes: list[str] = []
    life.resource(name="pool")(forms(notes)[form])
    seen: list[object] = []

    async def main() -> None:
        seen.extend([life.state.pool, list(notes)])

    assert await live(life, main) == 0
    assert seen == ["value", ["in"]]
    assert notes == ["in", "out"]
    assert [hook.outcome for hook in life.report.hooks] == ["ok", "ok"]


async def test_a_resource_is_entered_and_left_in_the_same_task_so_that_it_may_hold_a_task_group() -> (
    None
):
    life = Lifecycle()
    notes: list[object] = []

    async def work() -> None:
        try:
            await anyio.sleep(1000)
        finally:
            notes.append("worker ended")

    @life.resource
    async def workers() -> AsyncIterator[None]:
        before = anyio.get_current_task().id
        async with anyio.create_task_group() as group:
            group.start_soon(work)
            yield
            group.cancel_scope.cancel()
        notes.append(anyio.get_current_task().id == before)

    assert await live(life, stop_at=5) == 0
    assert notes == ["worker ended", True]


async def test_a_resource_that_ends_by_itself_stops_the_process_with_its_error() -> None:
    life = Lifecycle()

    async def work() -> None:
        await anyio.sleep(10)
        raise OSError("connection lost")

    @life.resource
    async def workers() -> AsyncIterator[None]:
        async with anyio.create_task_group() as group:
            group.start_soon(work)
            yield

    began = anyio.current_time()
    assert await live(life, stop_at=100) == 6
    assert anyio.current_time() - began == pytest.approx(10)
    assert re.match(
        r"resource hook 'workers' \(.*\) ended before it was asked to: ", life.report.reason or ""
    )
    assert life.failure is not None
    assert len(life.failure.exceptions) == 1, "said once, although it fails at its closing as well"


async def test_a_resource_that_fails_to_close_is_reported_and_named() -> None:
    life = Lifecycle()

    @life.resource
    async def pool() -> AsyncIterator[None]:
        yield
        await anyio.sleep(2)
        raise OSError("still in use")

    assert await live(life, stop_at=10) == 5
    opened, closed = life.report.hooks
    assert (opened.kind, opened.outcome, closed.kind, closed.outcome) == (
        "resource",
        "ok",
        "resource.close",
        "failed",
    )
    assert closed.seconds == pytest.approx(2)
    assert closed.error == "OSError: still in use"
    assert re.fullmatch(rf"{__file__}:\d+", closed.where)


@pytest.mark.parametrize("how", ["never yields", "yields twice", "returns no context manager"])
async def test_a_resource_that_is_none_says_what_one_is(how: str) -> None:
    life = Lifecycle()

    async def never() -> AsyncIterator[None]:
        for _ in range(0):
            yield

    async def twice() -> AsyncIterator[None]:
        yield
        yield

    life.resource(name="odd")({"never yields": never, "yields twice": twice}.get(how, lambda: 3))
    status = await live(life, stop_at=1)
    text = " ".join(life.report.failures)
    assert (status, text) == {
        "never yields": (3, _Contains("generator didn't yield")),
        "yields twice": (5, _Contains("generator didn't stop")),
        "returns no context manager": (
            3,
            _Contains(
                "returned int: a resource is a generator function that yields once, or a function"
            ),
        ),
    }[how]


class _Contains(str):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and str(self) in other

    __hash__ = str.__hash__


async def test_the_value_of_a_resource_is_there_for_later_hooks() -> None:
    life = Lifecycle()
    seen: list[object] = []

    @life.resource
    async def pool() -> AsyncIterator[list[int]]:
        yield [1]

    life.on_startup(name="use")(lambda: seen.append(life.state.pool))
    life.on_shutdown(name="use")(lambda: seen.append(life.state.pool))
    assert await live(life, until_stopped, stop_at=1) == 0
    assert seen == [[1], [1]]
