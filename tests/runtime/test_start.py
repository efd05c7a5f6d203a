"""The way up, and back down when it is cut short: exactly what was started is shut down, in reverse."""

import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from lifecycle import (
    HookTimeoutError,
    Lifecycle,
    StartError,
    StopSource,
    Trigger,
    TriggerTimeoutError,
)
from tests.support.living import deaf, live, outcomes, phases

LONG = 0.5
"""Seconds that a thread works for; real ones, as threads take."""


class Story:
    """What happened, in order; with the hooks of a small service, up and down."""

    def __init__(self, life: Lifecycle) -> None:
        self.life = life
        self.told: list[str] = []

    def tell(self, what: str) -> None:
        self.told.append(what)

    def pair(self, name: str) -> None:
        """A startup hook and its other half."""
        self.life.on_startup(name=name)(lambda: self.tell(f"{name} up"))
        self.life.on_shutdown(name=name)(lambda: self.tell(f"{name} down"))

    def held(self, name: str) -> None:
        """A resource."""

        @self.life.resource(name=name)
        async def held() -> AsyncIterator[str]:
            self.tell(f"{name} up")
            yield name
            self.tell(f"{name} down")


def story(**settings: Any) -> Story:
    return Story(Lifecycle(**settings))


def causes(life: Lifecycle) -> list[str]:
    """All errors of the life with the errors that led to them."""
    told: list[str] = []
    errors: list[BaseException | None] = list(life.failure.exceptions) if life.failure else []
    for error in errors:
        told.append(f"{type(error).__name__}: {error}")
        if error is not None and error.__cause__ is not None:
            errors.append(error.__cause__)
    return told


# In order.


async def test_startup_hooks_run_in_order_one_by_one_and_shutdown_reverses_them() -> None:
    tale = story()
    tale.pair("a")
    tale.held("b")

    @tale.life.on_startup
    async def slow() -> None:
        tale.tell("slow begins")
        await anyio.sleep(5)
        tale.tell("slow ends")

    tale.pair("c")
    assert await live(tale.life, stop_at=10) == 0
    assert tale.told == [
        "a up", "b up", "slow begins", "slow ends", "c up",
        "c down", "b down", "a down",
    ]  # fmt: skip # in the order of the story
    assert phases(tale.life) == [
        "starting",
        "ready",
        "lame duck",
        "draining",
        "stopping",
        "stopped",
    ]


async def test_after_puts_a_hook_behind_those_that_it_names() -> None:
    tale = story()
    tale.life.on_startup(name="warm", after=("db", "cache"))(lambda: tale.tell("warm"))
    tale.life.on_startup(name="cache")(lambda: tale.tell("cache"))
    tale.life.resource(name="db", after=("cache",))(lambda: _nothing(tale))
    assert await live(tale.life, stop_at=1) == 0
    assert tale.told == ["cache", "db", "warm"]


def _nothing(tale: Story) -> "Quiet":
    tale.tell("db")
    return Quiet()


class Quiet:
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


async def test_only_hooks_that_ask_for_it_run_side_by_side() -> None:
    life = Lifecycle()
    began: dict[str, float] = {}

    def slow(name: str, **options: Any) -> None:
        @life.on_startup(name=name, **options)
        async def hook() -> None:
            began[name] = anyio.current_time()
            await anyio.sleep(10)

    slow("alone")
    slow("one", concurrent=True)
    slow("two", concurrent=True)
    slow("three", concurrent=True, after=("one",))
    slow("last")
    start = anyio.current_time()
    assert await live(life, stop_at=100) == 0
    assert {name: round(at - start) for name, at in began.items()} == {
        "alone": 0, "one": 10, "two": 10, "three": 20, "last": 30,
    }  # fmt: skip # in the order of the story


async def test_a_sync_hook_does_not_block_the_event_loop() -> None:
    life = Lifecycle()
    threads: list[int] = []
    life.on_startup(lambda: threads.append(threading.get_ident()))
    assert await live(life, stop_at=1) == 0
    assert threads != [threading.get_ident()]


# It fails.


