"""LC7: process 1 and its signals, containers beside each other, and fields where nobody reads them."""

import re
from collections.abc import Iterator
from typing import Final

from lifecycle.kube._commands import (
    name_of,
    script_of,
    simple_commands,
    whole_command,
    words,
)
from lifecycle.kube._container import Container
from lifecycle.kube._rule import Found, Rule, Severity, Subject
from lifecycle.kube._where import Place

LEAST: Final = 2
"""Seconds between SIGTERM and SIGKILL, however short the grace period is: the kubelet's own minimum."""
JOBS: Final = frozenset({"Job", "CronJob"})
EXECS_THE_LAST: Final = frozenset({"bash", "zsh", "ksh"})
"""Shells that replace themselves by the last command of -c, if that is a simple one. dash, Debian's sh, does not."""


def _long_running(subject: Subject) -> Iterator[Container]:
    if subject.workload.kind not in JOBS:
        yield from subject.pod.sidecars
        yield from subject.pod.containers


def _keeps_the_signal(command: tuple[str, ...]) -> bool:
    """Whether a shell stays process 1 and tells nobody of SIGTERM."""
    script = script_of(command)
    if script is None or "trap" in script.split() or "$@" in script:
        return False
    singles = [*simple_commands(command)]
    if not singles or any(one[0] == "exec" for one in singles):
        return False
    tokens = words(script)
    simple = not {"|", "&", "do", "then", "{", "("} & {*tokens}
    return not (name_of(command[0]) in EXECS_THE_LAST and simple)


def _shell_as_init(subject: Subject) -> Iterator[Found]:
    if subject.pod.share_process_namespace:
        return
    for container in _long_running(subject):
        command = whole_command(container) if container.command else ()
        if command and _keeps_the_signal(command):
            script = (script_of(command) or "").strip()
            last = [*simple_commands(command)][-1]
            shown = " ".join(last)
            yield Found(
                container.place.at("command"),
                f"process 1 of {container.name!r} is {name_of(command[0])}, which does not pass SIGTERM on: the program"
                f" below it learns nothing, and is killed after {max(subject.pod.grace_period, LEAST):g} s",
                f"write `exec {shown}` as the last command of the script"
                if len(script) < LONG
                else "",
            )


LONG: Final = 500
"""Characters of a script whose last line says little about its program."""


