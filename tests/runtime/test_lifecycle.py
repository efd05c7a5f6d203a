"""The object that an application holds: registration, questions, requests."""

import functools
import json
import re
import signal
import threading
from pathlib import Path
from typing import Any, Literal

import anyio
import anyio.to_thread
import pytest

import lifecycle
from lifecycle import (
    AlreadyStartedError,
    HookOrderError,
    Lifecycle,
    NotRunningError,
    Phase,
    RegistrationError,
    SettingsError,
    StopRequest,
    Trigger,
    wait_for_file,
)
from lifecycle.core import Event
from lifecycle.runtime import Watchdog
from tests.support.clock import flowing
from tests.support.living import live, outcomes, until_stopped

HERE = re.escape(__file__)
KINDS = ("on_startup", "on_post_start", "on_pre_stop", "on_shutdown", "resource", "task")


@pytest.fixture
def life() -> Lifecycle:
    return Lifecycle()


# Registration.


@pytest.mark.parametrize("kind", KINDS)
def test_a_decorator_returns_the_function_unchanged_bare_and_with_options(
    life: Lifecycle, kind: str
) -> None:
    async def first() -> None: ...
    async def second() -> None: ...
    async def third() -> None: ...

    decorator = getattr(life, kind)
    assert decorator(first) is first
    assert decorator()(second) is second
    assert decorator(name="other")(third) is third


@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_remembers_where_it_was_registered(life: Lifecycle, kind: str) -> None:
    getattr(life, kind)(lambda: None)
    assert re.fullmatch(rf"{HERE}:\d+", life._hooks[0].where)


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_option_is_refused_with_the_known_ones(life: Lifecycle, kind: str) -> None:
    with pytest.raises(
        RegistrationError,
        match=rf"@life\.{kind} at {HERE}:\d+ has no option priority: there are name, ",
    ):
        getattr(life, kind)(priority=3)


@pytest.mark.parametrize("kind", KINDS)
def test_an_option_that_is_not_a_keyword_is_refused(life: Lifecycle, kind: str) -> None:
    with pytest.raises(RegistrationError, match=rf"@life\.{kind}\('db'\) .* options are keywords"):
        getattr(life, kind)("db")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_a_function_is_refused(life: Lifecycle, kind: str) -> None:
    with pytest.raises(RegistrationError, match=r"was given 3, which is not a function"):
        getattr(life, kind)()(3)


@pytest.mark.parametrize(
    ("kind", "takes"),
    [
        ("on_startup", "no argument"),
        ("on_shutdown", "no argument"),
        ("resource", "no argument"),
        ("task", "no argument"),
        ("on_post_start", r"nothing or exactly one argument \(trigger: Trigger\)"),
        ("on_pre_stop", r"nothing or exactly one argument \(request: StopRequest\)"),
    ],
)
def test_a_hook_with_arguments_that_nobody_will_give_is_refused(
    life: Lifecycle, kind: str, takes: str
) -> None:
    def greedy(one: int, two: int) -> None: ...

    with pytest.raises(
        RegistrationError,
        match=rf"greedy\(one: int, two: int\) -> None cannot be called: such a hook takes {takes}",
    ):
        getattr(life, kind)(greedy)


@pytest.mark.parametrize("timeout", [0, -1, True, "3", float("nan"), float("inf")])
def test_a_timeout_that_is_no_duration_is_refused(life: Lifecycle, timeout: Any) -> None:
    with pytest.raises(RegistrationError, match=r"timeout=.*: a timeout is seconds above 0 "):
        life.on_startup(timeout=timeout)(lambda: None)


@pytest.mark.parametrize("name", ["", 3])
def test_a_name_is_a_string_that_is_not_empty(life: Lifecycle, name: Any) -> None:
    with pytest.raises(RegistrationError, match=r"a name is a non-empty string"):
        life.on_startup(name=name)(lambda: None)


@pytest.mark.parametrize(
    ("after", "advice"),
    [
        ("db", r"write a tuple, after=\('db',\)"),
        (3, "write a tuple of hook names"),
        ((len,), "write names"),
    ],
)
def test_after_is_a_tuple_of_names(life: Lifecycle, after: Any, advice: str) -> None:
    with pytest.raises(RegistrationError, match=advice):
        life.on_startup(after=after)(lambda: None)


def test_the_same_function_twice_is_refused_with_the_first_place(life: Lifecycle) -> None:
    def hook() -> None: ...

    life.on_startup(hook)
    life.on_shutdown(hook)  # another kind is another hook
    with pytest.raises(
        RegistrationError, match=rf"is registered already, at {HERE}:\d+: once is enough"
    ):
        life.on_startup(hook)


