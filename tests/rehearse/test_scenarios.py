"""What each scenario does to a pod, and which promises it finds kept or broken."""

from dataclasses import replace

import pytest

from lifecycle.core import RehearsalError
from lifecycle.kube import Exec, Pod, Sleep, Strategy, Workload
from lifecycle.rehearse import Kind
from lifecycle.rehearse._options import Options, service_port, with_commands
from lifecycle.rehearse._scenarios import SCENARIOS
from lifecycle.rehearse._verdict import PROMISES
from tests.support.kubelet import NEVER, Act, Life
from tests.support.stage import POLITE, broken, events, found, pod, probe, rehearsed, times

OK = Act(0, 200)
WARM_UP = Exec(command=("warm-up",))
SAY_SO = Exec(command=("say-so",))
FREE = {"warm-up": Act(1), "say-so": Act(2)}


async def test_a_polite_pod_that_is_deleted_keeps_every_promise() -> None:
    result, _ = await rehearsed(pod(post_start=WARM_UP, pre_stop=SAY_SO), acts=FREE)
    assert result.kept
    assert {promise.id: promise.kept for promise in result.promises} == {
        "ready": True,
        "nothing-lost": None,
        "inside-grace": True,
        "clean-exit": True,
        "hooks-succeed": True,
    }
    assert times(result, Kind.SIGNAL) == [2]
    assert result.containers["web"].exit_code == 0
    assert result.phases == {"pod": "Succeeded"}


async def test_the_purse_says_who_spent_the_grace_period() -> None:
    result, _ = await rehearsed(pod(pre_stop=SAY_SO), acts=FREE, web=Life(term_after=5))
    (purse,) = result.purses
    assert [(share.who, round(share.seconds, 2)) for share in purse.shares] == [
        ("preStop hook", 2),
        ("after SIGTERM", 5),
    ]
    assert purse.unused == pytest.approx(23)


async def test_the_report_of_this_library_divides_the_purse_further() -> None:
    report = (
        b'{"exit_status":0,"granted":30,"signal":null,"late":1.5,"abandoned":[{"name":"GET /slow"}],"phases":['
        b'{"phase":"lame duck","seconds":1.0},{"phase":"draining","seconds":0.5}]}'
    )
    web = Life(term_after=1, message=report)
    result, _ = await rehearsed(pod(pre_stop=SAY_SO), acts=FREE, web=web)
    (purse,) = result.purses
    assert [(share.who.partition(":")[0], round(share.seconds, 2)) for share in purse.shares] == [
        ("lame duck", 1),
        ("drain", 0.5),
        ("preStop hook", 0.5),
        ("after SIGTERM", 1),
    ]
    assert found(result) == ["work-abandoned", "came-late"]
    assert result.kept  # they are warnings


async def test_a_pod_whose_pid_1_ignores_sigterm_is_killed_and_told_why() -> None:
    result, _ = await rehearsed(pod(), web=Life())
    assert times(result, Kind.SIGNAL, "SIGKILL") == [30]
    assert found(result) == ["signal-ignored"]
    assert broken(result) == ["inside-grace", "clean-exit"]


async def test_a_pod_that_takes_too_long_is_killed() -> None:
    result, _ = await rehearsed(pod(grace=5), web=Life(term_after=60))
    assert found(result) == ["killed"]
    assert broken(result) == ["inside-grace", "clean-exit"]
    assert result.containers["web"].exit_code == 137


async def test_an_exit_status_breaks_its_promise() -> None:
    result, _ = await rehearsed(pod(), web=Life(term_after=0.1, term_code=143))
    assert broken(result) == ["clean-exit"]
    assert "exit status 143, died of signal 15" in result.findings[0].what


async def test_force_leaves_a_second_for_the_hook_and_two_for_the_rest() -> None:
    result, _ = await rehearsed(pod(pre_stop=Sleep(seconds=20)), "force", web=Life())
    assert times(result, Kind.SIGNAL) == [1, 3]
    assert broken(result) == ["inside-grace", "clean-exit"]


