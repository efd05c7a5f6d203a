"""The order in which a pod's containers start, are probed, restarted and ended, on a machine made of timers."""

import signal

import anyio
import pytest

from lifecycle.core import RehearsalError
from lifecycle.kube import Container, Exec, HttpGet, Pod, Probe, Role, Sleep, TcpSocket
from lifecycle.rehearse import Kind, Knobs
from lifecycle.rehearse._kill import signal_number
from tests.support.kubelet import NEVER, Act, Life, Play, played

UP = Act(0, 200)
DOWN = Act(0, 503)
HANGS = Act(NEVER)


def http(path: str, **fields: object) -> Probe:
    return Probe(check=HttpGet(port=80, path=path), **fields)  # type: ignore[arg-type]  # what a test writes


def alone(**fields: object) -> Pod:
    grace = fields.pop("grace", 30)
    policy = fields.pop("policy", "Always")
    container = Container(name="app", **fields)  # type: ignore[arg-type]  # what a test writes
    return Pod(containers=(container,), grace_period=grace, restart_policy=policy)  # type: ignore[arg-type]  # likewise


def init(name: str) -> Container:
    return Container(name=name, role=Role.INIT)


def sidecar(name: str, **fields: object) -> Container:
    return Container(name=name, role=Role.SIDECAR, restart_policy="Always", **fields)  # type: ignore[arg-type]  # what a test writes


def started(play: Play, *names: str) -> list[list[float]]:
    return [play.times(Kind.STARTED, name) for name in names]


async def test_init_containers_run_one_after_another_and_each_end_is_seen_within_a_second() -> None:
    pod = Pod(init=(init("one"), init("two")), containers=(Container(name="app"),))
    async with played(pod, one=Life(exits_after=3), two=Life(exits_after=2)) as play:
        await play.until(6.9)
        assert play.phase() == "Pending"
        assert play.worker.statuses()["app"].reason == "PodInitializing"
        await play.until(8)
        assert started(play, "one", "two", "app") == [[0], [4], [7]]
        assert play.phase() == "Running"


@pytest.mark.parametrize("policy", ["Always", "OnFailure"])
async def test_an_init_container_that_fails_is_started_again_with_back_off(policy: str) -> None:
    pod = Pod(init=(init("one"),), containers=(Container(name="app"),), restart_policy=policy)
    fails, works = Life(exits_after=1, code=1), Life(exits_after=1)
    async with played(pod, one=[fails, fails, works]) as play:
        await play.until(30)
        assert started(play, "one", "app") == [[0, 2, 13], [15]]


async def test_an_init_container_that_fails_for_good_ends_the_pod() -> None:
    pod = Pod(init=(init("one"),), containers=(Container(name="app"),), restart_policy="Never")
    async with played(pod, one=Life(exits_after=1, code=1)) as play:
        await play.worker.ended.wait()
        assert started(play, "app") == [[]]
        assert play.phase() == "Failed"


async def test_a_sidecar_lets_the_next_one_start_when_its_startup_probe_has_succeeded() -> None:
    slow = sidecar("s1", startup=http("/started", period=2, failure_threshold=30))
    pod = Pod(init=(slow, sidecar("s2")), containers=(Container(name="app"),))
    async with played(pod, acts={"/started": [DOWN, DOWN, UP]}) as play:
        await play.until(20)
        assert started(play, "s1", "s2", "app") == [[0], [6], [6]]


async def test_a_sidecar_that_exits_is_started_again_even_if_nothing_else_would_be() -> None:
    pod = Pod(init=(sidecar("s1"),), containers=(Container(name="app"),), restart_policy="Never")
    async with played(pod, s1=[Life(exits_after=5), Life()]) as play:
        await play.until(20)
        assert started(play, "s1", "app") == [[0, 6], [0]]


