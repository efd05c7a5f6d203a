"""LC7: process 1, and the signals that reach it or do not."""

from collections.abc import Iterator
from typing import Final

from lifecycle.kube._commands import name_of, script_of, simple_commands, whole_command, words
from lifecycle.kube._container import Container
from lifecycle.kube._rule import Found, Rule, Severity, Subject
from lifecycle.kube._workload import JOBS

LEAST: Final = 2
"""Seconds between SIGTERM and SIGKILL, however short the grace period is: the kubelet's own minimum."""
EXECS_THE_LAST: Final = frozenset({"bash", "zsh", "ksh"})
"""Shells that replace themselves by the last command of -c, if that is a simple one. dash, Debian's sh, does not."""
LONG: Final = 500
"""Characters of a script whose last line says little about its program."""
IDLE: Final = frozenset({"sleep", "tail", "cat"})
SERVERS: Final = frozenset({"http.server", "SimpleHTTPServer"})
"""Of Python's own: they leave SIGTERM to its default action."""
SIGNALS = "https://man7.org/linux/man-pages/man7/pid_namespaces.7.html"


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
