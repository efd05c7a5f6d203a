"""The whole line, from the request to the exit: lame duck, drain, shutdown hooks, one deadline, one exit status."""

import functools
import re
import threading
import time
from collections.abc import AsyncIterator, Callable
from signal import SIGINT, SIGQUIT, SIGTERM, raise_signal

import anyio
import anyio.to_thread
import pytest

from lifecycle import ExitStatus, Lifecycle, StopSource
from lifecycle.core import Event
from lifecycle.runtime import Engine, Host
from tests.support.living import after, deaf, live, outcomes, phases


def seconds(life: Lifecycle) -> dict[str, float]:
    """Seconds that each phase took."""
    return {phase.phase: (phase.ended or phase.began) - phase.began for phase in life.report.phases}


async def routed(life: Lifecycle, action: Callable[[Engine], object], *, at: float = 1) -> None:
    """Live as a server's application does: routers send it work."""
    async with (
        anyio.create_task_group() as group,
        Host(life, owns_process=False, routed=True).open() as engine,
    ):
        group.start_soon(after, at, lambda: action(engine))
        await engine.over.wait()


# Shutdown hooks.


async def test_shutdown_goes_on_after_failures_and_reports_all_by_name_place_and_time() -> None:
    life = Lifecycle()

    @life.on_shutdown
    async def first() -> None:
        await anyio.sleep(1)
        raise ValueError("one")

    @life.on_shutdown
    def second() -> None:
        raise SystemExit("two")

    @life.on_shutdown
    async def third() -> None:
        await anyio.sleep(2)

    @life.resource
    async def fourth() -> AsyncIterator[None]:
        yield
        raise OSError("four")

    assert await live(life, stop_at=5) == ExitStatus.HOOK_FAILED
    assert life.failure is not None
    assert [str(error) for error in life.failure.exceptions] == ["four", "two", "one"]
    assert life.report.failures == ["OSError: four", "SystemExit: two", "ValueError: one"]
    closing = [hook for hook in life.report.hooks if hook.kind != "resource"]
    assert [(hook.name, hook.outcome, hook.error) for hook in closing] == [
        ("fourth", "failed", "OSError: four"),
        ("third", "ok", None),
        ("second", "failed", "SystemExit: two"),
        ("first", "failed", "ValueError: one"),
    ]
    assert all(re.fullmatch(rf"{__file__}:\d+", hook.where) for hook in closing)
    assert [hook.seconds for hook in closing] == pytest.approx([0, 2, 0, 1], abs=0.1)


async def test_each_error_tells_which_hook_it_came_from() -> None:
    life = Lifecycle()

    @life.on_shutdown
    async def close() -> None:
        await anyio.sleep(1)
        raise ValueError("no")

    assert await live(life, stop_at=1) == 5
    assert life.failure is not None
    (error,) = life.failure.exceptions
    (note,) = error.__notes__
    assert re.fullmatch(rf"on_shutdown hook 'close' \({__file__}:\d+\) failed after 1.00 s", note)


async def test_a_hook_that_hangs_is_cancelled_named_and_costs_the_next_nothing() -> None:
    life = Lifecycle()
    ran: list[str] = []

    @life.on_shutdown
    async def last() -> None:
        await anyio.sleep(0.1)
        ran.append("last")

    @life.on_shutdown
    async def hangs() -> None:
        await anyio.sleep(1000)

    assert await live(life, stop_at=1) == 5
    assert ran == ["last"]
    assert outcomes(life) == {"hangs": "timed out", "last": "ok"}
    assert life.report.used < 28.5


async def test_a_shutdown_hook_has_its_own_timeout() -> None:
    life = Lifecycle()

    @life.on_shutdown(timeout=2)
    async def hangs() -> None:
        await anyio.sleep(1000)

    assert await live(life, stop_at=1) == 5
    assert life.report.used == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("how", ["async", "thread"])