def test_a_given_name_is_taken_once_per_kind(life: Lifecycle) -> None:
    life.on_startup(name="db")(lambda: None)
    life.on_shutdown(name="db")(lambda: None)
    with pytest.raises(
        RegistrationError, match=rf"the name is taken by the on_startup hook at {HERE}:\d+"
    ):
        life.on_startup(name="db")(lambda: None)


async def test_registration_after_the_start_is_refused(life: Lifecycle) -> None:
    async def main() -> None:
        with pytest.raises(
            RegistrationError, match="registered after the start, and would never run"
        ):
            life.on_shutdown(lambda: None)

    assert await live(life, main) == 0


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (
            signal.SIGTERM,
            "SIGTERM asks the process to stop, so use @life.on_pre_stop or @life.on_shutdown",
        ),
        (signal.SIGINT, "SIGINT asks the process to stop"),
        (signal.SIGQUIT, "SIGQUIT asks the process to stop"),
        (signal.SIGKILL, "no program can handle SIGKILL"),
        (signal.SIGSTOP, "no program can handle SIGSTOP"),
        (999, "no such signal on this system"),
        (len, "no such signal on this system"),
    ],
)
def test_a_signal_that_cannot_have_a_hook_is_refused(
    life: Lifecycle, number: Any, advice: str
) -> None:
    with pytest.raises(RegistrationError, match=advice):
        life.on_signal(number)


@pytest.mark.parametrize("kind", ["on_startup", "on_shutdown", "on_pre_stop", "on_post_start"])
async def test_after_in_a_circle_fails_the_start_with_the_circle(
    life: Lifecycle, kind: str
) -> None:
    getattr(life, kind)(name="a", after=("b",))(lambda: None)
    getattr(life, kind)(name="b", after=("a",))(lambda: None)
    assert await live(life) == 3
    assert isinstance(life.failure, BaseExceptionGroup)
    (error,) = life.failure.exceptions
    assert isinstance(error, HookOrderError)
    assert re.search(r"after= goes in a circle: '(a' → 'b' → 'a|b' → 'a' → 'b)'", str(error))
    assert __file__ in str(error)


async def test_after_an_unknown_name_fails_the_start_with_the_known_ones(life: Lifecycle) -> None:
    life.on_startup(name="cache")(lambda: None)
    life.on_startup(name="warm", after=("chache",))(lambda: None)
    assert await live(life) == 3
    assert (
        "after 'chache', but no on_startup hook has that name: known are cache, warm"
        in life.report.failures[0]
    )


# How things stand.


async def test_before_the_start_it_says_so(life: Lifecycle) -> None:
    assert life.phase is Phase.STARTING
    assert life.remaining() == pytest.approx(28.5)
    assert life.report.exit_status is None
    assert life.failure is None
    assert not life.stop_requested.is_set()
    assert re.fullmatch(rf"<Lifecycle starting created at {HERE}:\d+>", repr(life))
    with pytest.raises(NotRunningError, match=r"request_stop\(\) needs a running lifecycle"):
        life.request_stop("too early")
    with pytest.raises(NotRunningError, match=r"changes\(\) needs a running lifecycle"):
        async for _ in life.changes():
            pass


@pytest.mark.parametrize("code", [-1, 256, True, "0", 1.0])
async def test_an_exit_code_is_a_byte(life: Lifecycle, code: Any) -> None:
    with pytest.raises(ValueError, match="an exit status is a whole number, 0 to 255"):
        life.request_stop("why", exit_code=code)


async def test_remaining_is_counted_from_the_first_request_and_never_again(life: Lifecycle) -> None:
    seen: list[float] = []

    async def main() -> None:
        await anyio.sleep(100)
        seen.append(life.remaining())
        life.request_stop("first")
        await anyio.sleep(10)
        life.request_stop("second")
        seen.append(life.remaining())
        await anyio.sleep(10)
        seen.append(life.remaining())

    assert await live(life, main) == 0
    assert seen == pytest.approx([28.5, 18.5, 8.5])
    assert life.report.reason == "first"
    assert life.report.used == pytest.approx(20)


async def test_changes_tells_every_change_until_the_last(life: Lifecycle) -> None:
    told: list[tuple[Phase, Event]] = []

    async def listen() -> None:
        told.extend([(change.after, change.cause) async for change in life.changes()])

    async with anyio.create_task_group() as group:

        async def main(life: Lifecycle) -> None:
            group.start_soon(listen)
            await anyio.sleep(1)

        assert await live(life, main) == 0
    assert told == [
        (Phase.LAME_DUCK, Event.STOP_REQUESTED),
        (Phase.DRAINING, Event.ROUTES_WITHDRAWN),
        (Phase.STOPPING, Event.DRAINED),
        (Phase.STOPPED, Event.SHUT_DOWN),
    ]
    with pytest.raises(StopAsyncIteration):
        await anext(life.changes())


