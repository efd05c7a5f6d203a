"""Whatever a pod is made of, and whatever happens to it: what always holds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.kube import Container, Exec, HttpGet, Pod, Probe, Role, Sleep
from lifecycle.rehearse import Event, Kind
from tests.support.kubelet import NEVER, Act, Life, Play, played

SECONDS = st.sampled_from([0.0, 0.1, 0.9, 1.0, 2.5, 7.0, 29.0, 31.0])
HANDLERS = st.one_of(
    st.none(),
    st.builds(Sleep, seconds=SECONDS),
    st.just(Exec(command=("hook",))),
    st.just(HttpGet(port=80, path="/hook")),
)
PROBES = st.one_of(
    st.none(),
    st.builds(
        lambda period, delay, failures: Probe(
            check=HttpGet(port=80, path="/probe"),
            period=period,
            initial_delay=delay,
            failure_threshold=failures,
        ),
        st.sampled_from([1, 3]),
        st.sampled_from([0, 5]),
        st.sampled_from([1, 3]),
    ),
)
LIVES = st.builds(
    lambda after, code, term: Life(exits_after=after, code=code, term_after=term),
    st.sampled_from([0.0, 3.0, 40.0, NEVER, NEVER]),
    st.sampled_from([0, 1]),
    st.sampled_from([None, 0.0, 1.5, 20.0]),
)
ACTS = st.builds(
    Act,
    st.sampled_from([0.0, 0.5, 12.0, 100.0]),
    st.sampled_from([0, 1, 200, 500]),
)


@st.composite
def pods(draw: st.DrawFn) -> Pod:
    def container(name: str, role: Role) -> Container:
        if role is Role.INIT:
            return Container(name=name, role=role)
        return Container(
            name=name,
            role=role,
            post_start=draw(HANDLERS),
            pre_stop=draw(HANDLERS),
            startup=draw(PROBES),
            liveness=draw(PROBES),
            readiness=draw(PROBES),
            restart_policy="Always" if role is Role.SIDECAR else None,
        )

    roles = draw(st.lists(st.sampled_from([Role.INIT, Role.SIDECAR]), max_size=2))
    regular = draw(st.integers(1, 2))
    return Pod(
        init=tuple(container(f"i{number}", role) for number, role in enumerate(roles)),
        containers=tuple(container(f"c{number}", Role.REGULAR) for number in range(regular)),
        grace_period=draw(st.sampled_from([0, 1, 5, 30])),
        restart_policy=draw(st.sampled_from(["Always", "OnFailure", "Never"])),
    )


WAYS = ["delete", "force", "evict", "node", "restart"]


@given(st.data())
@settings(max_examples=60)
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"], indirect=True)
async def test_whatever_happens(data: st.DataObject) -> None:
    pod = data.draw(pods())
    lives = {one.name: data.draw(st.lists(LIVES, min_size=1, max_size=2)) for one in pod.everyone()}
    hook, probe = data.draw(ACTS), data.draw(ACTS)
    acts = {"hook": Act(hook.seconds, hook.result), "/hook": hook, "/probe": probe}
    happens = data.draw(st.lists(st.tuples(SECONDS, st.sampled_from(WAYS)), max_size=3))
    async with played(pod, acts=acts, **lives) as play:  # type: ignore[arg-type]  # no container is called like an option
        for pause, way in happens:
            await play.clock.sleep(pause)
            act(play, way)
        await play.clock.sleep(200)
        play.worker.delete()
        await play.worker.ended.wait()
        check(play)


def act(play: Play, way: str) -> None:
    if play.worker.ended.is_set():
        return
    match way:
        case "delete":
            play.worker.delete()
        case "force":
            play.worker.delete(0)
        case "evict":
            play.worker.evict()
        case "node":
            play.worker.shut_down_node(10)
        case _:
            play.worker.restart_kubelet()


def check(play: Play) -> None:
    events = play.journal.events
    assert not [name for name, process in play.machine.processes if process.alive]
    names = [one.name for one in play.worker.pod.everyone()]
    restarted = any(event.kind is Kind.KUBELET_RESTARTED for event in events)
    for name in names:
        mine = [event for event in events if event.container == name]
        assert_lives_in_order(mine)
        for life in lives(mine):
            # What a sidecar waits for its turn is counted in whole seconds as well as its hook.
            bound = max(play.worker.pod.grace_period, 1) + 2 + bool(play.worker.pod.sidecars)
            assert_killed_in_order(life, bound, restarted=restarted)
    if not restarted:
        assert_one_thing_at_a_time(events)


def lives(events: list[Event]) -> list[list[Event]]:
    found: list[list[Event]] = []
    for event in events:
        if event.kind is Kind.STARTED:
            found.append([])
        if found:
            found[-1].append(event)
    return found


def assert_lives_in_order(events: list[Event]) -> None:
    """Never two of one container at once."""
    alive = False
    for event in events:
        if event.kind is Kind.STARTED:
            assert not alive
            alive = True
        if event.kind is Kind.EXITED:
            assert alive
            alive = False
    assert not alive


def assert_killed_in_order(life: list[Event], bound: float, *, restarted: bool) -> None:
    """SIGTERM before SIGKILL, each once; and SIGKILL within the grace period and two seconds."""
    signals = [event for event in life if event.kind is Kind.SIGNAL]
    assert [event.detail for event in signals] in ([], ["SIGTERM"], ["SIGTERM", "SIGKILL"])
    if len(signals) < 2 or restarted:
        return
    killing = [event for event in life if event.kind is Kind.KILLING]
    term, kill = signals
    assert kill.at - killing[0].at <= bound + 1e-3
    assert kill.at - term.at >= 2 - 1e-3


def assert_one_thing_at_a_time(events: list[Event]) -> None:
    """While a postStart hook runs nothing else is begun."""
    held = ""
    for event in events:
        if event.kind is Kind.POST_START_ENDED:
            held = ""
        if held and event.kind in (Kind.STARTED, Kind.KILLING, Kind.PRE_STOP_BEGAN, Kind.SIGNAL):
            raise AssertionError(f"{event} while {held} has its postStart hook")
        if event.kind is Kind.POST_START_BEGAN:
            held = event.container