async def test_a_failed_start_shuts_down_what_was_started_and_nothing_else() -> None:
    tale = story()
    tale.pair("a")
    tale.held("b")

    @tale.life.on_startup(name="c")
    async def fail() -> None:
        raise ValueError("no such host")

    tale.life.on_shutdown(name="c")(lambda: tale.tell("c down"))
    tale.pair("d")
    tale.life.on_shutdown(lambda: tale.tell("unpaired down"))
    assert await live(tale.life) == 3
    assert tale.told == ["a up", "b up", "b down", "a down"]
    assert phases(tale.life) == ["starting", "aborting", "failed"]
    first, second = causes(tale.life)
    assert re.fullmatch(
        rf"StartError: on_startup hook 'c' \({__file__}:\d+\) failed: ValueError: no such host",
        first,
    )
    assert second == "ValueError: no such host"
    assert tale.life.report.reason == f"the start failed: {first.partition(': ')[2]}"
    assert outcomes(tale.life) == {
        "a": "ok", "b": "ok", "c": "not run", "<lambda>": "not run", "d": "not run",
    }  # fmt: skip # in the order of the story


async def test_side_by_side_one_failure_cuts_the_others_and_what_stands_is_shut_down() -> None:
    tale = story()
    tale.held("before")

    @tale.life.resource(name="quick", concurrent=True)
    async def quick() -> AsyncIterator[None]:
        tale.tell("quick up")
        yield
        tale.tell("quick down")

    @tale.life.resource(name="slow", concurrent=True)
    async def slow() -> AsyncIterator[None]:
        try:
            await anyio.sleep(100)
            yield
        finally:
            tale.tell("slow cut")

    @tale.life.on_startup(name="bad", concurrent=True)
    async def bad() -> None:
        await anyio.sleep(5)
        raise ValueError("no")

    assert await live(tale.life) == 3
    assert tale.told == ["before up", "quick up", "slow cut", "quick down", "before down"]
    assert outcomes(tale.life)["slow"] == "cut short"


async def test_a_startup_hook_that_overruns_its_timeout_fails_the_start_by_name() -> None:
    tale = story()
    tale.pair("a")

    @tale.life.on_startup(timeout=3)
    async def connect() -> None:
        try:
            await anyio.sleep(100)
        finally:
            tale.tell("cancelled")

    assert await live(tale.life) == 3
    assert tale.told == ["a up", "cancelled", "a down"]
    assert outcomes(tale.life)["connect"] == "timed out"
    told = causes(tale.life)
    assert re.search(
        r"'connect' \(.*\) took longer than the 3 s it was given: make it faster", told[1]
    )
    assert told[1].startswith(HookTimeoutError.__name__)


async def test_an_error_in_a_shutdown_hook_of_the_rollback_is_reported_too() -> None:
    tale = story()
    tale.life.on_startup(name="a")(lambda: None)

    @tale.life.on_shutdown(name="a")
    def close() -> None:
        raise KeyError("gone")

    @tale.life.on_startup
    def fail() -> None:
        raise ValueError("no")

    assert await live(tale.life) == 3
    assert "KeyError: 'gone'" in causes(tale.life)
    assert outcomes(tale.life)["a"] == "failed"


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
async def test_an_exit_out_of_a_startup_hook_is_a_failure_like_any_other(
    kind: type[BaseException],
) -> None:
    tale = story()
    tale.pair("a")

    @tale.life.on_startup
    async def leave() -> None:
        raise kind(0)

    assert await live(tale.life) == 3
    assert tale.told == ["a up", "a down"]


# It is cut short.


def cut_in_the_middle(tale: Story, how: str) -> threading.Event:
    """Something between `a` and `d` that takes long to start; the event tells that its thread has begun."""
    begun = threading.Event()

    if how == "async hook":

        @tale.life.on_startup(name="long")
        async def hook() -> None:
            try:
                await anyio.sleep(100)
            finally:
                tale.tell("long cancelled")

        tale.life.on_shutdown(name="long")(lambda: tale.tell("long down"))
    elif how == "async resource":

        @tale.life.resource(name="long")
        async def resource() -> AsyncIterator[None]:
            try:
                await anyio.sleep(100)
                yield
            finally:
                tale.tell("long cancelled")

    elif how == "sync hook":

        @tale.life.on_startup(name="long")
        def sync_hook() -> None:
            begun.set()
            time.sleep(LONG)
            tale.tell("long up")

        tale.life.on_shutdown(name="long")(lambda: tale.tell("long down"))
    else:

        @tale.life.resource(name="long")
        def sync_resource() -> Iterator[None]:
            begun.set()
            time.sleep(LONG)
            tale.tell("long up")
            yield
            tale.tell("long down")

    return begun


