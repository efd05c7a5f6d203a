"""The arithmetic of a kubelet 1.36, case by case. T0 is the moment at which it begins to kill."""

import math

import anyio
import pytest

from lifecycle.kube import Container, Exec, HttpGet, Pod, Probe, Role, Sleep
from lifecycle.rehearse import Kind, Knobs, PodPhase
from tests.support.kubelet import NEVER, Act, Life, Play, played

HANGS = Act(NEVER)
T0 = 100.0


def alone(*, grace: float = 30, restart_policy: str = "Always", **fields: object) -> Pod:
    """A pod of one container, `app`."""
    container = Container(name="app", **fields)  # type: ignore[arg-type]  # what a test writes
    return Pod(containers=(container,), grace_period=grace, restart_policy=restart_policy)


def shell(name: str) -> Exec:
    return Exec(command=(name,))


def since(times: list[float]) -> list[float]:
    return [round(at - T0, 3) for at in times]


def signals(play: Play, container: str = "app") -> dict[str, float]:
    """When each came, from T0."""
    return {event.detail: round(event.at - T0, 3) for event in play.events(Kind.SIGNAL, container)}


def exit_codes(play: Play) -> dict[str, int | None]:
    return {name: status.exit_code for name, status in play.worker.statuses().items()}


@pytest.mark.parametrize("policy", ["Always", "OnFailure", "Never"])
async def test_01_an_app_that_ends_with_0_on_sigterm_has_succeeded(policy: str) -> None:
    async with played(alone(restart_policy=policy), app=Life(term_after=5)) as play:
        await play.delete(T0)
        assert signals(play) == {"SIGTERM": 0}
        assert since(play.times(Kind.EXITED)) == [5]
        assert play.worker.phase is PodPhase.SUCCEEDED


async def test_02_a_sleep_is_paid_from_the_grace_period() -> None:
    async with played(alone(pre_stop=Sleep(seconds=10))) as play:
        await play.delete(T0)
        assert signals(play) == {"SIGTERM": 10, "SIGKILL": 30}
        assert exit_codes(play) == {"app": 137}
        assert play.worker.phase is PodPhase.FAILED


async def test_03_a_hook_costs_whole_seconds() -> None:
    async with played(alone(pre_stop=shell("hook")), acts={"hook": Act(10.9)}) as play:
        await play.delete(T0)
        assert signals(play) == {"SIGTERM": 10.9, "SIGKILL": 30.9}


async def test_04_a_hook_that_hangs_leaves_two_seconds_and_no_event() -> None:
    async with played(alone(pre_stop=shell("hook")), acts={"hook": HANGS}) as play:
        await play.until(T0)
        play.worker.delete()
        await play.until(T0 + 31.9)
        assert signals(play) == {"SIGTERM": 30}
        assert play.warnings() == []
        await play.worker.ended.wait()
        assert signals(play) == {"SIGTERM": 30, "SIGKILL": 32}
        # It dies with its container, and only then is it heard of.
        (ended,) = play.events(Kind.PRE_STOP_ENDED, "app")
        assert ended.at == pytest.approx(T0 + 32)
        assert ended.data["abandoned"] is True


async def test_05_a_hook_of_29_seconds_leaves_two() -> None:
    async with played(alone(pre_stop=shell("hook")), acts={"hook": Act(29)}) as play:
        await play.delete(T0)
        assert signals(play) == {"SIGTERM": 29, "SIGKILL": 31}


async def test_06_a_hook_that_fails_costs_what_it_took_and_changes_nothing_else() -> None:
    async with played(alone(pre_stop=shell("hook")), acts={"hook": Act(0.2, 1)}) as play:
        await play.delete(T0)
        assert play.warnings() == ["FailedPreStopHook"]
        assert signals(play) == {"SIGTERM": 0.2, "SIGKILL": 30.2}


async def test_07_a_forced_delete_gives_the_hook_one_second_and_the_app_two() -> None:
    async with played(alone(pre_stop=Sleep(seconds=20))) as play:
        await play.delete(T0, grace=0)
        assert since(play.times(Kind.PRE_STOP_BEGAN)) == [0]
        assert signals(play) == {"SIGTERM": 1, "SIGKILL": 3}


async def test_08_a_hard_eviction_gives_two_seconds_and_readiness_stays_as_it_was() -> None:
    pod = alone(readiness=Probe(check=HttpGet(port=80, path="/ready"), period=1))
    async with played(pod, acts={"/ready": Act(0, 200)}) as play:
        await play.until(T0 - 0.5)
        probed = len(play.machine.probed)
        assert probed > 90
        await play.until(T0)
        probed = len(play.machine.probed)
        play.worker.evict()
        await play.until(T0 + 1.9)
        assert play.worker.ready
        assert not play.worker.deleted
        assert len(play.machine.probed) == probed
        await play.worker.ended.wait()
        assert signals(play) == {"SIGTERM": 0, "SIGKILL": 2}
        assert not play.worker.ready