async def test_when_the_work_is_done_only_the_sidecars_are_left_and_they_are_stopped_in_order() -> (
    None
):
    one = Life(term_after=1)
    pod = Pod(
        init=(sidecar("s1", pre_stop=Sleep(seconds=2)), sidecar("s2")),
        containers=(Container(name="app"),),
        restart_policy="OnFailure",
    )
    async with played(pod, app=Life(exits_after=10), s1=one, s2=one) as play:
        await play.worker.ended.wait()
        assert play.times(Kind.SIGNAL, "s2") == [11]
        assert play.times(Kind.SIGNAL, "s1") == [13]
        assert play.phase() == "Succeeded"


async def test_a_startup_probe_holds_back_the_others_and_kills_when_it_gives_up() -> None:
    pod = alone(
        startup=http("/start", period=1, failure_threshold=3, grace_period=3),
        liveness=http("/live", period=1),
        readiness=http("/ready", period=1),
    )
    acts: dict[str, Act | list[Act]] = {"/start": [DOWN, DOWN, DOWN, UP], "/live": UP, "/ready": UP}
    async with played(pod, acts=acts) as play:
        await play.until(20)
        # Asked at 1, 2 and 3 s; three seconds of its own grace period; started again in the same breath.
        assert play.times(Kind.SIGNAL, detail="SIGKILL") == [6]
        assert started(play, "app") == [[0, 6]]
        assert {path for at, path in play.machine.probed if at < 6} == {"/start"}
        assert play.times(Kind.READY) == [7]


async def test_initial_delay_counts_from_the_start_of_the_process() -> None:
    pod = alone(liveness=http("/live", period=2, initial_delay=5))
    async with played(pod, acts={"/live": UP}) as play:
        await play.until(9)
        assert [at for at, _ in play.machine.probed] == pytest.approx([6, 8])


async def test_readiness_changes_what_the_api_shows_and_nothing_else() -> None:
    pod = alone(readiness=http("/ready", period=1, failure_threshold=2, success_threshold=2))
    async with played(pod, acts={"/ready": [UP, UP, UP, DOWN, DOWN, DOWN, UP]}) as play:
        await play.until(20)
        assert len(play.times(Kind.POD_READY, "")) == 2
        assert len(play.times(Kind.POD_NOT_READY, "")) == 1
        assert play.events(Kind.KILLING, "app") == []


async def test_while_a_pod_is_deleted_readiness_is_probed_and_liveness_is_not() -> None:
    pod = alone(liveness=http("/live", period=1), readiness=http("/ready", period=1), grace=10)
    async with played(pod, acts={"/live": UP, "/ready": UP}) as play:
        await play.delete(20.5)
        after = [path for at, path in play.machine.probed if at > 20.5]
        assert after == ["/ready"] * 10


@pytest.mark.parametrize(
    ("check", "acts", "ready"),
    [
        (TcpSocket(port=81), {"81": Act()}, True),
        (TcpSocket(port=81), {"81": Act(0, None)}, False),
        (TcpSocket(port="nope"), {}, False),
        (Exec(command=("check",)), {"check": Act(0, 0)}, True),
        (Exec(command=("check",)), {"check": Act(0, 1)}, False),
        (Exec(command=("check",)), {"check": Act(2, 0)}, False),
        (Exec(command=("check",)), {"check": Act(0, -1, "", "no such file")}, False),
    ],
    ids=["tcp", "tcp refused", "no such port", "exec", "exec fails", "exec too slow", "no binary"],
)
async def test_each_kind_of_check(
    check: Exec | TcpSocket, acts: dict[str, Act | list[Act]], ready: bool
) -> None:
    async with played(alone(readiness=Probe(check=check, period=1)), acts=acts) as play:
        await play.until(10)
        assert play.worker.ready is ready


async def test_a_probe_that_cannot_be_run_counts_as_nothing() -> None:
    probe = Probe(check=Exec(command=("check",)), period=1, failure_threshold=1)
    acts = {"check": Act(0, -1, "", "no such file")}
    async with played(alone(liveness=probe), acts=acts) as play:
        await play.until(30)
        assert play.events(Kind.KILLING, "app") == []


