"""LC2: one grace period pays for everything between the first word and SIGKILL."""

from collections.abc import Iterator

from lifecycle.kube._commands import environment_of, name_of, seconds, whole_command
from lifecycle.kube._container import Container, Role
from lifecycle.kube._hooks import pre_stop_seconds
from lifecycle.kube._rule import Found, Rule, Severity, Subject
from lifecycle.kube._where import Where

TERMINATION = "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination"


def _hook_at(container: Container) -> Where:
    return container.lifecycle_place.at("preStop")


def _no_grace(subject: Subject) -> Iterator[Found]:
    if subject.pod.grace_period == 0:
        yield Found(
            subject.pod.place.at("terminationGracePeriodSeconds"),
            "terminationGracePeriodSeconds is 0: a deleted pod has 1 s for its preStop hook and 2 s after SIGTERM,"
            " a container restarted by a probe has no hook at all",
        )


def _pre_stop_takes_it_all(subject: Subject) -> Iterator[Found]:
    grace = subject.pod.grace_period
    for container in _stoppable(subject):
        length = pre_stop_seconds(container)
        if length and length >= grace > 0:
            yield Found(
                _hook_at(container),
                f"preStop of {container.name!r} sleeps {length:g} s of a grace period of {grace:g} s:"
                " SIGTERM comes when it is over, and SIGKILL 2 s later",
                f"set terminationGracePeriodSeconds to {length + 30:g}, or sleep less",
            )


def _stoppable(subject: Subject) -> Iterator[Container]:
    """Those that have hooks and get signals of their own turn."""
    for container in subject.pod.everyone():
        if container.role is not Role.INIT:
            yield container


# What a server waits for requests in flight, by the option of its command line.
SERVER_OPTIONS = {
    "uvicorn": "--timeout-graceful-shutdown",
    "hypercorn": "--graceful-timeout",
    "gunicorn": "--graceful-timeout",
}
SETTINGS = (
    ("LIFECYCLE_SHUTDOWN_DELAY", "delay"),
    ("LIFECYCLE_DRAIN_TIMEOUT", "drain"),
)


def _parts(container: Container) -> dict[str, float]:
    """What the manifest says that the stop takes, by its name there."""
    parts = {"preStop": pre_stop_seconds(container)}
    environment = environment_of(container)
    for variable, _ in SETTINGS:
        parts[variable] = seconds(environment.get(variable, "")) or 0
    command = [piece for word in whole_command(container) for piece in word.split()]
    for server, option in SERVER_OPTIONS.items():
        if server in {name_of(word) for word in command}:
            parts[option] = _option(command, option)
    return {name: length for name, length in parts.items() if length}


def _option(command: list[str], option: str) -> float:
    for index, word in enumerate(command):
        name, equals, value = word.partition("=")
        if name == option:
            return seconds(value if equals else "".join(command[index + 1 : index + 2])) or 0
    return 0


def _sum_too_large(subject: Subject) -> Iterator[Found]:
    grace = subject.pod.grace_period
    for container in _stoppable(subject):
        parts = _parts(container)
        total = sum(parts.values())
        # A hook that takes it all by itself is another rule's.
        if total > grace > parts.get("preStop", 0):
            added = " + ".join(f"{name} {length:g}" for name, length in parts.items())
            added += f" = {total:g} s" if len(parts) > 1 else " s"
            yield Found(
                subject.pod.place.at("terminationGracePeriodSeconds"),
                f"{container.name!r} may take {added}, and the grace period is {grace:g} s:"
                " SIGKILL comes before it is done",
                f"set terminationGracePeriodSeconds above {total:g}, and leave a few seconds for what shuts down last",
            )


TOLD = ("LIFECYCLE_GRACE_PERIOD", "SUPERVISOR_GRACE_PERIOD")


def _told_more(subject: Subject) -> Iterator[Found]:
    grace = subject.pod.grace_period
    for container in _stoppable(subject):
        for one in container.env:
            told = seconds(one.value or "") if one.name in TOLD else None
            slept = pre_stop_seconds(container)
            if told is None or told <= grace - slept or (slept and slept >= grace):
                continue
            left = (
                f", of which the preStop hook sleeps {slept:g} s before it learns of it"
                if slept
                else ""
            )
            yield Found(
                one.place.at("value"),
                f"{one.name} tells {container.name!r} that it has {told:g} s, and terminationGracePeriodSeconds is"
                f" {grace:g}{left}: it will be killed in the middle of its plan",
                f"set terminationGracePeriodSeconds to {told + slept:g}, or {one.name} to {grace - slept:g}",
            )