CANCELLED = ["long cancelled"]
FINISHED = ["long up", "long down"]
"""A thread cannot be cancelled: it comes to its end, and what it has started is shut down."""

MIDDLES = [
    ("async hook", CANCELLED),
    ("async resource", CANCELLED),
    ("sync hook", FINISHED),
    ("sync resource", FINISHED),
]


@pytest.mark.parametrize(("how", "told"), MIDDLES)
async def test_a_stop_in_the_middle_of_the_start_rolls_back_exactly_what_stands_and_exits_0(
    how: str, told: list[str]
) -> None:
    tale = story()
    tale.pair("a")
    cut_in_the_middle(tale, how)
    tale.pair("d")
    # In a thread, time flows: the stop comes while it works.
    assert await live(tale.life, stop_at=LONG / 2) == 0
    assert tale.told == ["a up", *told, "a down"]
    assert phases(tale.life) == ["starting", "stopping", "stopped"]
    assert tale.life.failure is None


@pytest.mark.parametrize("how", ["hook", "resource"])
async def test_a_thread_that_ended_just_as_the_stop_came_has_started_what_it_started(
    how: str,
) -> None:
    tale = story()

    def stop_before_the_result_is_seen() -> None:
        engine = tale.life._engine
        assert engine is not None
        threading.Event().wait(0.05)  # the loop stands still, the thread comes to its end
        engine.stop("just now", StopSource.CALL)

    def up() -> None:
        assert tale.life._engine is not None
        tale.life._engine.loop._post(stop_before_the_result_is_seen)
        tale.tell("up")

    def resource() -> Iterator[None]:
        up()
        yield
        tale.tell("down")

    if how == "hook":
        tale.life.on_startup(name="it")(up)
        tale.life.on_shutdown(name="it")(lambda: tale.tell("down"))
    else:
        tale.life.resource(resource)

    @tale.life.on_startup
    async def never() -> None:
        await anyio.sleep(100)

    assert await live(tale.life) == 0
    assert tale.told == ["up", "down"]


@pytest.mark.parametrize(("how", "told"), MIDDLES)
async def test_a_start_that_takes_too_long_is_cut_and_rolls_back_exactly_what_stands(
    how: str, told: list[str]
) -> None:
    tale = story(startup_timeout=LONG / 2)
    tale.pair("a")
    cut_in_the_middle(tale, how)
    tale.pair("d")
    assert await live(tale.life) == 3
    assert tale.told == ["a up", *told, "a down"]
    assert phases(tale.life) == ["starting", "aborting", "failed"]
    (told_error,) = causes(tale.life)
    assert told_error.startswith(
        f"StartError: the start took longer than startup_timeout (LIFECYCLE_STARTUP_TIMEOUT) {LONG / 2:g} s (startup: long)"
    )


async def test_a_hook_that_swallows_its_cancellation_does_not_hold_the_rollback() -> None:
    tale = story(startup_timeout=10)
    downs: list[float] = []

    @tale.life.resource(name="first")
    async def first() -> AsyncIterator[None]:
        began = anyio.current_time()
        yield
        downs.append(anyio.current_time() - began)

    tale.pair("a")

    @tale.life.on_startup(name="deaf")
    async def startup() -> None:
        await deaf(20)

    tale.life.on_shutdown(name="last")(lambda: tale.tell("registered after what never started"))
    assert await live(tale.life) == 3
    assert downs == pytest.approx([10.5], abs=0.1)
    assert tale.told == ["a up", "a down"]
    assert outcomes(tale.life)["deaf"] == "stuck"


async def test_a_stop_from_before_the_start_starts_nothing_and_exits_0() -> None:
    tale = story()
    tale.pair("a")
    tale.life._early.noted_at = time.monotonic()
    assert await live(tale.life) == 0
    assert tale.told == []
    assert (tale.life.report.reason, tale.life.report.signal) == ("SIGTERM", "SIGTERM")


# The trigger.


async def test_ready_waits_for_the_trigger_and_the_post_start_hooks(tmp_path: Path) -> None:
    file = tmp_path / "done"
    life = Lifecycle(post_start_file=file)
    seen: list[object] = []

    @life.on_post_start
    async def warmed(trigger: Trigger) -> None:
        await anyio.sleep(3)
        seen.append((trigger.message, life.phase))

    async def main(life: Lifecycle) -> None:
        seen.append(round(anyio.current_time() - began))

    began = anyio.current_time()
    assert await live(life, main, stop_at=10, then=lambda: file.write_text("Wake up!\n")) == 0
    assert seen == [("Wake up!", "starting"), 13]


