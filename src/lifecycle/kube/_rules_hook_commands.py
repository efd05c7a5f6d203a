"""LC10 and LC11, commands: what a hook runs is not what was meant."""

from collections.abc import Iterator

from lifecycle.kube._commands import environment_of, quoted_variables, script_of, slept
from lifecycle.kube._container import Container
from lifecycle.kube._handlers import Exec
from lifecycle.kube._hooks import HANDLERS, at_command, exec_hooks
from lifecycle.kube._rule import Found, Rule, Severity, Subject


def _variables(subject: Subject) -> Iterator[Found]:
    for container, name, hook in exec_hooks(subject.pod):
        for variable in quoted_variables(hook.command):
            yield Found(
                at_command(hook),
                f"{name} of {container.name!r} has {variable}, which nobody replaces in a hook:"
                " the program gets these very characters"
                if script_of(hook.command) is None
                else f"{name} of {container.name!r} has {variable}, which a shell takes for a command to run",
                f"let a shell do it: [sh, -c, 'notify \"${variable.strip('$(){}')}\"']",
            )


def _one_word(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.everyone():
        places = [
            (name, hook.command, at_command(hook))
            for name, hook in (*container.hooks.items(), *_checks(container))
            if isinstance(hook, Exec)
        ]
        places.append(("command", container.command or (), container.place.at("command")))
        for name, command, where in places:
            first = command[0] if command else ""
            if " " in first.strip() and len(command) == 1 and ":\\" not in first:
                yield Found(
                    where,
                    f"{name} of {container.name!r} is one word with blanks in it, {first[:60]!r}:"
                    " it is looked for as a file of that name",
                    f"write {_listed(first)}",
                )


def _listed(text: str) -> str:
    special = set("|&;<>$`\"'\\")
    return "[sh, -c, '…']" if special & {*text} else f"[{', '.join(text.split()[:6])}]"


def _checks(container: Container) -> list[tuple[str, object]]:
    return [(name, probe.check) for name, probe in container.probes.items()]


def _just_sleeps(subject: Subject) -> Iterator[Found]:
    for container, name, hook in exec_hooks(subject.pod):
        length = slept(hook.command, environment_of(container))
        script = script_of(hook.command)
        alone = (script or " ".join(hook.command)).split()
        if name == "preStop" and length and len(alone) == 2:  # noqa: PLR2004 - the program and its seconds
            yield Found(
                at_command(hook),
                f"preStop of {container.name!r} runs a program to sleep {length:g} s, which the image has to have",
                f"write preStop: {{sleep: {{seconds: {length:g}}}}}",
            )


RULES = (
    Rule(
        id="LC109",
        severity=Severity.WARNING,
        title="A variable in a hook is not replaced",
        sees="`$(NAME)` in the command of an exec hook, or `$NAME` where no shell runs it.",
        why="In a container's `command` and `args` Kubernetes replaces `$(NAME)`. In hooks it replaces nothing: the"
        " program gets the text as it stands, and a shell takes `$(NAME)` for a command that it should run.",
        fix="let a shell replace it: command: [sh, -c, 'notify \"$NAME\"']",
        source=HANDLERS,
        find=_variables,
    ),
    Rule(
        id="LC110",
        severity=Severity.ERROR,
        title="A whole command line is written as one word",
        sees="A `command` of one item that has blanks in it, of a hook, a probe or a container.",
        why="No shell takes it apart. A file of this whole name is looked for, and not found: a hook fails, a probe"
        " never succeeds, a container does not start.",
        fix="write each word as an item of the list",
        source="https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/",
        find=_one_word,
    ),
    Rule(
        id="LC111",
        severity=Severity.INFO,
        title="A program is run only to sleep",
        sees="A preStop exec hook that does nothing but `sleep`.",
        why="It fails where the image has no `sleep` and no shell, and then SIGTERM comes without the pause. Since"
        " Kubernetes 1.30 (stable in 1.34) the kubelet can do it itself.",
        fix="write preStop: {sleep: {seconds: 5}}",
        source="https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/#hook-handler-implementations",
        find=_just_sleeps,
    ),
)