async def test_an_eviction_leaves_two_seconds_and_does_not_delete() -> None:
    result, _ = await rehearsed(pod(), "evict", web=Life(term_after=1.5))
    assert result.kept
    assert events(result, Kind.DELETED) == []


async def test_a_node_that_shuts_down_gives_the_pods_own_grace_period() -> None:
    result, _ = await rehearsed(pod(grace=7), "node-shutdown", web=Life())
    assert times(result, Kind.SIGNAL) == [0, 7]
    assert events(result, Kind.DELETED) == []


@pytest.mark.parametrize(("scenario", "reason"), [("crash", "Error"), ("oom", "OOMKilled")])
async def test_what_dies_comes_back_without_a_hook(scenario: str, reason: str) -> None:
    result, _ = await rehearsed(pod(pre_stop=SAY_SO), scenario, acts=FREE)
    assert result.kept
    assert result.containers["web"].restarts == 1
    assert [event.data["reason"] for event in events(result, Kind.EXITED)] == [reason]
    assert events(result, Kind.PRE_STOP_BEGAN) == []


async def test_what_never_gets_ready_again_breaks_the_promise() -> None:
    ready_once = probe("/ready", period=1)
    acts = {"/ready": [OK, Act(0, 503)]}
    result, _ = await rehearsed(pod(readiness=ready_once), "crash", acts=acts, start_within=20)
    assert broken(result) == ["back-again"]


async def test_a_liveness_probe_that_fails_restarts_the_container_with_its_hook() -> None:
    live = probe("/live", period=10, failure_threshold=3)
    result, _ = await rehearsed(
        pod(liveness=live, pre_stop=SAY_SO), "liveness", acts={**FREE, "/live": OK}
    )
    assert result.kept
    assert result.containers["web"].restarts == 1
    assert times(result, Kind.SIGNAL) == [2]


async def test_a_post_start_hook_that_fails_once_is_run_again_with_the_next_start() -> None:
    result, _ = await rehearsed(pod(post_start=WARM_UP), "poststart-fails", acts=FREE)
    ended = [event.data["ok"] for event in events(result, Kind.POST_START_ENDED)]
    assert ended == [False, True]
    assert result.kept
    assert [finding.severity for finding in result.findings] == ["note"]


async def test_a_pre_stop_hook_that_hangs_leaves_two_seconds() -> None:
    result, _ = await rehearsed(pod(pre_stop=SAY_SO), "hook-hangs", acts=FREE)
    assert times(result, Kind.SIGNAL) == [30]
    assert found(result) == ["pre-stop-took-it-all"]
    assert result.kept


async def test_a_kubelet_that_restarts_runs_the_pre_stop_hook_again() -> None:
    result, _ = await rehearsed(pod(pre_stop=SAY_SO), "kubelet-restart", acts=FREE)
    assert len(events(result, Kind.PRE_STOP_BEGAN)) == 2
    assert result.kept


async def test_a_kubelet_that_restarts_during_post_start_never_runs_it_to_its_end() -> None:
    result, _ = await rehearsed(pod(post_start=WARM_UP), "poststart-lost", acts=FREE)
    (ended,) = events(result, Kind.POST_START_ENDED)
    assert ended.data["lost"] is True
    assert result.kept


async def test_a_slow_start_is_borne_by_a_startup_probe() -> None:
    patient = probe("/started", period=1, failure_threshold=60)
    live = probe("/live", period=10)
    acts = {"/started": OK, "/live": OK}
    result, _ = await rehearsed(pod(startup=patient, liveness=live), "slow-start", acts=acts)
    assert result.kept