async def test_a_deadline_ends_the_pod_with_its_whole_grace_period() -> None:
    pod = Pod(
        containers=(Container(name="app", pre_stop=Sleep(seconds=1)),),
        grace_period=4,
        active_deadline=60,
        restart_policy="Never",
    )
    async with played(pod) as play:
        await play.worker.ended.wait()
        assert play.times(Kind.DEADLINE_EXCEEDED, "") == [60]
        assert play.times(Kind.POD_NOT_READY, "") == [60]
        assert play.times(Kind.SIGNAL) == [61, 64]
        assert play.phase() == "Failed"


@pytest.mark.parametrize(("period", "kill"), [(20, 20), (60, 30), (0, 2)])
async def test_a_node_that_shuts_down_gives_what_it_has_and_the_api_does_not_hear_of_it(
    period: float, kill: float
) -> None:
    async with played(alone(readiness=http("/ready", period=1)), acts={"/ready": UP}) as play:
        await play.until(50)
        play.worker.shut_down_node(period)
        await play.until(51)
        assert play.worker.ready
        assert not play.worker.deleted
        await play.worker.ended.wait()
        assert play.times(Kind.SIGNAL, detail="SIGKILL") == [50 + kill]


async def test_a_kubelet_that_restarts_during_post_start_forgets_the_hook() -> None:
    async with played(alone(post_start=Exec(command=("hook",))), acts={"hook": HANGS}) as play:
        await play.until(5)
        assert play.phase() == "Pending"
        play.worker.restart_kubelet()
        await play.until(6)
        (ended,) = play.events(Kind.POST_START_ENDED, "app")
        assert ended.data["lost"] is True
        assert play.phase() == "Running"
        assert started(play, "app") == [[0]]


async def test_a_kubelet_that_restarts_during_a_kill_runs_the_hook_again_and_signals_once() -> None:
    pod = alone(pre_stop=Exec(command=("hook",)))
    async with played(pod, acts={"hook": Act(4)}) as play:
        await play.until(10)
        play.worker.delete()
        await play.until(20)
        play.worker.restart_kubelet()
        await play.worker.ended.wait()
        assert play.times(Kind.PRE_STOP_BEGAN) == [10, 20]
        # The runtime sends the stop signal once; the grace period begins again.
        assert play.times(Kind.SIGNAL, detail="SIGTERM") == [14]
        assert play.times(Kind.SIGNAL, detail="SIGKILL") == [50]


async def test_readiness_outlives_a_restart_of_the_kubelet_if_the_container_is_old_enough() -> None:
    acts = {"/ready": UP}
    async with played(alone(readiness=http("/ready", period=1)), acts=acts) as play:
        await play.until(20.5)
        play.worker.restart_kubelet()
        await play.until(25)
        assert play.events(Kind.POD_NOT_READY) == []


async def test_deletion_waits_for_a_post_start_and_the_shortest_grace_period_counts() -> None:
    async with played(alone(post_start=Sleep(seconds=20))) as play:
        await play.until(5)
        play.worker.delete()
        await play.delete(6, grace=3)
        assert play.times(Kind.SIGNAL) == [20, 23]


async def test_who_exits_while_his_hook_sleeps_holds_the_pod_to_its_end() -> None:
    app = Life(exits_after=52)
    async with played(alone(pre_stop=Sleep(seconds=10)), app=app) as play:
        await play.delete(50)
        assert play.times(Kind.EXITED) == [52]
        assert play.clock.now() == pytest.approx(60)
        assert play.events(Kind.SIGNAL, "app") == []


async def test_an_exec_hook_dies_with_its_container() -> None:
    pod = alone(pre_stop=Exec(command=("hook",)))
    async with played(pod, acts={"hook": HANGS}, app=Life(exits_after=52)) as play:
        await play.delete(50)
        assert play.times(Kind.PRE_STOP_ENDED) == [52]
        assert play.warnings() == ["FailedPreStopHook"]
        assert play.clock.now() == pytest.approx(52)