async def test_09_without_a_grace_period_a_liveness_kill_runs_no_hook() -> None:
    probe = Probe(check=HttpGet(port=80, path="/live"), period=10, failure_threshold=1)
    pod = alone(grace=0, liveness=probe, pre_stop=shell("hook"))
    acts: dict[str, Act | list[Act]] = {"/live": [*[Act(0, 200)] * 9, Act(0, 500), Act(0, 200)]}
    async with played(pod, acts=acts) as play:
        await play.until(T0 + 5)
        assert signals(play) == {"SIGTERM": 0, "SIGKILL": 2}
        assert play.events(Kind.PRE_STOP_BEGAN, "app") == []


async def test_10_without_a_grace_period_a_delete_gives_the_hook_one_second() -> None:
    async with played(alone(grace=0, pre_stop=shell("hook")), acts={"hook": HANGS}) as play:
        await play.delete(T0)
        assert since(play.times(Kind.PRE_STOP_ABANDONED)) == [1]
        assert signals(play) == {"SIGTERM": 1, "SIGKILL": 3}


def with_sidecars(*names: str, **fields: object) -> Pod:
    sidecars = tuple(
        Container(name=name, role=Role.SIDECAR, restart_policy="Always", **fields)  # type: ignore[arg-type]  # what a test writes
        for name in names
    )
    return Pod(containers=(Container(name="main"),), init=sidecars)


async def test_11_sidecars_are_stopped_after_the_main_container_and_the_last_one_first() -> None:
    one = Life(term_after=1)
    async with played(with_sidecars("s1", "s2"), main=Life(term_after=8), s1=one, s2=one) as play:
        await play.delete(T0)
        assert signals(play, "main") == {"SIGTERM": 0}
        assert since(play.times(Kind.EXITED, "main")) == [8]
        assert signals(play, "s2") == {"SIGTERM": 8}
        assert since(play.times(Kind.EXITED, "s2")) == [9]
        assert signals(play, "s1") == {"SIGTERM": 9}
        assert since(play.times(Kind.EXITED, "s1")) == [10]


async def test_12_when_the_main_container_takes_all_the_grace_the_sidecars_go_together() -> None:
    async with played(with_sidecars("s1", "s2")) as play:
        await play.delete(T0)
        assert signals(play, "main") == {"SIGTERM": 0, "SIGKILL": 30}
        assert signals(play, "s1") == {"SIGTERM": 30, "SIGKILL": 32}
        assert signals(play, "s2") == {"SIGTERM": 30, "SIGKILL": 32}


async def test_13_a_sidecars_hook_runs_at_once_and_only_its_signal_waits() -> None:
    pod = with_sidecars("s1", pre_stop=Sleep(seconds=5))
    async with played(pod, main=Life(term_after=1)) as play:
        await play.delete(T0)
        assert since(play.times(Kind.PRE_STOP_BEGAN, "s1")) == [0]
        assert signals(play, "s1") == {"SIGTERM": 5, "SIGKILL": 30}


async def test_14_a_slow_post_start_holds_up_the_next_container_the_probes_and_the_deletion() -> (
    None
):
    probe = Probe(check=HttpGet(port=80, path="/live"), period=1)
    pod = Pod(
        containers=(
            Container(name="a", post_start=Sleep(seconds=20), liveness=probe),
            Container(name="b", pre_stop=Sleep(seconds=1)),
        )
    )
    async with played(pod, acts={"/live": Act(0, 200)}) as play:
        await play.until(19.9)
        assert {status.state for status in play.worker.statuses().values()} == {"waiting"}
        assert play.machine.probed == []
        await play.until(21)
        assert play.times(Kind.STARTED, "a") == [0]
        assert play.times(Kind.STARTED, "b") == [20]
        assert {status.state for status in play.worker.statuses().values()} == {"running"}
        assert play.machine.probed != []
    async with played(pod) as play:
        await play.delete(5)
        assert play.times(Kind.SIGNAL, "a", "SIGTERM") == [20]
        assert play.times(Kind.PRE_STOP_BEGAN, "b") == [20]
        assert play.times(Kind.SIGNAL, "a", "SIGKILL") == [50]


async def test_15_a_post_start_request_succeeds_with_any_status() -> None:
    pod = alone(post_start=HttpGet(port=80, path="/hook"))
    async with played(pod, acts={"/hook": Act(0.1, 500)}) as play:
        await play.until(5)
        assert play.warnings() == []
        assert play.worker.statuses()["app"].state == "running"


def failing_post_start(policy: str) -> Pod:
    return Pod(
        containers=(
            Container(name="app", post_start=shell("hook"), pre_stop=Sleep(seconds=3)),
            Container(name="b"),
        ),
        restart_policy=policy,
    )