async def test_hooks_that_swallow_cancellation_after_a_slow_drain_cost_nobody_their_turn(
    how: str,
) -> None:
    # A thread takes real time: a shorter grace period then.
    life = Lifecycle(grace_period=30 if how == "async" else 6.5)
    ran: list[str] = []
    release = threading.Event()

    @life.on_shutdown
    async def good() -> None:
        await anyio.sleep(0.05)
        ran.append("good")

    async def swallows() -> None:
        await deaf(60)

    def hangs() -> None:
        release.wait(60)

    for number in range(3):
        life.on_shutdown(name=f"bad {number}")(
            functools.partial(swallows if how == "async" else hangs)
        )

    async def main() -> None:
        await anyio.sleep(1000)

    try:
        assert await live(life, main, stop_at=1) == ExitStatus.WORK_ABANDONED
    finally:
        release.set()
    assert ran == ["good"]
    assert outcomes(life) == {f"bad {number}": "stuck" for number in range(3)} | {"good": "ok"}
    assert life.report.used < life.settings.budget.deadline


async def test_cancelled_work_is_awaited_before_anything_is_closed() -> None:
    life = Lifecycle()
    told: list[str] = []

    @life.resource
    async def pool() -> AsyncIterator[None]:
        yield
        told.append("closed")

    @life.task
    async def worker() -> None:
        try:
            await anyio.sleep(1000)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.5)
            told.append("gave back")

    assert await live(life, stop_at=1) == 4
    assert told == ["gave back", "closed"]


# Pre-stop hooks.


async def test_pre_stop_hooks_run_once_while_it_serves_and_before_the_drain() -> None:
    life = Lifecycle()
    told: list[str] = []

    @life.on_pre_stop
    async def leave() -> None:
        await anyio.sleep(2)
        told.append(f"left in {life.phase}")

    async def main(life: Lifecycle) -> None:
        life.request_stop("one")
        life.request_stop("two")

    assert await live(life, main) == 0
    assert told == ["left in lame duck"]
    assert seconds(life)["lame duck"] == pytest.approx(2)


async def test_a_pre_stop_hook_that_hangs_costs_half_of_the_drain_and_nobody_their_turn() -> None:
    life = Lifecycle()
    ran: list[str] = []

    @life.on_pre_stop
    async def hangs() -> None:
        await deaf(1000)

    @life.on_pre_stop
    async def after_it() -> None:
        ran.append("after it")

    life.on_shutdown(lambda: ran.append("closed"))
    assert await live(life, stop_at=1) == 5
    assert ran == ["after it", "closed"]
    assert seconds(life)["lame duck"] <= 12
    assert outcomes(life) == {"hangs": "stuck", "after_it": "ok", "<lambda>": "ok"}


@pytest.mark.parametrize("drain_timeout", [0, 0.5])
async def test_a_short_drain_leaves_pre_stop_hooks_their_time(drain_timeout: float) -> None:
    life = Lifecycle(drain_timeout=drain_timeout)
    life.on_pre_stop(name="leave")(lambda: threading.Event().wait(0.05))

    @life.on_pre_stop
    async def slow() -> None:
        await anyio.sleep(3)

    assert await live(life, stop_at=1) == 0


async def test_pre_stop_hooks_that_fail_change_the_status_and_nothing_else() -> None:
    life = Lifecycle()

    @life.on_pre_stop
    def fail() -> None:
        raise ValueError("no")

    assert await live(life, stop_at=1) == 5
    assert phases(life)[-2:] == ["stopping", "failed"]


async def test_a_process_that_never_served_runs_no_pre_stop_hooks() -> None:
    life = Lifecycle()
    ran: list[str] = []
    life.on_pre_stop(lambda: ran.append("pre-stop"))

    @life.on_startup
    async def slow() -> None:
        await anyio.sleep(10)

    assert await live(life, stop_at=5) == 0
    assert ran == []


# The lame duck.