async def test_a_container_that_cannot_be_started_waits_longer_each_time() -> None:
    no, yes = Life(starts=False), Life()
    async with played(alone(), app=[no, no, yes]) as play:
        await play.until(30)
        assert play.worker.statuses()["app"].state == "running"
        assert started(play, "app") == [[11]]
        assert play.warnings() == ["Failed", "Failed"]


@pytest.mark.parametrize(
    ("policy", "code", "file", "log", "message"),
    [
        ("File", 1, b"x" * 5000, b"", "x" * 4096),
        ("File", 1, b"", b"last words", ""),
        ("FallbackToLogsOnError", 1, b"", b"last words", "last words"),
        ("FallbackToLogsOnError", 0, b"", b"last words", ""),
        ("FallbackToLogsOnError", 1, b"said", b"last words", "said"),
        ("FallbackToLogsOnError", 1, b"", b"a\n" * 200, "a\n" * 80),
        ("FallbackToLogsOnError", 1, b"", b"b" * 3000, "b" * 2048),
    ],
)
async def test_the_termination_message_is_cut_as_the_kubelet_cuts_it(
    policy: str, code: int, file: bytes, log: bytes, message: str
) -> None:
    pod = alone(termination_message_policy=policy, policy="Never")
    async with played(pod, app=Life(exits_after=1, code=code, message=file, log=log)) as play:
        await play.worker.ended.wait()
        assert play.worker.statuses()["app"].message == message


async def test_the_containers_of_a_pod_share_the_room_for_their_messages() -> None:
    pod = Pod(
        containers=tuple(Container(name=name) for name in ("a", "b", "c", "d")),
        restart_policy="Never",
    )
    end = Life(exits_after=1, message=b"x" * 4096)
    async with played(pod, a=end, b=end, c=end, d=end) as play:
        await play.worker.ended.wait()
        assert [len(one.message) for one in play.worker.statuses().values()] == [3072] * 4


async def test_stop_signals_are_heeded_if_the_gate_is_open() -> None:
    for gate, name in ((False, "SIGTERM"), (True, "SIGUSR1")):
        async with played(alone(stop_signal="SIGUSR1"), knobs=Knobs(stop_signals=gate)) as play:
            await play.delete(1)
            assert play.events(Kind.SIGNAL, "app")[0].detail == name
            assert bool(play.events(Kind.NOTE, "app", "its feature gate is off")) is not gate


@pytest.mark.parametrize(
    ("gate", "name"), [(False, "SIGQUIT"), (True, "SIGUSR1")], ids=["closed", "open"]
)
async def test_the_stop_signal_of_an_image_is_sent_unless_the_manifest_has_another(
    gate: bool, name: str
) -> None:
    knobs = Knobs(stop_signals=gate, image_signals={"app": signal.SIGQUIT})
    async with played(alone(stop_signal="SIGUSR1"), knobs=knobs) as play:
        await play.delete(1)
        assert play.events(Kind.SIGNAL, "app")[0].detail == name


@pytest.mark.parametrize(
    ("name", "number"),
    [("SIGINT", 2), ("INT", 2), ("2", 2), ("SIGRTMIN+3", signal.SIGRTMIN + 3), ("RTMAX-1", 63)],
)
def test_a_signal_is_named_as_images_name_it(name: str, number: int) -> None:
    assert signal_number(name) == number


@pytest.mark.parametrize("name", ["", "SIG", "SIGNONE", "0", "99", "sigint", "Signals", "__doc__"])
def test_a_signal_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(RehearsalError, match="write it as SIGINT, INT or 2"):
        signal_number(name)


async def test_a_rehearsal_that_is_cancelled_kills_what_it_started() -> None:
    pod = alone(post_start=Exec(command=("hook",)))
    async with played(pod, acts={"hook": HANGS}) as play:
        await play.until(3)
        began = anyio.current_time()
    assert anyio.current_time() == began
    assert not play.machine.processes[0][1].alive