def _probe_grace(subject: Subject) -> Iterator[Found]:
    for container in _stoppable(subject):
        length = pre_stop_seconds(container)
        for name, probe in container.probes.items():
            grace = probe.grace_period
            if name != "readinessProbe" and grace is not None and 0 < grace <= length:
                yield Found(
                    probe.place.at("terminationGracePeriodSeconds"),
                    f"when the {name} of {container.name!r} fails it has {grace:g} s, and its preStop hook sleeps"
                    f" {length:g} s of them: the program is killed 2 s after SIGTERM",
                    f"set the probe's terminationGracePeriodSeconds above {length:g}",
                )


RULES = (
    Rule(
        id="LC201",
        severity=Severity.ERROR,
        title="The preStop hook takes the whole grace period",
        sees="A preStop hook that sleeps as long as `terminationGracePeriodSeconds`, or longer.",
        why="The hook is paid out of the grace period, it does not come on top. When the period is over the hook is"
        " abandoned, SIGTERM comes at once, and SIGKILL 2 seconds later: no request is finished in that. The API"
        " server refuses a `sleep` action that is longer than the period.",
        fix="sleep a few seconds, and let terminationGracePeriodSeconds be the hook plus all that the program needs",
        source=TERMINATION,
        find=_pre_stop_takes_it_all,
    ),
    Rule(
        id="LC202",
        severity=Severity.ERROR,
        title="The parts of the stop do not fit into the grace period",
        sees="A preStop hook, `LIFECYCLE_SHUTDOWN_DELAY`, `LIFECYCLE_DRAIN_TIMEOUT` and a server's own timeout"
        " (`--timeout-graceful-shutdown`, `--graceful-timeout`) that add up to more than the grace period.",
        why="There is one purse for all of them: what the hook takes, the program no longer has. SIGKILL does not ask"
        " who spent it.",
        fix="raise terminationGracePeriodSeconds above the sum, or shorten one of the parts",
        source=TERMINATION,
        find=_sum_too_large,
    ),
    Rule(
        id="LC203",
        severity=Severity.ERROR,
        title="There is no grace period",
        sees="`terminationGracePeriodSeconds: 0`.",
        why="It does not mean that the pod is killed at once. A deleted pod still gets its preStop hook, for one second,"
        " then SIGTERM, and SIGKILL 2 seconds later; when a probe fails there is no hook, and the same 2 seconds."
        " Whatever the program has to finish is lost, in the first case with a hook cut off in its middle.",
        fix="leave terminationGracePeriodSeconds out (30 s), or set what the program needs",
        source=TERMINATION,
        find=_no_grace,
    ),
    Rule(
        id="LC205",
        severity=Severity.ERROR,
        title="The program is told of more time than it has",
        sees="`LIFECYCLE_GRACE_PERIOD` or `SUPERVISOR_GRACE_PERIOD` above what `terminationGracePeriodSeconds` leaves after a"
        " preStop hook that sleeps.",
        why="A process cannot find out its grace period: it plans with what it is told. SIGKILL comes when the real one"
        " is over, and that began with the preStop hook, of which a program hears nothing if it only sleeps.",
        fix="write the same number in both places, less what the preStop hook sleeps",
        source=TERMINATION,
        find=_told_more,
    ),
    Rule(
        id="LC207",
        severity=Severity.WARNING,
        title="A probe's own grace period is spent by the preStop hook",
        sees="A liveness or startup probe with a `terminationGracePeriodSeconds` that the preStop hook sleeps away.",
        why="A container that a probe restarts is stopped like any other, hook first, but within the probe's own grace"
        " period.",
        fix="give the probe more, or leave its terminationGracePeriodSeconds out: then the pod's counts",
        source="https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/#probe-level-terminationgraceperiodseconds",
        find=_probe_grace,
    ),
)
