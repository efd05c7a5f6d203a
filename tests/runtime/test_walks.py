"""Random lives on the virtual clock: whatever goes wrong, and whenever, the promises of a stop are kept.

The lives are the same in every run, so that a red one is red again. For others: `WALKS=5000 python -m pytest …`.
"""

import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from signal import Signals
from typing import Any, Literal

import anyio
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle import ExitStatus, Lifecycle, Phase
from lifecycle.core import HOOKS_RESERVE, PROMISES, Event, StopSource
from lifecycle.runtime._drain import CUT_PATIENCE
from tests.support.clock import backend

on_both_backends = pytest.mark.parametrize("backend_name", ["asyncio", "trio"])

moments = st.sampled_from([0.0, 0.01, 0.3, 1.0, 2.5, 7.0, 12.0])
"""Few, so that things often happen at the same instant."""
lengths = st.sampled_from([0.0, 0.01, 0.3, 1.0, 2.5, 7.0, 40.0])


def walks(examples: int) -> settings:
    wanted = os.environ.get("WALKS")
    return settings(max_examples=int(wanted) if wanted else examples, derandomize=not wanted)


ROUNDING = 1e-6

LAST_MOMENT = 50.0
"""When somebody stops what nobody has stopped before."""


@pytest.fixture(autouse=True)
def _in_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """trio runs what is ready in a random order; its own switch makes that the order of creation.

    See https://github.com/python-trio/trio/blob/v0.30.0/src/trio/_core/_run.py
    """

    class InOrder:
        def shuffle(self, batch: list[object]) -> None:
            batch.reverse()  # They are taken from its end.

    monkeypatch.setattr(trio._core._run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    monkeypatch.setattr(trio._core._run, "_r", InOrder())


@pytest.fixture(autouse=True, scope="module")
def _without_a_log() -> Iterator[None]:
    """Thousands of lives tell more than anybody reads, and it costs half of the time."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


class TroubleError(Exception):
    """What the application does wrong."""


@dataclass(frozen=True)
class Act:
    """How a piece of the application's code behaves."""

    end: Literal["well", "badly", "never"] = "well"
    after: float = 0.0
    lingers: float = 0.0
    """When it is cancelled, it goes on cleaning up for so long."""
    swallows: bool = False
    """When it is cancelled, it ends as if it had not been."""

    async def __call__(self) -> None:
        try:
            await (anyio.sleep_forever() if self.end == "never" else anyio.sleep(self.after))
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await anyio.sleep(self.lingers)
            if not self.swallows:
                raise
        if self.end == "badly":
            raise TroubleError


@dataclass(frozen=True)
class Part:
    """Something that is started and shut down: a resource, or two hooks of one name."""

    form: Literal["resource", "hooks", "startup alone", "shutdown alone"]
    up: Act
    down: Act
    up_timeout: float | None
    down_timeout: float | None
    concurrent: bool
    after_next: bool
    """It starts after the one that is registered next."""

    @property
    def starts(self) -> bool:
        return self.form != "shutdown alone"

    @property
    def shuts_down(self) -> bool:
        return self.form != "startup alone"


@dataclass(frozen=True)
class Task:
    act: Act
    essential: bool
    finish: bool
    heeds_the_stop: bool


@dataclass(frozen=True)
class Work:
    """Something in flight, such as a request: not cancelled by anybody."""

    begins: float
    length: float


@dataclass(frozen=True)
class Ask:
    """Somebody wants the process to stop."""

    how: Literal["call", "SIGTERM", "SIGINT", "force"]
    at: float
    exit_code: int = 0


@dataclass(frozen=True)
class Plan:
    """A whole life, as it is going to be."""

    grace: float
    delay: float
    drain: float | None
    startup_timeout: float | None
    parts: tuple[Part, ...]
    pre_stop: tuple[Act, ...]
    tasks: tuple[Task, ...]
    main: Act
    works: tuple[Work, ...]
    asks: tuple[Ask, ...]


up_acts = st.builds(
    Act,
    end=st.sampled_from(["well", "well", "well", "badly", "never"]),
    after=lengths,
    lingers=st.sampled_from([0.0, 0.0, 0.3, 3.0]),
)
acts = st.builds(
    Act,
    end=st.sampled_from(["well", "well", "badly", "never"]),
    after=lengths,
    lingers=st.sampled_from([0.0, 0.0, 0.3, 3.0]),
    swallows=st.booleans(),
)
timeouts = st.sampled_from([None, None, 0.2, 2.0])
plans = st.builds(
    Plan,
    grace=st.sampled_from([8.0, 12.0, 30.0]),
    delay=st.sampled_from([0.0, 1.0]),
    drain=st.sampled_from([None, 0.0, 0.5]),
    startup_timeout=st.sampled_from([None, 3.0]),
    parts=st.lists(
        st.builds(
            Part,
            form=st.sampled_from(["resource", "hooks", "startup alone", "shutdown alone"]),
            up=up_acts,
            down=acts,
            up_timeout=timeouts,
            down_timeout=timeouts,
            concurrent=st.booleans(),
            after_next=st.booleans(),
        ),
        max_size=5,
    ).map(tuple),
    pre_stop=st.lists(acts, max_size=2).map(tuple),
    tasks=st.lists(
        st.builds(
            Task,
            act=acts,
            essential=st.booleans(),
            finish=st.booleans(),
            heeds_the_stop=st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
    main=st.just(Act("never")) | acts,
    works=st.lists(st.builds(Work, begins=moments, length=lengths), max_size=4).map(tuple),
    asks=st.lists(
        st.builds(
            Ask,
            how=st.sampled_from(["call", "call", "SIGTERM", "SIGINT", "force"]),
            at=moments,
            exit_code=st.sampled_from([0, 0, 9]),
        ),
        max_size=3,
    ).map(tuple),
)


@dataclass
class Story:
    """What happened, as the application saw it."""

    life: Lifecycle
    status: int = -1
    up: dict[str, float] = field(default_factory=dict)
    """Name and moment of what has started, in this order."""
    down: list[str] = field(default_factory=list)
    """What was asked to shut down, in this order."""
    in_flight: set[str] = field(default_factory=set)
    begun: int = 0
    at_shutdown: list[tuple[Phase, frozenset[str]]] = field(default_factory=list)
    """Phase and work in flight at each moment at which something was shut down."""
    pre_stop: list[str] = field(default_factory=list)

    def goes_up(self, name: str) -> None:
        self.up[name] = anyio.current_time()

    def goes_down(self, name: str) -> None:
        self.down.append(name)
        self.at_shutdown.append((self.life.phase, frozenset(self.in_flight)))

    @property
    def history(self) -> list[Any]:
        assert self.life._engine is not None
        return self.life._engine.record.history


def install(plan: Plan, story: Story) -> None:
    life = story.life
    for index, part in enumerate(plan.parts):
        following = plan.parts[index + 1 : index + 2]
        waits = part.after_next and any(each.starts for each in following)
        install_part(f"part {index}", part, story, after=(f"part {index + 1}",) * waits)
    for index, act in enumerate(plan.pre_stop):

        async def leave(act: Act = act, name: str = f"pre-stop {index}") -> None:
            story.pre_stop.append(name)
            await act()

        life.on_pre_stop(name=f"pre-stop {index}")(leave)
    for index, task in enumerate(plan.tasks):

        async def background(task: Task = task) -> None:
            if task.heeds_the_stop:
                await life.stop_requested.wait()
            await task.act()

        life.task(name=f"task {index}", essential=task.essential, finish=task.finish)(background)


def install_part(name: str, part: Part, story: Story, *, after: tuple[str, ...]) -> None:
    life = story.life

    async def resource() -> AsyncIterator[str]:
        await part.up()
        story.goes_up(name)
        yield name
        story.goes_down(name)
        await part.down()

    async def start() -> None:
        await part.up()
        story.goes_up(name)

    async def shut_down() -> None:
        story.goes_down(name)
        await part.down()

    if part.form == "resource":
        # `timeout` is for both its ends.
        life.resource(name=name, timeout=part.up_timeout, concurrent=part.concurrent, after=after)(
            resource
        )
        return
    if part.starts:
        life.on_startup(
            name=name, timeout=part.up_timeout, concurrent=part.concurrent, after=after
        )(start)
    if part.shuts_down:
        life.on_shutdown(name=name, timeout=part.down_timeout)(shut_down)


async def work(plan: Work, name: str, story: Story) -> None:
    await anyio.sleep(plan.begins)
    if not PROMISES[story.life.phase].accepts:
        return
    with story.life.in_flight(name):
        story.begun += 1
        story.in_flight.add(name)
        await anyio.sleep(plan.length)
        story.in_flight.discard(name)


async def ask(plan: Ask, life: Lifecycle) -> None:
    await anyio.sleep(plan.at)
    engine = life._engine
    assert engine is not None
    match plan.how:
        case "call":
            life.request_stop(f"asked at {plan.at:g}", plan.exit_code)
        case "force":
            engine.force("SIGQUIT forced the stop", signal=Signals.SIGQUIT)
        case name:
            engine.stop(name, StopSource.SIGNAL, signal=Signals[name])


async def live(plan: Plan) -> Story:
    life = Lifecycle(
        grace_period=plan.grace,
        shutdown_delay=plan.delay,
        drain_timeout=plan.drain,
        startup_timeout=plan.startup_timeout,
    )
    story = Story(life)
    install(plan, story)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(plan.main)
            await life.stop_requested.wait()
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for index, one in enumerate(plan.works):
            group.start_soon(work, one, f"work {index}", story)
        for each in (*plan.asks, Ask("call", LAST_MOMENT)):
            group.start_soon(ask, each, life)
        with anyio.fail_after(LAST_MOMENT + plan.grace + 50):
            story.status = await life.run_async(main)
        group.cancel_scope.cancel()
    return story


def run(plan: Plan, backend_name: str) -> Story:
    name, options = backend(backend_name)
    return anyio.run(live, plan, backend=name, backend_options=options)


# What holds for every life.


def check_the_end(plan: Plan, story: Story) -> None:
    report, events = story.life.report, [change.cause for change in story.history]
    assert PROMISES[story.life.phase].over
    assert report.exit_status == story.status
    assert (story.life.phase is Phase.STOPPED) == (story.status == 0)
    if Event.START_FAILED in events:
        assert story.life.phase is Phase.FAILED
        assert story.status in (ExitStatus.START_FAILED, ExitStatus.FORCED)
    if story.status in (0, 9):
        assert not report.abandoned
        assert not report.failures
        # A task that is not essential may crash: that is logged and noted, and nothing more.
        outcomes = {hook.outcome for hook in report.hooks if hook.kind != "task"}
        assert outcomes <= {"ok", "cut short", "not run"}
        assert Event.FORCED not in events
    json = report.to_dict()
    assert [phase["phase"] for phase in json["phases"]][-1] == story.life.phase.value


def check_the_drain(plan: Plan, story: Story) -> None:
    abandoned = {cut.name for cut in story.life.report.abandoned}
    for phase, in_flight in story.at_shutdown:
        assert phase in (Phase.STOPPING, Phase.ABORTING)
        assert in_flight <= abandoned, "shut down under work that was neither done nor cut off"
    works = {name for name in abandoned if name.startswith("work")}
    assert story.life.report.finished + len(works) == story.begun


def check_the_way_down(plan: Plan, story: Story) -> None:
    parts = {f"part {index}": part for index, part in enumerate(plan.parts)}
    stood = [name for name in story.up if parts[name].shuts_down]
    paired = [name for name in story.down if parts[name].starts]
    assert sorted(paired) == sorted(stood), "what started, and nothing else, is shut down, once"
    moments_up = [story.up[name] for name in paired]
    assert moments_up == sorted(moments_up, reverse=True), "last started first"
    assert len(story.down) == len(set(story.down))
    stands = True
    for name, part in parts.items():
        if part.form == "shutdown alone":
            assert (name in story.down) == stands, "it has its turn if all before it has started"
        stands = stands and (not part.starts or name in story.up)
    assert len(story.pre_stop) == len(set(story.pre_stop))


def check_everybodys_turn(plan: Plan, story: Story) -> None:
    entered = {change.after: change for change in story.history}
    if Phase.READY not in entered:
        assert not story.pre_stop
        return
    alone = {f"part {i}" for i, part in enumerate(plan.parts) if part.form == "shutdown alone"}
    assert alone <= set(story.down), (
        "hooks that fail, hang or ignore us cost nobody else their turn"
    )
    if Phase.LAME_DUCK in entered and not any(ask.how == "force" for ask in plan.asks):
        # Those that fail, hang or ignore their cancellation cost nobody else their turn.
        assert story.pre_stop == [f"pre-stop {index}" for index in range(len(plan.pre_stop))]


def check_the_deadline(plan: Plan, story: Story) -> None:
    asked = next(change.at for change in story.history if not PROMISES[change.after].ready)
    budget = story.life.settings.budget
    entered = {change.after: change.at for change in story.history}
    assert story.history[-1].at - asked <= budget.deadline + ROUNDING
    if Phase.DRAINING in entered:
        # What work needs for its own cleaning up, when it has been cut off, comes out of the hooks' reserve.
        latest = budget.deadline - HOOKS_RESERVE + CUT_PATIENCE
        assert entered[Phase.STOPPING] - asked <= latest + ROUNDING
        if plan.drain is not None:
            drained = entered[Phase.STOPPING] - entered[Phase.DRAINING]
            assert drained <= plan.drain + CUT_PATIENCE + ROUNDING


def check_all(plan: Plan, story: Story) -> None:
    checks: list[Callable[[Plan, Story], None]] = [
        check_the_end,
        check_the_drain,
        check_the_way_down,
        check_everybodys_turn,
        check_the_deadline,
    ]
    for check in checks:
        check(plan, story)


@on_both_backends
@walks(250)
@given(plan=plans)
def test_whatever_happens_the_promises_of_a_stop_are_kept(backend_name: str, plan: Plan) -> None:
    check_all(plan, run(plan, backend_name))


@on_both_backends
@walks(100)
@given(
    plan=plans,
    again=st.lists(moments.map(lambda later: later + 0.005), min_size=1, max_size=3),
    first=moments,
)
def test_a_request_that_is_repeated_changes_neither_the_reason_nor_the_outcome(
    backend_name: str, plan: Plan, again: list[float], first: float
) -> None:
    once = replace(
        plan, asks=(Ask("SIGTERM", first), *(ask for ask in plan.asks if ask.how == "force"))
    )
    more = tuple(
        Ask(how, first + later, exit_code=9) for later in again for how in ("call", "SIGTERM")
    )
    told = [run(each, backend_name) for each in (once, replace(once, asks=(*once.asks, *more)))]
    for story in told:
        check_all(once, story)
    one, repeated = (
        (
            story.life.report.reason,
            story.life.report.source,
            story.status,
            story.history,
            # Sorted: those that started at the same instant are shut down in any order.
            sorted(story.down),
            sorted((hook.name, hook.outcome) for hook in story.life.report.hooks),
        )
        for story in told
    )
    assert one == repeated
