"""LC4: what is around the pod: how pods are replaced, who may take them away, and who reaches them."""

from collections.abc import Iterator

from lifecycle.kube._app import TOKEN_VARIABLE
from lifecycle.kube._commands import simple_commands
from lifecycle.kube._container import Container
from lifecycle.kube._handlers import Exec, HttpGet
from lifecycle.kube._manifest import Service
from lifecycle.kube._rule import Found, Rule, Severity, Subject
from lifecycle.kube._workload import Workload

DEPLOYMENTS = "https://kubernetes.io/docs/concepts/workloads/controllers/deployment/"


def _serves(workload: Workload) -> bool:
    """Whether somebody may be waiting for an answer, as far as the manifest says."""
    return any(
        container.ports or container.readiness is not None for container in workload.pod.containers
    )


def _all_at_once(subject: Subject) -> Iterator[Found]:
    workload = subject.workload
    strategy, replicas = workload.strategy, workload.replicas
    if workload.kind != "Deployment" or strategy.kind != "RollingUpdate" or not replicas:
        return
    if strategy.unavailable(replicas) >= replicas and _serves(workload):
        pods = "the only pod" if replicas == 1 else f"all {replicas} pods"
        yield Found(
            strategy.place.at("rollingUpdate"),
            f"a rolling update may stop {pods} before a new one is ready: maxUnavailable is"
            f" {strategy.max_unavailable}, maxSurge {strategy.max_surge}",
        )


def _recreated(subject: Subject) -> Iterator[Found]:
    workload = subject.workload
    if workload.strategy.kind == "Recreate" and workload.replicas and _serves(workload):
        yield Found(
            workload.strategy.place.at("type"),
            f"every change of {workload.title} stops its pods, {workload.pod.grace_period:g} s at most, and only then"
            " starts new ones: until they are ready nobody serves",
        )


def _ready_at_once(subject: Subject) -> Iterator[Found]:
    workload = subject.workload
    if workload.kind not in {"Deployment", "StatefulSet"} or workload.strategy.kind == "Recreate":
        return
    if workload.min_ready_seconds or not workload.replicas:
        return
    probed = any(one.readiness or one.startup for one in workload.pod.everyone())
    for service in () if probed else subject.services[:1]:
        yield Found(
            workload.place.at("template", "spec"),
            f"no container of {workload.title} has a readiness probe: Service/{service.name} sends requests as soon as the"
            " program has been started, and a rolling update then stops the next old pod",
        )


def _nothing_protects(subject: Subject) -> Iterator[Found]:
    workload = subject.workload
    if workload.kind not in {"Deployment", "StatefulSet"} or workload.replicas < 2:  # noqa: PLR2004 - one pod alone cannot be kept by a budget without blocking every drain
        return
    if not _serves(workload):
        return
    for budget in subject.manifest.disruption_budgets:
        same = budget.namespace == workload.namespace
        if same and budget.selector.items() <= workload.labels.items():
            return
    yield Found(
        workload.place.at("replicas"),
        f"no PodDisruptionBudget is about {workload.title}: whoever drains nodes may evict all {workload.replicas} pods at"
        " the same moment",
    )


def _deadline(subject: Subject) -> Iterator[Found]:
    workload, grace = subject.workload, subject.pod.grace_period
    for deadline, place in (
        (workload.active_deadline, workload.place),
        (subject.pod.active_deadline, subject.pod.place),
    ):
        if deadline is not None and grace >= deadline:
            yield Found(
                place.at("activeDeadlineSeconds"),
                f"{workload.title} may run for {deadline:g} s, and then take {grace:g} s more to stop: the grace period is"
                " not part of activeDeadlineSeconds",
            )


SHUTDOWN = "/shutdown"
TOKENS = ("x-lifecycle-token", "authorization")
OUTSIDE = ("NodePort", "LoadBalancer")


def _stoppable_over_http(container: Container) -> bool:
    """Whether the program stops when it is asked to over HTTP, and wants no secret for it, as far as the manifest says."""
    if {one.name for one in container.env} & {TOKEN_VARIABLE, "LIFECYCLE_ALLOW"}:
        return False
    match container.pre_stop:
        case HttpGet(asked=path, headers=headers):
            secret = any(name.lower() in TOKENS for name, _ in headers)
            return path == SHUTDOWN and not secret
        case Exec(command=command):
            return any(one[:2] == ["lifecycle", "stop"] for one in simple_commands(command))
        case _:
            return False