async def test_16_a_post_start_that_fails_stops_its_container_which_is_started_again() -> None:
    app = Life(term_after=0.5, term_code=1)
    pod = failing_post_start("Always")
    async with played(pod, acts={"hook": Act(0, 1, "no such thing")}, app=app) as play:
        await play.until(200)
        assert play.warnings()[0] == "FailedPostStartHook"
        assert play.times(Kind.PRE_STOP_BEGAN)[0] == 0
        assert play.times(Kind.SIGNAL)[0] == 3
        assert play.times(Kind.EXITED)[0] == 3.5
        assert play.times(Kind.STARTED, "b") == [3.5]
        started, exited = play.times(Kind.STARTED), play.times(Kind.EXITED)
        pauses = [round(s - e, 3) for s, e in zip(started[1:], exited, strict=False)]
        assert pauses[:4] == [1, 10, 20, 40]
        status = play.worker.statuses()["app"]
        assert (status.reason, status.restarts) == ("CrashLoopBackOff", len(started) - 1)


async def test_17_on_failure_a_clean_end_after_a_failed_post_start_is_a_success() -> None:
    pod = failing_post_start("OnFailure")
    async with played(pod, acts={"hook": Act(0, 1)}, app=Life(term_after=0.5)) as play:
        await play.until(200)
        assert play.times(Kind.STARTED) == [0]
        status = play.worker.statuses()["app"]
        assert (status.state, status.reason, status.exit_code) == ("terminated", "Completed", 0)


async def test_18_the_pauses_between_crashes_double_up_to_five_minutes() -> None:
    crash = Life(exits_after=0, code=1)
    lives = [*[crash] * 9, Life(exits_after=601, code=1), crash]
    async with played(alone(), app=lives) as play:
        await play.until(3000)
        started, exited = play.times(Kind.STARTED), play.times(Kind.EXITED)
        pauses = [round(s - e, 3) for s, e in zip(started[1:], exited, strict=False)]
        assert pauses[:9] == [1, 10, 20, 40, 80, 160, 300, 300, 300]
        # More than ten minutes of life, and all is forgotten.
        assert pauses[9:11] == [1, 10]


async def test_19_liveness_kills_within_its_patience_and_restarts_at_once() -> None:
    probe = Probe(check=HttpGet(port=80, path="/live"), period=10, timeout=1, failure_threshold=3)
    pod = alone(liveness=probe)
    answers: list[Act] = [*[Act(0, 200)] * 5, *[HANGS] * 3, Act(0, 200)]
    async with played(pod, acts={"/live": answers}, app=Life(term_after=2)) as play:
        await play.until(200)
        # It answered at 50 s for the last time.
        assert play.times(Kind.KILLING) == [81]
        assert play.times(Kind.EXITED) == [83]
        assert play.times(Kind.STARTED) == [0, 83]


async def test_20_a_second_delete_does_not_shorten_a_kill_that_has_begun() -> None:
    async with played(alone()) as play:
        await play.until(T0)
        play.worker.delete()
        await play.delete(T0 + 5, grace=1)
        assert signals(play) == {"SIGTERM": 0, "SIGKILL": 30}


async def test_21_a_pid_1_without_a_handler_ignores_sigterm() -> None:
    async with played(alone(grace=4)) as play:
        await play.delete(T0)
        (term, kill) = play.events(Kind.SIGNAL, "app")
        assert term.data["ignored"] is True
        assert kill.at - term.at == pytest.approx(4)
        assert exit_codes(play) == {"app": 137}


MEASURED = {
    "p3d": (8, None, 8, 8.0),
    "p3a": (8, Act(3, 200), 5, 8.0),
    "p3b": (8, HANGS, 2, 10.0),
    "p3c": (8, HANGS, 2, 10.0),
    "p3e": (0, Act(0.01, 200), 2, 2.01),
}
"""Grace period, preStop, seconds from SIGTERM to SIGKILL and to the end: a kubelet v1.36.2 with containerd."""


@pytest.mark.parametrize(("grace", "act", "left", "total"), MEASURED.values(), ids=MEASURED)
async def test_what_was_measured_on_a_real_kubelet(
    grace: float, act: Act | None, left: float, total: float
) -> None:
    hook = None if act is None else HttpGet(port=80, path="/stop")
    acts = {} if act is None else {"/stop": act}
    async with played(alone(grace=grace, pre_stop=hook), acts=acts) as play:
        await play.delete(T0)
        found = signals(play)
        assert found["SIGKILL"] - found["SIGTERM"] == pytest.approx(left)
        assert since(play.times(Kind.EXITED)) == [pytest.approx(total)]


@pytest.mark.parametrize("speed", [0.1, 7, 1000])
async def test_a_fast_rehearsal_has_the_same_arithmetic(speed: float) -> None:
    pod = alone(pre_stop=shell("hook"))
    knobs = Knobs(speed=speed)
    async with played(pod, acts={"hook": Act(10.9)}, knobs=knobs) as play:
        began = anyio.current_time()
        await play.delete(T0)
        assert signals(play) == {"SIGTERM": 10.9, "SIGKILL": 30.9}
        assert anyio.current_time() - began == pytest.approx((T0 + 30.9) / speed)


def test_no_number_is_left_out() -> None:
    numbered = [name for name in globals() if name.startswith("test_") and name[5:7].isdigit()]
    assert [int(name[5:7]) for name in sorted(numbered)] == [*range(1, 22)]
    assert math.isinf(NEVER)