async def test_in_kubernetes_routers_get_their_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    life = Lifecycle()
    await routed(life, lambda _: raise_signal(SIGTERM))
    assert seconds(life)["lame duck"] == pytest.approx(5, abs=0.1)
    assert life.report.exit_status == 0


async def test_work_that_no_router_sends_needs_no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    life = Lifecycle()
    assert await live(life, stop_at=1) == 0
    assert seconds(life)["lame duck"] == 0


@pytest.mark.parametrize("source", ["SIGINT", "a server that has closed its port"])
async def test_where_nobody_routes_any_more_there_is_no_delay(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    life = Lifecycle()
    if source == "SIGINT":
        await routed(life, lambda _: raise_signal(SIGINT))
    else:
        await routed(life, lambda engine: engine.stop("lifespan.shutdown", StopSource.SERVER))
    assert seconds(life)["lame duck"] == 0
    assert life.report.exit_status == 0


async def test_a_second_request_neither_shortens_nor_restarts_the_delay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    life = Lifecycle()

    def stop(engine: Engine) -> None:
        engine.stop("preStop", StopSource.ENDPOINT)
        engine.spawn(after, 3, lambda: raise_signal(SIGTERM))
        engine.spawn(after, 4, lambda: raise_signal(SIGTERM))

    await routed(life, stop)
    assert seconds(life)["lame duck"] == pytest.approx(5, abs=0.1)
    assert (life.report.source, life.report.signal, life.report.exit_status) == (
        "endpoint",
        None,
        0,
    )


async def test_outside_kubernetes_a_delay_is_what_was_set() -> None:
    life = Lifecycle(shutdown_delay=3)
    assert await live(life, stop_at=1) == 0
    assert seconds(life)["lame duck"] == pytest.approx(3)


# The drain.


async def test_a_drain_that_runs_out_of_time_names_the_abandoned() -> None:
    life = Lifecycle()
    closed: list[float] = []

    # Not in a worker thread: a busy machine takes its time to start one.
    @life.on_shutdown
    async def close() -> None:
        closed.append(life.remaining())

    async def main(life: Lifecycle) -> None:
        with life.in_flight("job 42"):
            await anyio.sleep(1000)

    assert await live(life, main, stop_at=10) == ExitStatus.WORK_ABANDONED
    assert [(work.name, round(work.age)) for work in life.report.abandoned] == [
        ("job 42", 34),
        ("task main", 34),
    ]
    assert closed[0] == pytest.approx(5, abs=0.6), "the reserve of the hooks survives"
    assert life.failure is None


async def test_drain_timeout_ends_the_drain_sooner() -> None:
    life = Lifecycle(drain_timeout=3)

    async def main() -> None:
        await anyio.sleep(1000)

    assert await live(life, main, stop_at=10) == 4
    assert seconds(life)["draining"] == pytest.approx(3)


async def test_the_drain_ends_with_the_last_work_and_not_later() -> None:
    life = Lifecycle()

    async def main(life: Lifecycle) -> None:
        await life.stop_requested.wait()
        with life.in_flight("job"):
            await anyio.sleep(7)

    assert await live(life, main, stop_at=10) == 0
    assert seconds(life)["draining"] == pytest.approx(7)
    assert life.report.abandoned == []


async def test_work_that_goes_on_although_it_was_cut_off_is_named_and_not_waited_for() -> None:
    life = Lifecycle()
    async with anyio.create_task_group() as group:

        async def foreign() -> None:
            with life.in_flight("foreign"):
                await deaf(100)

        group.start_soon(foreign)
        assert await live(life, stop_at=1) == 4
    assert life.report.used < 28.5
    assert life.report.failures == ["foreign goes on although it was cut off"]


# Tasks.


async def test_a_task_that_looks_at_stop_requested_is_waited_for() -> None:
    life = Lifecycle()
    told: list[str] = []

    @life.task
    async def poll() -> None:
        await life.stop_requested.wait()
        await anyio.sleep(10)
        told.append("finished")

    assert await live(life, stop_at=1) == 0
    assert told == ["finished"]


async def test_a_task_with_finish_false_is_cancelled_when_the_drain_begins_and_is_no_loss() -> None:
    life = Lifecycle()
    told: list[str] = []

    @life.task(finish=False)
    async def tick() -> None:
        try:
            await anyio.sleep(1000)
        finally:
            told.append(life.phase)

    assert await live(life, stop_at=1) == 0
    assert told == ["draining"]
    assert seconds(life)["draining"] == 0


@pytest.mark.parametrize("finish", [True, False])
async def test_a_sync_task_runs_in_a_thread_and_is_named_when_it_does_not_end(
    *, finish: bool
) -> None:
    life = Lifecycle(drain_timeout=0)
    release = threading.Event()
    life.task(name="hung", finish=finish)(lambda: release.wait(20))
    try:
        assert await live(life, stop_at=0.1) == 4
    finally:
        release.set()
    assert [work.name for work in life.report.abandoned] == ["task hung"]
    assert outcomes(life) == {"hung": "stuck"}
    assert life._engine is not None
    assert life._engine.record.stuck, "the process must not wait for that thread"


async def test_a_task_that_swallows_its_cancellation_is_named_and_not_waited_for() -> None:
    life = Lifecycle()

    @life.task(name="hung", finish=False)
    async def hung() -> None:
        await deaf(100)

    assert await live(life, stop_at=1) == 4
    assert life.report.used < 28.5
    assert [work.name for work in life.report.abandoned] == ["task hung"]
    assert outcomes(life) == {"hung": "stuck"}


async def test_an_essential_task_that_crashes_stops_the_process() -> None:
    life = Lifecycle()
    ran: list[str] = []
    life.on_shutdown(lambda: ran.append("closed"))

    @life.task(essential=True)
    async def consume() -> None:
        await anyio.sleep(5)
        raise OSError("broker gone")

    assert await live(life, stop_at=100) == ExitStatus.TASK_CRASHED
    assert ran == ["closed"]
    assert re.fullmatch(
        rf"task hook 'consume' \({__file__}:\d+\) crashed: OSError: broker gone",
        life.report.reason or "",
    )
    assert life.report.source == "task"


async def test_another_task_that_crashes_is_reported_and_stops_nothing() -> None:
    life = Lifecycle()

    @life.task
    async def refresh() -> None:
        raise OSError("no network")

    assert await live(life, stop_at=10) == 0
    assert outcomes(life) == {"refresh": "failed"}
    assert seconds(life)["ready"] == pytest.approx(10)


async def test_a_task_that_returns_stops_nothing() -> None:
    life = Lifecycle()

    @life.task(essential=True)
    async def once() -> None: ...

    assert await live(life, stop_at=10) == 0
    assert seconds(life)["ready"] == pytest.approx(10)


async def test_tasks_begin_when_it_is_ready() -> None:
    life = Lifecycle()
    seen: list[str] = []

    @life.task
    async def look() -> None:
        seen.append(life.phase)

    assert await live(life, stop_at=1) == 0
    assert seen == ["ready"]


async def test_a_main_function_that_crashes_shuts_down_in_order_with_its_own_status() -> None:
    life = Lifecycle()
    ran: list[str] = []
    life.on_shutdown(lambda: ran.append("closed"))

    async def main() -> None:
        raise ValueError("no")

    assert await live(life, main) == 6
    assert ran == ["closed"]
    assert life.report.failures == ["ValueError: no"]


# One deadline.


async def test_everything_that_hangs_at_once_still_ends_before_the_deadline() -> None:
    life = Lifecycle(shutdown_delay=3)
    ran: list[str] = []

    async def hang() -> None:
        await deaf(1000)

    life.on_shutdown(lambda: ran.append("closed"))
    life.on_pre_stop(hang)
    life.on_shutdown(hang)
    life.task(hang)

    async def main(life: Lifecycle) -> None:
        with life.in_flight("job"):
            await deaf(1000)

    assert await live(life, main, stop_at=1) == 4
    assert ran == ["closed"]
    assert life.report.used < 28.5


async def test_a_signal_that_waited_counts_from_when_it_came() -> None:
    life = Lifecycle()
    left: list[float] = []

    def late(engine: Engine) -> None:
        engine.stop("SIGTERM", StopSource.SIGNAL, signal=SIGTERM, late=10)
        left.append(life.remaining())

    before = time.time()
    await routed(life, late)
    assert left == pytest.approx([18.5])
    assert life.report.requested_at == pytest.approx(before - 10, abs=2)


# Forced.


def twice() -> None:
    raise_signal(SIGINT)
    raise_signal(SIGINT)


@pytest.mark.parametrize("force", [lambda: raise_signal(SIGQUIT), twice])
async def test_a_forced_stop_cuts_the_drain_and_gives_the_hooks_a_second(
    force: Callable[[], None],
) -> None:
    life = Lifecycle()
    ran: list[str] = []

    @life.on_shutdown
    async def last() -> None:
        ran.append("last")

    @life.on_shutdown
    async def slow() -> None:
        await anyio.sleep(100)

    async def main(life: Lifecycle) -> None:
        with life.in_flight("job"):
            await anyio.sleep(1000)

    assert await live(life, main, stop_at=5, then=force) == ExitStatus.FORCED
    assert ran == ["last"]
    assert life.report.used <= 1.1
    assert outcomes(life) == {"slow": "timed out", "last": "ok"}
    assert [work.name for work in life.report.abandoned] == ["job", "task main"]


@pytest.mark.parametrize("phase", ["pre-stop", "lame duck", "draining", "stopping", "starting"])
async def test_a_stop_can_be_forced_in_every_phase(phase: str) -> None:
    life = Lifecycle(shutdown_delay=5 if phase == "lame duck" else 0)

    async def slow() -> None:
        await anyio.sleep(10)

    if phase == "starting":
        life.on_startup(slow)
    elif phase == "pre-stop":
        life.on_pre_stop(slow)
    elif phase == "draining":
        life.task(slow)
    elif phase == "stopping":
        life.on_shutdown(slow)
    life.on_shutdown(lambda: None)

    async def main(life: Lifecycle) -> None:
        life.request_stop("enough")

    def quit_it() -> None:
        assert life.phase == ("lame duck" if phase == "pre-stop" else phase)
        raise_signal(SIGQUIT)

    assert await live(life, main, stop_at=2, then=quit_it) == 7
    assert life.report.used <= 3.2
    assert len(life.report.hooks) == len({(h.kind, h.name) for h in life.report.hooks}), (
        "each is named once"
    )


async def test_a_second_sigterm_forces_nothing() -> None:
    life = Lifecycle()

    async def main(life: Lifecycle) -> None:
        await life.stop_requested.wait()
        raise_signal(SIGTERM)
        raise_signal(SIGINT)
        await anyio.sleep(10)

    assert await live(life, main, stop_at=1, then=lambda: raise_signal(SIGTERM)) == 0
    assert life.report.used == pytest.approx(10, abs=0.1)


async def test_a_crash_after_the_request_changes_the_status_and_not_the_way() -> None:
    life = Lifecycle()

    async def main(life: Lifecycle) -> None:
        await life.stop_requested.wait()
        raise OSError("broker gone")

    assert await live(life, main, stop_at=1) == 6
    assert life.report.reason == "enough"


async def test_external_events_after_the_end_change_nothing() -> None:
    life = Lifecycle()
    assert await live(life, stop_at=1) == 0
    engine = life._engine
    assert engine is not None
    engine.stop("late", StopSource.CALL)
    engine.force("late")
    engine.crash("late", ValueError("late"))
    assert (life.phase, life.report.exit_status, life.failure) == ("stopped", 0, None)
    assert engine.record.history[-1].cause is Event.SHUT_DOWN
