"""What may happen to a pod: one row each, with what it does and which promises it puts to the test."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from lifecycle.kube import Pod
from lifecycle.rehearse._events import Kind
from lifecycle.rehearse._faults import Faults, can_be_made_to_fail
from lifecycle.rehearse._options import Options

if TYPE_CHECKING:
    from lifecycle.rehearse._stage import Stage

INTO_THE_STOP: Final = 0.5
"""Seconds: a hook has begun by then, and has hardly ended."""
FORCED: Final = 0
"""`kubectl delete --force --grace-period=0`; the kubelet makes it one second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`prepare` comes before the start, `play` after the pod is ready and under load."""

    name: str
    what: str
    promises: tuple[str, ...]
    """Keys of `PROMISES`."""
    play: "Callable[[Stage], Coroutine[Any, Any, None]]"
    prepare: Callable[[Faults, Options], None] = lambda _, __: None
    begin: "Callable[[Stage], Coroutine[Any, Any, None]] | None" = None
    """Runs beside the start."""
    expects: tuple[str, ...] = ()
    """Findings that it brings about itself."""
    restarts: bool = False
    """It is about being started again."""
    needs: Callable[[Pod], str] = lambda _: ""
    """Why it cannot be played with this pod; nothing if it can."""


async def _delete(stage: "Stage") -> None:
    stage.pod.worker.delete()
    await stage.pod.ended.wait()


async def _force(stage: "Stage") -> None:
    stage.pod.worker.delete(grace=FORCED)
    await stage.pod.ended.wait()


async def _evict(stage: "Stage") -> None:
    stage.pod.worker.evict()
    await stage.pod.ended.wait()


async def _node_shutdown(stage: "Stage") -> None:
    stage.pod.worker.shut_down_node(stage.workload.pod.grace_period)
    await stage.pod.ended.wait()


async def _rollout(stage: "Stage") -> None:
    await stage.roll_out()


async def _crash(stage: "Stage") -> None:
    await stage.crash()


async def _oom(stage: "Stage") -> None:
    await stage.crash(out_of_memory=True)


def _fail_post_start(faults: Faults, _: Options) -> None:
    faults.failing_post_starts = 1


async def _liveness(stage: "Stage") -> None:
    stage.pod.faults.liveness_fails = True
    await stage.back_again(until=Kind.KILLING, before=stage.pod.faults.heal)


def _hang(faults: Faults, _: Options) -> None:
    faults.hanging_pre_stop = True


def _be_slow(faults: Faults, options: Options) -> None:
    faults.asleep = options.slow


async def _kubelet_restart(stage: "Stage") -> None:
    """In the middle of the stop: whatever was under way is begun again."""
    stage.tasks.start_soon(_restart_kubelet, stage)
    await _delete(stage)


async def _restart_kubelet(stage: "Stage") -> None:
    if await stage.heard(Kind.KILLING):
        await stage.clock.sleep(INTO_THE_STOP)
        stage.pod.worker.restart_kubelet()


async def _lose_post_start(stage: "Stage") -> None:
    """Before the pod is ready: between the start of a container and the end of its hook."""
    if await stage.heard(Kind.POST_START_BEGAN, since=0):
        stage.pod.worker.restart_kubelet()


def _no_liveness(pod: Pod) -> str:
    probed = any(one.liveness is not None for one in pod.everyone())
    return "" if probed else "no container has a livenessProbe"


def _no_pre_stop(pod: Pod) -> str:
    return (
        ""
        if can_be_made_to_fail(pod, "preStop")
        else "no container has a preStop hook that can hang"
    )


def _no_post_start(pod: Pod) -> str:
    return (
        ""
        if can_be_made_to_fail(pod, "postStart")
        else "no container has a postStart hook that can fail"
    )


def _never_again(pod: Pod) -> str:
    return "" if pod.restart_policy != "Never" else "restartPolicy is Never"


_GRACEFUL: Final = ("ready", "nothing-lost", "inside-grace", "clean-exit", "hooks-succeed")

_CRASH: Final = Scenario(
    name="crash",
    what="The containers' processes die, and the kubelet starts them again.",
    promises=("ready", "back-again", "hooks-succeed"),
    play=_crash,
    restarts=True,
    needs=_never_again,
)
_EVICT: Final = Scenario(
    name="evict",
    what="The node is short of something: the pod has one second for its hooks, then two to end.",
    promises=("ready", "inside-grace", "clean-exit"),
    play=_evict,
    expects=("pre-stop-took-it-all",),
)

_ALL: Final = (
    Scenario(
        name="delete",
        what="The pod is deleted, as by kubectl, a rollout, a scale-down or a drain of its node.",
        promises=_GRACEFUL,
        play=_delete,
    ),
    Scenario(
        name="rollout",
        what="All replicas are replaced, as the workload's strategy says, behind a Service.",
        promises=(
            "ready",
            "nothing-lost",
            "always-served",
            "inside-grace",
            "clean-exit",
            "hooks-succeed",
        ),
        play=_rollout,
    ),
    _CRASH,
    replace(
        _CRASH,
        name="oom",
        what="The kernel kills the containers for their memory: no signal, no hook.",
        play=_oom,
    ),
    Scenario(
        name="liveness",
        what="The liveness probes fail until the kubelet restarts the containers.",
        promises=("ready", "back-again", "inside-grace", "hooks-succeed"),
        play=_liveness,
        restarts=True,
        needs=lambda pod: _no_liveness(pod) or _never_again(pod),
    ),
    _EVICT,
    replace(
        _EVICT,
        name="force",
        what="kubectl delete --force --grace-period=0: one second for the hooks, then two to end.",
        play=_force,
    ),
    Scenario(
        name="node-shutdown",
        what="The node shuts down gracefully. The pod is not deleted, and stays an endpoint until it has ended.",
        promises=("ready", "inside-grace", "clean-exit", "hooks-succeed"),
        play=_node_shutdown,
    ),
    Scenario(
        name="poststart-fails",
        what="The first postStart hook fails: the container is stopped, with its preStop hook, and started again.",
        promises=("ready", "nothing-lost", "inside-grace", "clean-exit"),
        play=_delete,
        prepare=_fail_post_start,
        expects=("post-start-failed",),
        restarts=True,
        needs=lambda pod: _no_post_start(pod) or _never_again(pod),
    ),
    Scenario(
        name="hook-hangs",
        what="The preStop hook does its work and never returns: SIGTERM comes when the grace period is over.",
        promises=("ready", "nothing-lost", "inside-grace", "clean-exit"),
        play=_delete,
        prepare=_hang,
        expects=("pre-stop-took-it-all",),
        needs=_no_pre_stop,
    ),
    Scenario(
        name="kubelet-restart",
        what="The kubelet restarts while it stops the pod: the preStop hook is run twice.",
        promises=("ready", "nothing-lost", "inside-grace", "clean-exit"),
        play=_kubelet_restart,
    ),
    Scenario(
        name="poststart-lost",
        what="The kubelet restarts while it runs the postStart hook, which is killed and never run again.",
        promises=("ready", "nothing-lost", "inside-grace", "clean-exit"),
        play=_delete,
        begin=_lose_post_start,
        needs=lambda pod: (
            ""
            if any(one.post_start for one in pod.everyone())
            else "no container has a postStart hook"
        ),
    ),
    Scenario(
        name="slow-start",
        what="No probe is answered for the first 30 s: a slow machine, a cold cache, a migration.",
        promises=("ready", "not-restarted", "nothing-lost", "inside-grace", "clean-exit"),
        play=_delete,
        prepare=_be_slow,
    ),
)

SCENARIOS: Final[Mapping[str, Scenario]] = {scenario.name: scenario for scenario in _ALL}