# Asking it to act.


async def test_request_stop_from_a_thread_stops_it(life: Lifecycle) -> None:
    async def main(life: Lifecycle) -> None:
        await anyio.to_thread.run_sync(life.request_stop, "from a thread", 9)
        await life.stop_requested.wait()

    assert await live(life, main) == 9
    assert (life.report.reason, life.report.source) == ("from a thread", "call")


async def test_the_first_request_decides_the_exit_status(life: Lifecycle) -> None:
    async def main(life: Lifecycle) -> None:
        life.request_stop("first", exit_code=42)
        life.request_stop("second", exit_code=0)

    assert await live(life, main) == 42
    assert life.phase is Phase.FAILED


async def test_a_failure_wins_over_the_chosen_exit_status(life: Lifecycle) -> None:
    @life.on_shutdown
    def fail() -> None:
        raise ValueError("no")

    assert await live(life, stop_at=1, then=lambda: life.request_stop("why", exit_code=42)) == 5


async def test_a_request_after_the_end_changes_nothing(life: Lifecycle) -> None:
    assert await live(life, stop_at=1) == 0
    life.request_stop("late", exit_code=3)
    assert (life.report.exit_status, life.report.reason) == (0, "enough")


async def test_hooks_get_the_argument_that_they_ask_for_and_no_other(
    life: Lifecycle, tmp_path: Any
) -> None:
    got: list[object] = []
    file = tmp_path / "done"
    life = Lifecycle(post_start_file=file, post_start_fresh=False)

    @life.on_post_start
    async def with_trigger(trigger: Trigger) -> None:
        got.append(trigger.message)

    @life.on_post_start
    def without() -> None:
        got.append("nothing")

    @life.on_post_start
    async def with_default(count: int = 7) -> None:
        got.append(count)

    @life.on_pre_stop
    def with_request(request: StopRequest) -> None:
        got.append((request.reason, request.source, request.signal))

    life.on_pre_stop(functools.partial(got.append, "partial"))
    file.write_text("Wake up!\n")
    assert await live(life, stop_at=2) == 0
    assert got == ["Wake up!", "nothing", 7, ("enough", "call", None), "partial"]


# Running.


async def test_started_twice_is_refused_with_the_place_of_its_making(life: Lifecycle) -> None:
    assert await live(life, stop_at=1) == 0
    with pytest.raises(
        AlreadyStartedError,
        match=rf"<Lifecycle stopped created at {HERE}:\d+> has been started before",
    ):
        await life.run_async(until_stopped)


async def test_started_while_it_runs_is_refused_and_disturbs_nothing(life: Lifecycle) -> None:
    async def main(life: Lifecycle) -> None:
        with pytest.raises(AlreadyStartedError, match="has been started before"):
            await life.run_async(until_stopped)

    assert await live(life, main) == 0


async def test_two_at_once_are_refused_and_the_second_can_run_later(life: Lifecycle) -> None:
    other = Lifecycle()

    async def main() -> None:
        with pytest.raises(
            AlreadyStartedError,
            match="another Lifecycle is running in this process and owns its signals",
        ):
            await other.run_async(until_stopped)

    assert await live(life, main) == 0
    assert await live(other, stop_at=1) == 0


async def test_reset_forgets_a_life_that_is_over_and_keeps_the_hooks(life: Lifecycle) -> None:
    runs: list[str] = []
    life.on_startup(lambda: runs.append("up"))

    async def main(life: Lifecycle) -> None:
        with pytest.raises(
            AlreadyStartedError, match=r"is still running: stop it before reset\(\)"
        ):
            life.reset()

    assert await live(life, main) == 0
    life.reset()
    assert life.phase is Phase.STARTING
    assert not life.stop_requested.is_set()
    assert life.report.exit_status is None
    assert await live(life, main) == 0
    assert runs == ["up", "up"]


@pytest.mark.parametrize("main", [3, lambda: None, print])
async def test_a_main_that_is_no_coroutine_function_is_refused(life: Lifecycle, main: Any) -> None:
    with pytest.raises(
        RegistrationError, match=r"which is not a function|is a coroutine function \(async def\)"
    ):
        await life.run_async(main)
    assert await live(life, stop_at=1) == 0, "and nothing was started"


async def test_a_main_that_returns_ends_the_life(life: Lifecycle) -> None:
    async def main() -> None:
        await anyio.sleep(3)

    assert await live(life, main) == 0
    assert life.report.reason == "main returned"


