"""LC3, as probes are counted: what is only busy is killed, or what leaves is seen too late."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from lifecycle.kube._commands import environment_of, seconds
from lifecycle.kube._container import Container
from lifecycle.kube._handlers import Check, HttpGet, TcpSocket
from lifecycle.kube._hooks import pre_stop_seconds
from lifecycle.kube._rule import Found, Rule, Severity, Subject
from lifecycle.kube._rules_probes import CONCEPT, PROBES
from lifecycle.kube._where import NO_PLACE

SLOW: Final = 30
"""Seconds of initialDelaySeconds that say: this program starts slowly."""


def _bare(container: Container, check: Check) -> Check:
    """Without its position, and with its port as a number."""
    if isinstance(check, HttpGet | TcpSocket):
        check = replace(check, port=container.port(check.port) or check.port)
    return replace(check, place=NO_PLACE)


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


def _told_delay(container: Container) -> float:
    """Seconds between the deletion and the closing of the listener, where the manifest says it."""
    delay = seconds(environment_of(container).get("LIFECYCLE_SHUTDOWN_DELAY", ""))
    return max(pre_stop_seconds(container), delay or 0)


def _delay_too_short(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.containers:
        ready, delay = container.readiness, _told_delay(container)
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


RULES = (
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
)