def _stop_signal_without_os(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.everyone():
        if container.stop_signal and subject.pod.os_name is None:
            yield Found(
                container.lifecycle_place.at("stopSignal"),
                f"stopSignal {container.stop_signal} of {container.name!r} needs spec.os.name: the API server refuses"
                " the pod without it",
            )


def _stop_signal_gate(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.everyone():
        if container.stop_signal and subject.pod.os_name and container.stop_signal != "SIGTERM":
            yield Found(
                container.lifecycle_place.at("stopSignal"),
                f"stopSignal {container.stop_signal} of {container.name!r} counts only where the feature gate"
                " ContainerStopSignals is on: elsewhere it gets SIGTERM, without a word",
            )


PROXIES: Final = re.compile(
    r"(?:^|/)(?:istio/)?(?:proxyv2|envoy|cloud-?sql-proxy|alloydb-auth-proxy|gce-proxy|linkerd2?-proxy|proxy-init"
    r"|dapr[d]?|fluent-bit|fluentd|vector|filebeat|promtail|otel\S*collector\S*|opentelemetry-collector\S*|vault-agent"
    r"|oauth2-proxy|pgbouncer|consul-dataplane|twemproxy|mcrouter)(?:[:@]|$)"
)
"""Images that others in the pod need to the end: what they send through, or log to."""


def _sidecar(subject: Subject) -> Iterator[Found]:
    regular = subject.pod.containers
    beside = [one for one in regular if PROXIES.search(one.image)]
    if len(beside) == len(regular):
        return
    for container in beside:
        if container.pre_stop is not None and subject.workload.kind not in JOBS:
            continue
        yield Found(
            container.place.where,
            f"{container.name!r} ({container.image}) serves the others in the pod, and "
            + (
                "does not end: the Job never completes"
                if subject.workload.kind in JOBS
                else "gets SIGTERM together with them: what they still send while they stop is lost"
            ),
        )


CONTAINER_FIELDS: Final = (
    "lifecycle",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "preStop",
    "postStart",
)
POD_FIELDS: Final = (
    "terminationGracePeriodSeconds",
    "gracePeriodSeconds",
    "shareProcessNamespace",
    "hostNetwork",
    "minReadySeconds",
    "preStop",
    "postStart",
    "activeDeadlineSeconds",
)
HOME: Final = {
    "lifecycle": "into the container",
    "livenessProbe": "into the container",
    "readinessProbe": "into the container",
    "startupProbe": "into the container",
    "preStop": "below `lifecycle:` of the container",
    "postStart": "below `lifecycle:` of the container",
    "terminationGracePeriodSeconds": "into the pod's spec, beside `containers:`",
    "gracePeriodSeconds": "into the pod's spec as terminationGracePeriodSeconds",
    "shareProcessNamespace": "into the pod's spec",
    "hostNetwork": "into the pod's spec",
    "minReadySeconds": "into the Deployment's spec, beside `template:`",
    "strategy": "into the Deployment's spec, beside `template:`",
    "activeDeadlineSeconds": "into the spec of the pod or the Job",
}


def _misplaced(subject: Subject) -> Iterator[Found]:
    workload, pod = subject.workload, subject.pod
    wrong: list[tuple[str, Place, tuple[str, ...]]] = [
        ("the pod's spec", pod.place, (*CONTAINER_FIELDS, "minReadySeconds", "strategy")),
        *(
            (f"container {one.name!r}", one.place, (*POD_FIELDS, "strategy"))
            for one in pod.everyone()
        ),
    ]
    if workload.kind != "Pod":
        own = {"activeDeadlineSeconds", "minReadySeconds"}
        outside = [name for name in (*CONTAINER_FIELDS, *POD_FIELDS) if name not in own]
        wrong.append((f"the spec of the {workload.kind}", workload.place, tuple(outside)))
    for where, place, names in wrong:
        for name in dict.fromkeys(names):
            if place.has(name):
                yield Found(
                    place.at(name),
                    f"{name} stands in {where}, where there is no such field: it is refused, or dropped without effect",
                    f"move it {HOME[name]}",
                )


IDLE: Final = frozenset({"sleep", "tail", "cat"})
SERVERS: Final = frozenset({"http.server", "SimpleHTTPServer"})
"""Of Python's own: they leave SIGTERM to its default action."""


def _unhandled(subject: Subject) -> Iterator[Found]:
    if subject.pod.share_process_namespace:
        return
    for container in _long_running(subject):
        command = whole_command(container) if container.command else ()
        program = name_of(command[0]) if command else ""
        if program in IDLE or (program.startswith("python") and SERVERS & {*command}):
            yield Found(
                container.place.at("command"),
                f"process 1 of {container.name!r} is {program}, which has no handler for SIGTERM: as process 1 it is not"
                f" ended by it, and is killed after {max(subject.pod.grace_period, LEAST):g} s",
            )


SIGNALS = "https://man7.org/linux/man-pages/man7/pid_namespaces.7.html"
RULES = (
    Rule(
        id="LC701",
        severity=Severity.WARNING,
        title="A shell as process 1 keeps SIGTERM to itself",
        sees="`sh -c` as the command of a container, with a script that does not end in `exec`; bash replaces itself by"
        " a last simple command; dash, the sh of Debian and Ubuntu, does not.",
        why="Only process 1 gets SIGTERM. A shell that waits for its child neither ends nor passes the signal on: nothing"
        " happens until the grace period is over, and then everything is killed.",
        fix="put `exec` before the last command, name the program without a shell, or run `lifecycle supervise`",
        source=SIGNALS,
        find=_shell_as_init,
    ),
    Rule(
        id="LC702",
        severity=Severity.ERROR,
        title="A stop signal needs the name of the operating system",
        sees="`lifecycle.stopSignal` in a pod without `spec.os.name`.",
        why="Which signals there are depends on the system: the API server refuses a pod that does not say which it is"
        " for.",
        fix="write `os: {name: linux}` into the pod's spec",
        source="https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination-stop-signals",
        find=_stop_signal_without_os,
    ),
    Rule(
        id="LC703",
        severity=Severity.INFO,
        title="A stop signal that most clusters ignore",
        sees="`lifecycle.stopSignal` other than SIGTERM.",
        why="In Kubernetes 1.36 the feature gate ContainerStopSignals is alpha and off. Where it is off, or the runtime is"
        " older, the signal is that of the image, or SIGTERM; nothing says so.",
        fix="set STOPSIGNAL in the image, or handle SIGTERM as well",
        source="https://github.com/kubernetes/enhancements/issues/4960",
        find=_stop_signal_gate,
    ),
    Rule(
        id="LC704",
        severity=Severity.WARNING,
        title="A sidecar is gone before those who need it",
        sees="A proxy, a log shipper or the like (by the name of its image) as an ordinary container beside others.",
        why="All ordinary containers get SIGTERM in the same moment, and a proxy is usually the first to be gone: requests"
        " and log lines of the containers that still drain end nowhere. In a Job it never ends, and so the Job does not."
        " A native sidecar starts before the others and is stopped after them.",
        fix="make it an init container with restartPolicy: Always",
        source="https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/",
        find=_sidecar,
    ),
    Rule(
        id="LC705",
        severity=Severity.ERROR,
        title="A field stands where nobody reads it",
        sees="`terminationGracePeriodSeconds` in a container, `lifecycle` or a probe beside `containers`, `preStop` outside"
        " of `lifecycle`, and the like.",
        why="kubectl refuses unknown fields, other clients drop them without a word: then the pod lives by the defaults,"
        " and everybody believes otherwise.",
        fix="move it to where it belongs",
        source="https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation",
        find=_misplaced,
    ),
    Rule(
        id="LC706",
        severity=Severity.WARNING,
        title="Process 1 has no handler for SIGTERM",
        sees="`sleep`, `tail` or `cat` as the command of a container that is to run on, or Python's `http.server`.",
        why="The kernel does not apply a signal's default action to process 1: what would end any other process is"
        " ignored, and the container lives until SIGKILL.",
        fix="run it under an init (tini, `lifecycle supervise`), or set shareProcessNamespace: true",
        source=SIGNALS,
        find=_unhandled,
    ),
)