async def test_without_a_trigger_file_post_start_hooks_are_not_run_and_a_warning_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    life = Lifecycle()
    life.on_post_start(name="warm")(lambda: None)
    assert await live(life, stop_at=1) == 0
    assert outcomes(life) == {"warm": "not run"}
    assert "no post_start_file is set: post-start hooks are not run" in caplog.messages


async def test_a_trigger_that_never_comes_fails_the_start_after_its_timeout(tmp_path: Path) -> None:
    tale = story(post_start_file=tmp_path / "done", post_start_timeout=60)
    tale.pair("a")
    began = anyio.current_time()
    assert await live(tale.life) == 3
    assert anyio.current_time() - began == pytest.approx(60, abs=1)
    assert tale.told == ["a up", "a down"]
    assert causes(tale.life)[0].startswith(
        f"{TriggerTimeoutError.__name__}: {tmp_path}/done did not appear within"
    )


async def test_a_trigger_that_cannot_be_used_fails_the_start_at_once(tmp_path: Path) -> None:
    tale = story(post_start_file=tmp_path)

    @tale.life.on_startup
    async def slow() -> None:
        await anyio.sleep(100)

    began = anyio.current_time()
    assert await live(tale.life) == 3
    assert anyio.current_time() - began < 50, "the startup hooks are not waited for"
    assert "TriggerError" in causes(tale.life)[0]


async def test_a_trigger_that_does_not_come_is_named_every_10_seconds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    life = Lifecycle(post_start_file=tmp_path / "done")
    assert await live(life, stop_at=35) == 0
    told = [record for record in caplog.records if record.message == "still not ready"]
    assert len(told) == 3
    assert "done" in told[0].__dict__["reason"]
    assert phases(life) == ["starting", "stopping", "stopped"]


async def test_nothing_more_is_said_about_the_trigger_once_the_start_is_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    life = Lifecycle(post_start_file=tmp_path / "done")
    life.on_startup(name="a")(lambda: None)

    @life.on_shutdown(name="a")
    async def slow() -> None:
        await anyio.sleep(20)

    assert await live(life, stop_at=5) == 0
    assert life.report.used == pytest.approx(20, abs=0.1)
    assert "still not ready" not in caplog.messages


async def test_a_failing_post_start_hook_fails_the_start(tmp_path: Path) -> None:
    file = tmp_path / "done"
    file.write_text("")
    tale = story(post_start_file=file, post_start_fresh=False)
    tale.pair("a")

    @tale.life.on_post_start
    def warm() -> None:
        raise OSError("cold")

    assert await live(tale.life) == 3
    assert tale.told == ["a up", "a down"]
    assert isinstance(tale.life.failure, BaseExceptionGroup)
    assert isinstance(tale.life.failure.exceptions[0], StartError)


async def test_a_post_start_hook_has_its_own_timeout(tmp_path: Path) -> None:
    file = tmp_path / "done"
    file.write_text("")
    life = Lifecycle(post_start_file=file, post_start_fresh=False)

    @life.on_post_start(timeout=5)
    async def warm() -> None:
        await anyio.sleep(100)

    began = anyio.current_time()
    assert await live(life) == 3
    assert anyio.current_time() - began == pytest.approx(5, abs=1)
    assert outcomes(life) == {"warm": "timed out"}


async def test_what_is_being_waited_for_is_said_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "done"
    life = Lifecycle(post_start_file=file)
    reasons: list[str] = []

    def look() -> None:
        assert life._engine is not None
        reasons.append(life._engine.waiting_for)

    @life.on_startup(name="db")
    async def startup() -> None:
        look()
        await anyio.sleep(5)

    @life.on_post_start(name="warm")
    async def post_start() -> None:
        look()

    async def watch() -> None:
        await anyio.sleep(10)
        look()
        file.write_text("")

    async def main() -> None:
        look()
        life.request_stop("enough")
        look()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        assert await live(life, main) == 0
    startup_reason, waiting, post_start_reason, ready, stopping = reasons
    assert startup_reason == "startup: db"
    assert str(file) in waiting
    assert post_start_reason == "post-start: warm"
    assert ready == "serving"
    assert stopping == "lame duck: enough"
