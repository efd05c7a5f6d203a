"""LC204 and LC208: routers go on sending for a while, and a server that closes at once refuses what they send."""

import re
from collections.abc import Iterator
from typing import Final

from lifecycle.kube._app_seen import seen_in
from lifecycle.kube._commands import environment_of, name_of, seconds, whole_command
from lifecycle.kube._container import Container, Port
from lifecycle.kube._manifest import Service
from lifecycle.kube._rule import Found, Rule, Severity, Subject
from lifecycle.kube._workload import JOBS, Workload

FLOW: Final = "https://kubernetes.io/docs/tutorials/services/pods-and-endpoint-termination-flow/"
UNROUTED: Final = frozenset({"DaemonSet"})
"""Agents of their node, mostly: served is only what a Service names."""
ASIDE: Final = re.compile(
    r"metrics|prom|telemetry|health|probe|debug|admin|monitor|gossip|peer|cluster|raft",
    re.IGNORECASE,
)
"""Names of ports that are not for the requests of others."""
OURS: Final = re.compile(r"LIFECYCLE_(?!SHUTDOWN_DELAY)[A-Z_]+")
"""Variables of a program that waits by itself in Kubernetes: it uses this library."""


def _sent_to(subject: Subject) -> Iterator[Found]:
    for container in _closes_at_once(subject):
        for service in subject.services:
            port = _sends_to(service, container, alone=len(subject.pod.containers) == 1)
            if port is None:
                continue
            yield Found(
                container.place.at("ports", "name"),
                f"Service/{service.name} sends to port {port} of {container.name!r}, which has no preStop hook and no delay"
                " that the manifest shows: it gets SIGTERM while routers still send, and what arrives after it has closed"
                " its port is refused",
            )
            break


def _may_be_sent_to(subject: Subject) -> Iterator[Found]:
    if subject.manifest.services or subject.workload.kind in UNROUTED:
        return
    for container in _closes_at_once(subject):
        for port in [port for port in container.ports if _is_for_requests(port)][:1]:
            yield Found(
                container.place.at("ports"),
                f"{container.name!r} has port {port.number}, no preStop hook and no delay that the manifest shows, and there"
                " is no Service here to tell who sends to it: if one does, what arrives after SIGTERM is refused",
            )


def _closes_at_once(subject: Subject) -> Iterator[Container]:
    """Containers of which nothing says that they serve on, in pods that others stand in for when they go."""
    if subject.workload.kind in JOBS or _stands_alone(subject.workload):
        return
    waiting = [seen.container for seen in seen_in(subject) if seen.settings.budget.delay]
    for container in subject.pod.containers:
        serves_on = _waits_by_itself(container) or container in waiting
        if container.pre_stop is None and not serves_on:
            yield container


def _stands_alone(workload: Workload) -> bool:
    """Whether an update stops every pod before a new one is ready: a pause would only put off the gap."""
    strategy, replicas = workload.strategy, workload.replicas
    match workload.kind:
        case "StatefulSet":
            return replicas <= 1
        case "Deployment":
            return strategy.kind == "Recreate" or strategy.unavailable(replicas) >= replicas
        case _:
            return False


def _sends_to(service: Service, container: Container, *, alone: bool) -> int | None:
    """A port of the container that the Service's traffic goes to. What is headless sends nothing: DNS names the pods."""
    if service.headless:
        return None
    declared = {port.number: port for port in container.ports}
    for target in service.ports or tuple(declared):
        number = container.port(target)
        if number in declared and _is_for_requests(declared[number]):
            return number
        # Nobody has to declare ports; what is sent to a pod of one container arrives there all the same.
        if number is not None and alone and not declared:
            return number
    return None


def _is_for_requests(port: Port) -> bool:
    return port.protocol == "TCP" and not ASIDE.search(port.name or "")


def _waits_by_itself(container: Container) -> bool:
    environment = environment_of(container)
    delay = environment.get("LIFECYCLE_SHUTDOWN_DELAY")
    if delay is not None:
        return seconds(delay) != 0
    command = {name_of(word) for word in whole_command(container)}
    return "lifecycle" in command or any(OURS.fullmatch(one.name) for one in container.env)


FIX: Final = (
    "write lifecycle: {preStop: {sleep: {seconds: 5}}}; or let the program serve on after SIGTERM, as lifecycle"
    " serve does, and say so with LIFECYCLE_SHUTDOWN_DELAY"
)

RULES = (
    Rule(
        id="LC204",
        severity=Severity.WARNING,
        title="No pause between the end of the routes and the end of the listener",
        sees="A Service that sends to a container without a preStop hook and without `LIFECYCLE_SHUTDOWN_DELAY`. Left out are"
        " headless Services, which route nothing, ports that are not for requests (by their names: metrics, health, peer…),"
        " Jobs, programs that are known to wait by themselves, and pods that are all stopped by an update before the next"
        " are ready: `Recreate`, a StatefulSet of one.",
        why="When a pod is deleted its address leaves the endpoints at the same time as SIGTERM is sent, not before it."
        " Every node and every load balancer learns of it some tenths of a second to several seconds later, and sends"
        " new connections until then. A server that closes at once on SIGTERM refuses them, in every rollout.",
        fix=FIX,
        source=FLOW,
        find=_sent_to,
    ),
    Rule(
        id="LC208",
        severity=Severity.INFO,
        title="No pause, should a Service send here",
        sees="What LC204 sees, where no Service is in the same input: a container with a port for requests. DaemonSets are"
        " left out.",
        why="Whether requests are lost depends on who sends them, and that stands in another file. A port alone says"
        " little: whoever is reached through no Service may need no pause.",
        fix=f"check the Service in the same run: lifecycle check deployment.yaml service.yaml; then {FIX}",
        source=FLOW,
        find=_may_be_sent_to,
    ),
)
