"""What to do next, given what has been seen: kill, start, or end it all.

The rules of computePodActions and computeInitContainerActions (pkg/kubelet/kuberuntime) of Kubernetes 1.36.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lifecycle.kube import Container, Pod, Role
from lifecycle.rehearse._state import Box, ProbeKind, ProbeResult, may_restart, should_restart

LIVENESS = "LivenessProbe"
STARTUP = "StartupProbe"
POST_START = "FailedPostStartHook"


@dataclass(slots=True)
class Plan:
    kill_pod: bool = False
    kill: list[tuple[Box, str]] = field(default_factory=list[tuple[Box, str]])
    init: list[Box] = field(default_factory=list[Box])
    start: list[Box] = field(default_factory=list[Box])


def make_plan(pod: Pod, boxes: Mapping[str, Box], *, deleted: bool) -> Plan:
    plan = Plan()
    regular = [boxes[container.name] for container in pod.containers]
    ready_for_regular = _plan_init(pod, boxes, plan, deleted=deleted)
    if any(box.visible for box in regular):
        ready_for_regular = True  # a sidecar that starts again holds nobody back
    if plan.kill_pod:
        return Plan(kill_pod=True)
    if not ready_for_regular:
        return plan
    kept = 0
    for box in regular:
        if not box.running:
            code = box.seen_exit.code if box.seen_exit else None
            if code is None or should_restart(pod, box.container, code, deleted=deleted):
                plan.start.append(box)
            continue
        reason = _sick(box)
        if reason is None:
            kept += 1
            continue
        plan.kill.append((box, reason))
        if may_restart(pod, box.container):
            plan.start.append(box)
    if not kept and not plan.start:
        return Plan(kill_pod=True)
    return plan


def _sick(box: Box) -> str | None:
    if box.container.startup and box.result(ProbeKind.STARTUP) is ProbeResult.FAILURE:
        return STARTUP
    if box.container.liveness and box.result(ProbeKind.LIVENESS) is ProbeResult.FAILURE:
        return LIVENESS
    return None


def _plan_init(pod: Pod, boxes: Mapping[str, Box], plan: Plan, *, deleted: bool) -> bool:
    """Whether regular containers may run. From the last to the first: the newest one says how far the pod has come."""
    if not pod.init:
        return True
    newest = next(
        (i for i in reversed(range(len(pod.init))) if boxes[pod.init[i].name].visible), None
    )
    if newest is None:
        plan.init.append(boxes[pod.init[0].name])
        return False
    for container in pod.init[:newest]:
        if container.role is Role.SIDECAR:
            _keep(boxes[container.name], plan)
    passed = _newest(pod, boxes[pod.init[newest].name], plan, deleted=deleted)
    if not passed or newest + 1 == len(pod.init):
        return passed
    plan.init.append(boxes[pod.init[newest + 1].name])
    return False


def _newest(pod: Pod, box: Box, plan: Plan, *, deleted: bool) -> bool:
    """Whether it lets the next one start."""
    container: Container = box.container
    if container.role is Role.SIDECAR:
        _keep(box, plan)
        return box.is_started()
    code = box.seen_exit.code if box.seen_exit else None
    if code == 0:
        return True
    if code is not None:
        if should_restart(pod, container, code, deleted=deleted):
            plan.init.append(box)
        else:
            plan.kill_pod = True
    return False


def _keep(box: Box, plan: Plan) -> None:
    """A sidecar is started again whatever became of it."""
    if box.running:
        if reason := _sick(box):
            plan.kill.append((box, reason))
            plan.init.append(box)
    else:
        plan.init.append(box)