async def test_a_slow_start_is_ended_by_a_liveness_probe_alone() -> None:
    live = probe("/live", period=10)
    result, _ = await rehearsed(
        pod(liveness=live, readiness=probe("/ready")),
        "slow-start",
        acts={"/live": OK, "/ready": OK},
    )
    assert "not-restarted" in broken(result)


async def test_a_pod_that_does_not_get_ready_is_stopped_all_the_same() -> None:
    result, _ = await rehearsed(
        pod(readiness=probe("/ready")), acts={"/ready": Act(0, 503)}, start_within=15
    )
    assert broken(result) == ["ready"]
    (finding,) = result.findings
    assert "readiness probe: HTTP 503" in finding.what
    assert len(events(result, Kind.SIGNAL)) == 1


async def test_a_pod_that_crashes_at_once_is_not_waited_for_long() -> None:
    result, _ = await rehearsed(
        pod(readiness=probe("/ready")),
        web=Life(exits_after=0.1, code=1),
        acts={"/ready": Act(0, None)},
    )
    assert "never-ready" in found(result)
    assert result.seconds < 60


def deployment(**strategy: int | str) -> Workload:
    ready = pod(readiness=probe("/ready", period=1))
    made = Strategy(**strategy)  # type: ignore[arg-type]  # what a test writes
    return Workload(kind="Deployment", name="web", pod=ready, replicas=3, strategy=made)


async def test_a_rolling_update_replaces_all_pods_and_never_leaves_the_service_empty() -> None:
    result, theatre = await rehearsed(deployment(), "rollout", acts={"/ready": OK})
    assert result.kept
    assert len(theatre.opened) == 6
    assert {event.pod for event in events(result, Kind.DELETED)} == {"web-1", "web-2", "web-3"}
    assert result.containers["web-1/web"].exit_code == 0
    assert result.containers["web-4/web"].exit_code is None


@pytest.mark.parametrize(
    ("strategy", "most", "fewest"),
    [
        ({"max_surge": 1, "max_unavailable": 0}, 4, 3),
        ({"max_surge": 0, "max_unavailable": 1}, 3, 2),
        ({}, 4, 3),
    ],
)
async def test_a_rolling_update_keeps_between_its_bounds(
    strategy: dict[str, int], most: int, fewest: int
) -> None:
    result, _ = await rehearsed(deployment(**strategy), "rollout", acts={"/ready": OK})
    there: set[str] = set()
    ready: set[str] = set()
    sizes: list[tuple[int, int]] = []
    for event in result.events:
        match event.kind:
            case Kind.STARTED:
                there.add(event.pod)
            case Kind.POD_READY:
                ready.add(event.pod)
            case Kind.DELETED:
                there.discard(event.pod)
                ready.discard(event.pod)
            case _:
                continue
        if len(ready) >= fewest:
            sizes.append((len(there), len(ready)))
    assert max(size for size, _ in sizes) == most
    begun = next(at for at, event in enumerate(result.events) if event.kind is Kind.DELETED)
    assert begun
    assert min(number for _, number in sizes) >= fewest


async def test_recreate_leaves_nobody_to_go_to() -> None:
    slow = pod(readiness=probe("/ready", period=1, initial_delay=5))
    workload = replace(deployment(kind="Recreate"), pod=slow)
    result, _ = await rehearsed(workload, "rollout", acts={"/ready": OK})
    assert broken(result) == ["always-served"]


async def test_a_stateful_set_goes_one_by_one() -> None:
    workload = replace(deployment(), kind="StatefulSet")
    result, theatre = await rehearsed(workload, "rollout", acts={"/ready": OK})
    assert result.kept
    assert (
        theatre.closed[:2] == sorted(theatre.closed[:2], reverse=True) or len(theatre.opened) == 6
    )


async def test_min_ready_seconds_are_waited_for() -> None:
    quick, _ = await rehearsed(deployment(), "rollout", acts={"/ready": OK})
    slow, _ = await rehearsed(
        replace(deployment(), min_ready_seconds=20), "rollout", acts={"/ready": OK}
    )
    assert slow.seconds >= quick.seconds + 20


