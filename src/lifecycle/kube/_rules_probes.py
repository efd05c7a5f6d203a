"""LC3, as probes stand there: what they ask for cannot be asked, or not of those whom it is meant for."""

from collections.abc import Iterator
from typing import Final

from lifecycle.kube._container import Container
from lifecycle.kube._handlers import Exec, HttpGet, Probe, TcpSocket
from lifecycle.kube._hooks import is_loopback, unknown_port
from lifecycle.kube._rule import Found, Rule, Severity, Subject

PROBES = "https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/"
CONCEPT = "https://kubernetes.io/docs/concepts/workloads/pods/probes/"
READY_PATHS: Final = frozenset({"/readyz", "/ready", "/readiness", "/health/ready", "/-/ready"})
LIVE_PATHS: Final = frozenset({"/livez", "/live", "/liveness", "/health/live", "/-/healthy"})


def _probes(subject: Subject) -> Iterator[tuple[Container, str, Probe]]:
    """Every probe of every container: whose, which, and what it does."""
    for container in subject.pod.everyone():
        for name, probe in container.probes.items():
            yield container, name, probe


def _unknown_port(subject: Subject) -> Iterator[Found]:
    for container, name, probe in _probes(subject):
        check = probe.check
        wrong = "" if isinstance(check, Exec) else unknown_port(container, check.port)
        if wrong:
            yield Found(
                check.place.at("port"),
                f"{name} asks at a port that cannot be found, {wrong}: it never succeeds",
            )


def _loopback(subject: Subject) -> Iterator[Found]:
    for container, name, probe in _probes(subject):
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


def _refused(subject: Subject) -> Iterator[Found]:
    for container, name, probe in _probes(subject):
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
