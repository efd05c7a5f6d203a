"""LC5, the command: what a supervisor is told to run, and how."""

from collections.abc import Iterator
from typing import Final

from lifecycle.kube._commands import name_of, whole_command
from lifecycle.kube._container import Container
from lifecycle.kube._rule import Found, Rule, Severity, Subject
from lifecycle.kube._supervised import NAMES, supervised
from lifecycle.supervisor import _options

OPTIONS: Final = {
    f"--{option.name}": option for group in _options.GROUPS.values() for option in group
} | {
    f"-{option.short}": option
    for group in _options.GROUPS.values()
    for option in group
    if option.short
}
TELLING: Final = frozenset(
    {
        *("--grace-period", "--wait-file", "--wait-file-fresh", "--pre-stop", "--stop-with"),
        *("--escalate", "--signal-to", "--stop-on", "--ready-file", "--ready-when", "--state-dir"),
        *("--after", "--until", "--post-file", "--on-wait-timeout", "--wait-timeout"),
    }
)
"""Options that no other program is likely to have."""
COMMAND = "https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/#notes"


def _words(container: Container) -> list[str]:
    return [*whole_command(container)[1:]]


def _program_at(words: list[str]) -> int:
    """Where the program begins: after the options and their values."""
    index = 0
    while index < len(words):
        word = words[index]
        if word == "--":
            return index + 1
        if not word.startswith("-") or word == "-":
            return index
        option = OPTIONS.get(word)
        index += 2 if option is not None and not option.is_flag else 1
    return index


def _late_options(subject: Subject) -> Iterator[Found]:
    for container in supervised(subject):
        words = _words(container)
        begin = _program_at(words)
        for word in words[begin + 1 :]:
            name = word.partition("=")[0]
            if name == "--":
                yield Found(
                    container.place.at("args", "command"),
                    f"`--` stands after the program {words[begin]!r} of {container.name!r}: it and what is before it go to"
                    " the program",
                    "write the supervisor's options first, then `--`, then the program",
                )
                break
            if name in TELLING:
                yield Found(
                    container.place.at("args", "command"),
                    f"{name} stands after the program {words[begin]!r} of {container.name!r}: the program gets it, and the"
                    " supervisor does not",
                    f"write {name} before {words[begin]!r}, or set {OPTIONS[name].variable}",
                )
                break


def _nothing_to_run(subject: Subject) -> Iterator[Found]:
    for container in supervised(subject):
        words = _words(container)
        if _program_at(words) >= len(words):
            yield Found(
                container.place.at("command"),
                f"{container.name!r} runs the supervisor and names no program: a `command` without `args` replaces the"
                " image's own command too",
                "write what the image would run into args, beginning with its entrypoint",
            )


def _as_argument(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.everyone():
        first = (container.args or ("",))[0]
        if container.command is None and first.startswith("/") and name_of(first) in NAMES:
            yield Found(
                container.place.at("args"),
                f"the supervisor stands in args of {container.name!r}, and there is no command: if the image has an"
                " entrypoint, it runs, and gets the supervisor's path as an argument",
                f"write command: [{first}], and the program with its arguments into args",
            )


RULES = (
    Rule(
        id="LC503",
        severity=Severity.WARNING,
        title="An option of the supervisor stands behind its program",
        sees="Options of the supervisor, or `--`, after the first word that is no option.",
        why="Reading options ends where the program begins, so that the program can have all it likes. What comes later"
        " is the program's, and the supervisor goes by its defaults.",
        fix="write the supervisor's options before the program, or as SUPERVISOR_* variables",
        source=COMMAND,
        find=_late_options,
    ),
    Rule(
        id="LC504",
        severity=Severity.ERROR,
        title="The supervisor has nothing to run",
        sees="A `command` that is a supervisor, and no `args`.",
        why="Who writes `command` gives up the image's ENTRYPOINT and CMD both. The supervisor cannot know what the image"
        " would have run.",
        fix="write the image's own command into args",
        source=COMMAND,
        find=_nothing_to_run,
    ),
    Rule(
        id="LC505",
        severity=Severity.WARNING,
        title="The supervisor is an argument of the image's entrypoint",
        sees="A supervisor as the first of `args`, in a container without `command`.",
        why="`args` replace the image's CMD, not its ENTRYPOINT. If there is one it is started as before, and gets the path"
        " of the supervisor as its first argument.",
        fix="name the supervisor in command",
        source=COMMAND,
        find=_as_argument,
    ),
)
