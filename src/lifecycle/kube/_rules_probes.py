"""LC3: probes that cannot work, or that end what is only busy."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from lifecycle.kube._commands import environment_of, seconds
from lifecycle.kube._container import Container
from lifecycle.kube._handlers import Check, Grpc, HttpGet, Probe, TcpSocket
from lifecycle.kube._hooks import is_loopback, unknown_port
from lifecycle.kube._rule import Found, Rule, Severity, Subject
from lifecycle.kube._rules_budget import pre_stop_seconds
from lifecycle.kube._where import NO_PLACE

PROBES = "https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/"
CONCEPT = "https://kubernetes.io/docs/concepts/workloads/pods/probes/"
SLOW: Final = 30
"""Seconds of initialDelaySeconds that say: this program starts slowly."""


def probes(subject: Subject) -> Iterator[tuple[Container, str, Probe]]:
    for container in subject.pod.everyone():
        for name, probe in container.probes.items():
            yield container, name, probe


def _bare(container: Container, check: Check) -> Check:
    """Without its position, and with its port as a number."""
    if isinstance(check, HttpGet | TcpSocket):
        check = replace(check, port=container.port(check.port) or check.port)
    return replace(check, place=NO_PLACE)


def _unknown_port(subject: Subject) -> Iterator[Found]:
    for container, name, probe in probes(subject):
        if isinstance(probe.check, HttpGet | TcpSocket | Grpc):
            wrong = unknown_port(container, probe.check.port)
            if wrong:
                end = "it never succeeds"
                yield Found(
                    probe.check.place.at("port"),
                    f"{name} asks at a port that cannot be found, {wrong}: {end}",
                )


def _loopback(subject: Subject) -> Iterator[Found]:
    for container, name, probe in probes(subject):
        check = probe.check
        if (
            isinstance(check, HttpGet | TcpSocket)
            and is_loopback(check.host)
            and not subject.pod.host_network
        ):
            yield Found(
                check.place.at("host"),
                f"{name} of {container.name!r} asks at {check.host}, which is the node, not the pod",
            )


def _liveness_as_readiness(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.everyone():
        alive, ready = container.liveness, container.readiness
        if alive is None or ready is None or alive.patience > ready.patience:
            continue
        if _bare(container, alive.check) == _bare(container, ready.check):
            yield Found(
                container.place.at("livenessProbe"),
                f"livenessProbe of {container.name!r} asks the same as its readinessProbe, and is no more patient"
                f" ({alive.patience:g} s, readiness {ready.patience:g} s): what should only get no new work is killed",
                f"ask for something cheaper that needs no database or neighbour, or be more patient than"
                f" {ready.patience:g} s",
            )


def _stricter_than_startup(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.everyone():
        alive, startup = container.liveness, container.startup
        if alive is None or startup is None:
            continue
        if (
            _bare(container, alive.check) == _bare(container, startup.check)
            and alive.timeout < startup.timeout
        ):
            yield Found(
                alive.place.at("timeoutSeconds"),
                f"livenessProbe of {container.name!r} waits {alive.timeout:g} s for the answer that its startupProbe"
                f" waits {startup.timeout:g} s for: a start that was slow enough to pass is killed at once",
                f"set timeoutSeconds of the livenessProbe to {startup.timeout:g} as well",
            )


def _one_failure(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.everyone():
        alive = container.liveness
        if alive is not None and alive.failure_threshold == 1:
            yield Found(
                alive.place.at("failureThreshold"),
                f"livenessProbe of {container.name!r} kills after a single answer that took longer than"
                f" {alive.timeout:g} s",
            )


def told_delay(container: Container) -> float:
    """Seconds between the deletion and the closing of the listener, where the manifest says it."""
    delay = seconds(environment_of(container).get("LIFECYCLE_SHUTDOWN_DELAY", ""))
    return max(pre_stop_seconds(container), delay or 0)


def _delay_too_short(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.containers:
        ready, delay = container.readiness, told_delay(container)
        # The first failure is seen within a period, and counts as one of them.
        soonest = ready.patience - ready.period if ready else 0
        if ready is not None and 0 < delay < soonest:
            yield Found(
                ready.place.at("failureThreshold", "periodSeconds"),
                f"readiness of {container.name!r} is lost {soonest:g} to {ready.patience:g} s after the answer changes"
                f" (period {ready.period:g} s x {ready.failure_threshold}), and it serves on for {delay:g} s: whoever goes by readiness alone learns of"
                " the end when it is over",
                f"let period x failureThreshold be {delay:g} s or less, if such a balancer is in front of it",
            )


def _slow_start(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.everyone():
        alive = container.liveness
        if alive is not None and container.startup is None and alive.initial_delay >= SLOW:
            yield Found(
                alive.place.at("initialDelaySeconds"),
                f"livenessProbe of {container.name!r} leaves {alive.initial_delay:g} s for the start: a slower one is"
                " killed, and after a fast one nobody looks for as long",
                f"write a startupProbe with failureThreshold x periodSeconds above {alive.initial_delay:g},"
                " and leave initialDelaySeconds out",
            )


def _refused(subject: Subject) -> Iterator[Found]:
    for container, name, probe in probes(subject):
        if name != "readinessProbe" and probe.success_threshold != 1:
            yield Found(
                probe.place.at("successThreshold"),
                f"{name} of {container.name!r} has successThreshold {probe.success_threshold}: the API server takes 1",
                "leave successThreshold out",
            )
        if name == "readinessProbe" and probe.grace_period is not None:
            yield Found(
                probe.place.at("terminationGracePeriodSeconds"),
                f"readinessProbe of {container.name!r} has a terminationGracePeriodSeconds: the API server refuses it,"
                " readiness kills nobody",
                "leave it out",
            )
        if name != "readinessProbe" and probe.grace_period is not None and probe.grace_period < 1:
            yield Found(
                probe.place.at("terminationGracePeriodSeconds"),
                f"{name} of {container.name!r} has terminationGracePeriodSeconds {probe.grace_period:g}: the API server"
                " takes 1 or more",
                "write 1, or leave it out",
            )


READY_PATHS: Final = frozenset({"/readyz", "/ready", "/readiness", "/health/ready", "/-/ready"})
LIVE_PATHS: Final = frozenset({"/livez", "/live", "/liveness", "/health/live", "/-/healthy"})


def _mixed_up(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.everyone():
        for name, probe, wrong in (
            ("livenessProbe", container.liveness, READY_PATHS),
            ("readinessProbe", container.readiness, LIVE_PATHS),
        ):
            check = probe.check if probe else None
            path = f"/{check.path.strip('/')}" if isinstance(check, HttpGet) else ""
            if isinstance(check, HttpGet) and path in wrong:
                yield Found(
                    check.place.at("path"),
                    f"{name} of {container.name!r} asks {check.path}: "
                    + (
                        "whoever is not ready, because it drains or waits, is killed for it"
                        if name == "livenessProbe"
                        else "a program that starts or drains says there that it is well, and is sent requests"
                    ),
                )


RULES = (
    Rule(
        id="LC301",
        severity=Severity.ERROR,
        title="A probe asks at a port that is not there",
        sees="A probe with the name of a port that its own container does not have, or a number that is no port.",
        why="The name is looked up among the `ports` of the same container. A readiness probe then never succeeds and no"
        " request arrives; a liveness or startup probe restarts the container for ever.",
        fix="name the port in this container's `ports`, or write its number",
        source=PROBES,
        find=_unknown_port,
    ),
    Rule(
        id="LC302",
        severity=Severity.WARNING,
        title="Liveness asks what readiness asks",
        sees="A livenessProbe with the same check as the readinessProbe that gives up as soon or sooner.",
        why="Readiness says *send me nothing now*, liveness says *kill me*. If both ask the same, an overload or a lost"
        " database kills all replicas at once, and none of them was broken. The same endpoint is fine if liveness waits"
        " clearly longer.",
        fix="ask liveness for less than readiness, or give it a higher failureThreshold",
        source=CONCEPT,
        find=_liveness_as_readiness,
    ),
    Rule(
        id="LC303",
        severity=Severity.WARNING,
        title="Liveness is stricter than startup",
        sees="A livenessProbe that waits less for the same answer than the startupProbe does.",
        why="Liveness begins in the moment in which startup has succeeded. An answer that was quick enough to have"
        " started is too slow to go on living, and the container starts over and over.",
        fix="give livenessProbe at least the timeoutSeconds of startupProbe",
        source=PROBES,
        find=_stricter_than_startup,
    ),
    Rule(
        id="LC304",
        severity=Severity.WARNING,
        title="A single slow answer kills the container",
        sees="A livenessProbe with `failureThreshold: 1`.",
        why="One pause of a garbage collector, one busy second of the node, and a program that was well is stopped with"
        " all that it was doing.",
        fix="leave failureThreshold at 3, or shorten periodSeconds instead",
        source=PROBES,
        find=_one_failure,
    ),
    Rule(
        id="LC305",
        severity=Severity.INFO,
        title="Readiness is lost later than the server closes",
        sees="A delay before closing (a preStop sleep, or `LIFECYCLE_SHUTDOWN_DELAY`) in which no readinessProbe can"
        " fail often enough: period x (threshold - 1) is longer.",
        why="Services do not wait for this: a deleted pod leaves their endpoints at once, whatever its probes say. But a"
        " load balancer outside that sends its own health checks goes by readiness alone.",
        fix="shorten periodSeconds or failureThreshold of the readinessProbe, or serve on for longer",
        source="https://kubernetes.io/docs/tutorials/services/pods-and-endpoint-termination-flow/",
        find=_delay_too_short,
    ),
    Rule(
        id="LC306",
        severity=Severity.WARNING,
        title="A slow start is bridged by a delay",
        sees="A livenessProbe with `initialDelaySeconds` of 30 or more and no startupProbe.",
        why="The delay is a guess that is paid on every start. A start that takes longer on a busy node is killed before"
        " its end, and then takes longer still.",
        fix="write a startupProbe: liveness begins when it has succeeded, and not a second later",
        source=PROBES,
        find=_slow_start,
    ),
    Rule(
        id="LC307",
        severity=Severity.ERROR,
        title="A probe asks the node instead of the pod",
        sees="A probe with `host: localhost`, `127.0.0.1` or `::1`, in a pod with a network of its own.",
        why="The kubelet asks from the node, where loopback is the node itself. If something answers there, it answers for"
        " a program that may be dead.",
        fix="leave `host` out, and let the program listen on 0.0.0.0 or ::",
        source=PROBES,
        find=_loopback,
    ),
    Rule(
        id="LC309",
        severity=Severity.ERROR,
        title="A probe has a field that the API server refuses",
        sees="A successThreshold other than 1 for liveness or startup; a `terminationGracePeriodSeconds` of a"
        " readinessProbe, or below 1.",
        why="Validation refuses the whole pod. A probe's grace period of 0 does not mean *at once*: it is refused as"
        " well, despite what is said elsewhere.",
        fix="leave the field out",
        source="https://github.com/kubernetes/kubernetes/blob/v1.36.2/pkg/apis/core/validation/validation.go",
        find=_refused,
    ),
    Rule(
        id="LC310",
        severity=Severity.WARNING,
        title="Liveness and readiness are mixed up",
        sees="A livenessProbe at a path that is called ready, or a readinessProbe at one that is called live.",
        why="A program that drains, or waits for its trigger, is alive and not ready. Asked at the wrong path it is killed"
        " in the middle of its work, or gets requests that it cannot serve.",
        fix="ask for liveness at /livez and for readiness at /readyz, or what the program calls them",
        source=CONCEPT,
        find=_mixed_up,
    ),
)