async def test_a_rollout_without_progress_ends_at_its_deadline() -> None:
    acts = {"/ready": [*[OK] * 3, Act(0, 503)]}
    result, _ = await rehearsed(deployment(), "rollout", acts=acts, end_within=40)
    assert "no-end" in found(result)
    assert not result.kept


def test_every_promise_of_a_scenario_exists() -> None:
    for scenario in SCENARIOS.values():
        assert {*scenario.promises} <= {*PROMISES}


@pytest.mark.parametrize(
    ("scenario", "why"),
    [
        ("liveness", "no container has a livenessProbe"),
        ("poststart-fails", "no container has a postStart hook that can fail"),
        ("hook-hangs", "no container has a preStop hook that can hang"),
    ],
)
def test_a_scenario_says_why_a_pod_cannot_play_it(scenario: str, why: str) -> None:
    assert SCENARIOS[scenario].needs(pod()) == why


def test_a_pod_that_is_never_restarted_cannot_come_back() -> None:
    never = replace(pod(), restart_policy="Never")
    assert SCENARIOS["crash"].needs(never) == "restartPolicy is Never"


def hidden() -> Workload:
    shown = pod()
    container = replace(shown.containers[0], command=None, image="nginx")
    return Workload(kind="Pod", name="web", pod=Pod(containers=(container,)))


def test_a_command_that_the_image_hides_is_asked_for() -> None:
    with pytest.raises(
        RehearsalError, match=r"is in its image \(nginx\).*say it with --run web='…'"
    ):
        with_commands(hidden(), {})


@pytest.mark.parametrize("name", ["web", ""])
def test_a_command_is_given_by_name_or_to_the_only_one(name: str) -> None:
    workload = with_commands(hidden(), {name: "uvicorn app:app --host '0.0.0.0'"})
    assert workload.pod.containers[0].command == ("uvicorn", "app:app", "--host", "0.0.0.0")


def test_a_command_for_nobody_is_refused() -> None:
    with pytest.raises(
        RehearsalError, match="no container 'wep': write --run NAME=COMMAND, with one of web"
    ):
        with_commands(hidden(), {"wep": "true"})


async def test_an_unknown_scenario_is_refused() -> None:
    with pytest.raises(RehearsalError, match="no scenario 'earthquake': known are delete, rollout"):
        await rehearsed(pod(), "earthquake")


def test_requests_go_where_they_are_told_else_to_the_first_port_else_to_a_probe() -> None:
    assert service_port(pod(), 99) == 99
    assert service_port(pod(readiness=probe("/"))) == 80
    assert service_port(pod()) is None
    assert Options().scenario == "delete"
    assert POLITE.term_after == 1


@pytest.mark.parametrize(
    ("policy", "code", "ids"),
    [
        ("Always", 3, ["ended-by-itself", "restarted"]),
        ("Always", 0, ["ended-by-itself", "restarted"]),
        ("Never", 3, ["ended-by-itself"]),
        ("Never", 0, []),
    ],
)
async def test_who_ends_though_nobody_asked_him_to_keeps_no_promise(
    policy: str, code: int, ids: list[str]
) -> None:
    web = replace(pod(), restart_policy=policy)
    lives = [Life(exits_after=0.5, code=code), Life(term_after=1)]
    result, _ = await rehearsed(web, web=lives, before=5)
    assert found(result) == ids
    assert broken(result) == (["clean-exit"] if ids else [])


async def test_a_post_start_hook_that_hangs_does_not_hold_up_the_rehearsal() -> None:
    hanging = pod(grace=5, post_start=Exec(command=("warm",)), readiness=probe("/ready"))
    result, _ = await rehearsed(hanging, acts={"warm": Act(NEVER)}, start_within=3)
    assert "no-end" in found(result)
    assert result.seconds == pytest.approx(3 + 5 + 10)