def _strangers_look_like_the_node(subject: Subject) -> Iterator[Found]:
    for service in subject.services:
        if service.kind not in OUTSIDE or service.external_traffic_policy == "Local":
            continue
        for container in subject.pod.containers:
            if _stoppable_over_http(container) and _reaches(service, container):
                yield Found(
                    container.lifecycle_place.at("preStop"),
                    f"{container.name!r} can be stopped with GET {SHUTDOWN}, and Service/{service.name} ({service.kind})"
                    " shows callers from outside as the node: to the program they are the kubelet",
                )


def _reaches(service: Service, container: Container) -> bool:
    hook = container.pre_stop
    if not isinstance(hook, HttpGet) or not service.ports:
        return True
    return container.port(hook.port) in {container.port(port) for port in service.ports}


RULES = (
    Rule(
        id="LC401",
        severity=Severity.WARNING,
        title="A rolling update takes every pod away at once",
        sees="A Deployment whose `maxUnavailable` allows all of its replicas, with pods that serve: often one replica with"
        " `maxSurge: 0`.",
        why="The old pods go before the new ones are ready, and nobody answers in between, however gracefully each of them"
        " stops.",
        fix="set maxUnavailable: 0 and maxSurge: 1",
        source=f"{DEPLOYMENTS}#max-unavailable",
        find=_all_at_once,
    ),
    Rule(
        id="LC402",
        severity=Severity.INFO,
        title="Every change stops all pods first",
        sees="A Deployment with the strategy `Recreate`, with pods that serve.",
        why="All pods are stopped, and have their whole grace period for it, before the first new one is started. That is"
        " right for a volume that one pod alone may mount, and an interruption for everything else.",
        fix="use RollingUpdate if two versions can run side by side",
        source=f"{DEPLOYMENTS}#recreate-deployment",
        find=_recreated,
    ),
    Rule(
        id="LC403",
        severity=Severity.WARNING,
        title="A pod counts as ready as soon as it runs",
        sees="A Service in the same input that selects pods of which no container has a readiness or startup probe, and no"
        " `minReadySeconds`.",
        why="Without a readiness probe a container is ready when its process exists. It gets requests before it listens, and"
        " a rolling update takes that for success: it goes on to stop the old pods.",
        fix="add a readinessProbe that asks what requests need; `lifecycle manifest` writes one",
        source="https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#when-should-you-use-a-readiness-probe",
        find=_ready_at_once,
    ),
    Rule(
        id="LC404",
        severity=Severity.INFO,
        title="Nothing keeps a drain from taking all pods",
        sees="A Deployment or StatefulSet with several replicas that serve, and no PodDisruptionBudget for them in the same"
        " input.",
        why="A drain of nodes evicts pods one by one, but as fast as it can: without a budget nobody waits until the first is"
        " replaced before the last is stopped.",
        fix="add a PodDisruptionBudget with maxUnavailable: 1 for these labels",
        source="https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-budgets",
        find=_nothing_protects,
    ),
    Rule(
        id="LC405",
        severity=Severity.WARNING,
        title="A stop may take longer than the whole run",
        sees="An `activeDeadlineSeconds` of a Job or a pod that is not above `terminationGracePeriodSeconds`.",
        why="When the deadline is over the pods are stopped like any others: hook, SIGTERM, and then the grace period. The"
        " work goes on for that long after the deadline, and the Job has failed already.",
        fix="shorten terminationGracePeriodSeconds, or count it into the deadline that you give",
        source="https://kubernetes.io/docs/concepts/workloads/controllers/job/#job-termination-and-cleanup",
        find=_deadline,
    ),
    Rule(
        id="LC406",
        severity=Severity.WARNING,
        title="Strangers may stop the program",
        sees="A program that stops when GET `/shutdown` is called (an `httpGet` of that path, or `lifecycle stop`), without a"
        " token, behind a Service of type NodePort or LoadBalancer with `externalTrafficPolicy: Cluster`.",
        why="Such a Service replaces the caller's address by that of a node. The kubelet calls from there too, so an endpoint"
        " that judges by the address cannot tell the two apart.",
        fix="set LIFECYCLE_SHUTDOWN_TOKEN from a Secret and use `lifecycle stop`, or set externalTrafficPolicy: Local",
        source="https://kubernetes.io/docs/tutorials/services/source-ip/#source-ip-for-services-with-type-nodeport",
        find=_strangers_look_like_the_node,
    ),
)