async def test_cancelling_what_surrounds_a_life_forces_its_stop_and_its_hooks_run(
    life: Lifecycle,
) -> None:
    ran: list[str] = []

    @life.on_shutdown
    async def close() -> None:
        await anyio.sleep(0.5)
        ran.append("closed")

    async def main() -> None:
        await anyio.sleep(100)

    with anyio.move_on_after(3):
        await life.run_async(main)
    assert ran == ["closed"]
    assert (life.phase, life.report.exit_status) == (Phase.FAILED, 7)
    assert outcomes(life)["close"] == "ok"
    life.reset()


async def test_off_the_main_thread_it_works_and_says_what_does_not(
    life: Lifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    statuses: list[int] = []
    thread = threading.Thread(
        target=lambda: statuses.append(life.run(until_stopped)), name="not the main one"
    )
    thread.start()
    while life.phase is not Phase.READY:
        await anyio.to_thread.run_sync(threading.Event().wait, 0.01)
    life.request_stop("from outside")
    await anyio.to_thread.run_sync(thread.join)
    assert statuses == [0]
    assert "not in the main thread: signals cannot be handled here" in caplog.text


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
async def test_off_the_main_thread_a_blocked_event_loop_is_named_at_the_deadline(
    backend: Literal["asyncio", "trio"], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Hasty(Watchdog):
        def arm(self, seconds: float) -> None:
            super().arm(seconds / 1000)

    monkeypatch.setattr("lifecycle.runtime._host.Watchdog", Hasty)
    life = Lifecycle(report_file=tmp_path / "report")
    blocked, release, statuses = threading.Event(), threading.Event(), list[int]()

    async def main() -> None:
        blocked.set()
        release.wait(20)

    thread = threading.Thread(target=lambda: statuses.append(life.run(main, backend=backend)))
    thread.start()
    blocked.wait(20)
    life.request_stop("from outside")
    with flowing(), anyio.fail_after(20):
        told = await wait_for_file(tmp_path / "report")
    release.set()
    thread.join(20)
    report = json.loads(told.message)
    assert report["outcome"] == "deadline"
    assert any("release.wait(20)" in stack for stack in report["stacks"].values())
    assert statuses == [0], "it went on, and ended well"


# In flight.


async def test_a_drain_waits_for_what_is_in_flight_in_tasks_and_threads(life: Lifecycle) -> None:
    ended: list[str] = []
    release = threading.Event()

    @life.track
    async def job() -> None:
        await anyio.sleep(5)
        ended.append("tracked")

    @life.track
    def threaded() -> str:
        release.wait(5)
        ended.append("in a thread")
        return "value"

    @life.on_shutdown
    def close() -> None:
        ended.append("closed")

    async with anyio.create_task_group() as group:

        async def main(life: Lifecycle) -> None:
            group.start_soon(job)
            group.start_soon(anyio.to_thread.run_sync, threaded)
            await anyio.sleep(1)
            group.start_soon(_set_later, release)

        assert await live(life, main) == 0
    assert sorted(ended[:2]) == ["in a thread", "tracked"]
    assert ended[2:] == ["closed"]
    assert life.report.finished == 2


async def _set_later(event: threading.Event) -> None:
    await anyio.sleep(0.1)
    event.set()


async def test_track_returns_what_the_function_returns_and_names_it(life: Lifecycle) -> None:
    @life.track
    def add(one: int, two: int = 2) -> int:
        return one + two

    @life.track
    async def slow(one: int) -> int:
        return one

    names: list[str] = []

    class Caller:
        async def __call__(self) -> None:
            names.extend(work.name for work in life._works)

    assert add(1) == 3
    assert await slow(4) == 4
    assert add.__name__ == "add"
    await life.track(Caller())()
    assert len(names) == 1, "counted while it is awaited, not only while it is called"


def test_track_refuses_generator_functions(life: Lifecycle) -> None:
    def numbers() -> Any:
        yield 1

    with pytest.raises(
        RegistrationError, match=r"generator function .*numbers: use life.in_flight inside it"
    ):
        life.track(numbers)


async def test_an_error_goes_through_in_flight_and_the_work_has_ended(life: Lifecycle) -> None:
    with pytest.raises(ValueError, match="no"), life.in_flight("job 42"):
        raise ValueError("no")
    assert len(life._works) == 0


def test_a_contradiction_among_the_settings_is_refused_at_once() -> None:
    with pytest.raises(SettingsError, match="grace_period"):
        Lifecycle(grace_period=3)


def test_the_facade_is_the_same_class() -> None:
    assert lifecycle.Lifecycle is Lifecycle
