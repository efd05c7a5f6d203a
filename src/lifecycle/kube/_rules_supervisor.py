"""LC5: a supervisor that an init container copies into a volume, and that runs another container's program."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from lifecycle.kube._commands import name_of, simple_commands, whole_command
from lifecycle.kube._container import Container, Role
from lifecycle.kube._rule import Found, Rule, Severity, Subject
from lifecycle.kube._rules_trigger import mount_of
from lifecycle.kube._where import Where
from lifecycle.supervisor import _options

NAMES: Final = frozenset({"supervisor", "lifecycle-supervisor", "supervisor.pyz", "commandlet"})
SUBCOMMANDS: Final = frozenset(
    {"install", "trigger", "stop", "wait", "status", "--help", "-h", "--version"}
)
COPIES: Final = frozenset({"cp", "install", "mv"})
OPTIONS: Final = {
    f"--{option.name}": option for group in _options.GROUPS.values() for option in group
} | {
    f"-{option.short}": option
    for group in _options.GROUPS.values()
    for option in group
    if option.short
}

SOURCE = "https://kubernetes.io/docs/tasks/configure-pod-container/configure-pod-initialization/"
COMMAND = "https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/#notes"


def supervised(subject: Subject) -> Iterator[Container]:
    """The containers whose command is a supervisor."""
    for container in subject.pod.everyone():
        if container.command and name_of(container.command[0]) in NAMES:
            after = whole_command(container)[1:2]
            if not SUBCOMMANDS & {*after}:
                yield container


def copied(container: Container) -> Iterator[str]:
    """Where an init container copies a supervisor to."""
    command = whole_command(container)
    for one in simple_commands(command):
        program, *rest = one
        words = [word for word in rest if not word.startswith("-")]
        if name_of(program) in NAMES and words[:1] == ["install"] and len(words) > 1:
            yield _file(words[-1], name_of(program))
        elif name_of(program) in COPIES and len(words) > 1 and NAMES & {*map(name_of, words)}:
            source = next((name_of(word) for word in words[:-1] if name_of(word) in NAMES), "")
            yield _file(words[-1], source or name_of(words[-1]))


def _file(target: str, name: str) -> str:
    """A folder as the target stands for the file of the same name in it."""
    return (
        target
        if name_of(target) in NAMES and not target.endswith("/")
        else f"{target.rstrip('/')}/{name}"
    )


def _in_volume(container: Container, path: str) -> tuple[str, str] | None:
    """The volume that a path is on, and the path in there."""
    mount = mount_of(container, path)
    if mount is None:
        return None
    inside = PurePosixPath(path).relative_to(PurePosixPath(mount.path))
    return mount.volume, str(PurePosixPath(mount.sub_path or "", inside))


def _not_there(subject: Subject) -> Iterator[Found]:
    sources = [
        (one, path) for one in subject.pod.init if one.role is Role.INIT for path in copied(one)
    ]
    for container in supervised(subject):
        path = (container.command or ("",))[0]
        if not sources or not path.startswith("/"):
            continue
        here = _in_volume(container, path)
        there = {_in_volume(one, target) for one, target in sources}
        if here is not None and here in there:
            continue
        one, target = sources[0]
        yield Found(*_why(container, path, here, one, target))


def _why(
    container: Container, path: str, here: tuple[str, str] | None, one: Container, target: str
) -> tuple[Where, str, str]:
    there = _in_volume(one, target)
    if there is None:
        return (
            one.place.at("command", "args"),
            (
                f"{one.name!r} copies the supervisor to {target}, which is on no volume: it is gone when {one.name!r} ends,"
                f" and {container.name!r} does not find {path}"
            ),
            f"mount the volume at {PurePosixPath(target).parent} in {one.name!r}, too",
        )
    if here is None:
        return (
            container.place.at("command"),
            (
                f"{container.name!r} runs {path}, which is on no volume, and the supervisor is copied into volume"
                f" {there[0]!r}: there is no such file"
            ),
            f"mount volume {there[0]!r} at {PurePosixPath(path).parent} in {container.name!r}, too",
        )
    return (
        container.place.at("command"),
        (
            f"{container.name!r} runs {path}, which is {here[1]} in volume {here[0]!r}, and {one.name!r} copies the"
            f" supervisor to {there[1]} in volume {there[0]!r}: there is no such file"
        ),
        "let both mean the same file of the same volume",
    )


def _read_only(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.init:
        for path in copied(container):
            mount = mount_of(container, path)
            volume = subject.pod.volume(mount.volume) if mount else None
            kind = volume.kind if volume else "emptyDir"
            if mount and (mount.read_only or kind in READ_ONLY):
                yield Found(
                    mount.place.at("readOnly"),
                    f"{container.name!r} copies the supervisor to {path}, and volume {mount.volume!r} is read-only there"
                    + ("" if mount.read_only else f" ({kind})")
                    + ": the copy fails, and the pod does not start",
                )


READ_ONLY: Final = frozenset({"configMap", "secret", "projected", "downwardAPI", "image"})


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


TELLING: Final = frozenset(
    {
        *("--grace-period", "--wait-file", "--wait-file-fresh", "--pre-stop", "--stop-with"),
        *("--escalate", "--signal-to", "--stop-on", "--ready-file", "--ready-when", "--state-dir"),
        *("--after", "--until", "--post-file", "--on-wait-timeout", "--wait-timeout"),
    }
)
"""Options that no other program is likely to have."""


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
        id="LC501",
        severity=Severity.ERROR,
        title="The supervisor is not where it is run",
        sees="An init container that copies a supervisor, and a container that runs it from another volume, from another"
        " place in it, or from where no volume is.",
        why="Containers share files through volumes only. If the file is not there the container does not start at all:"
        " *no such file or directory*.",
        fix="mount one emptyDir in both, and let both name the same file in it",
        source=SOURCE,
        find=_not_there,
    ),
    Rule(
        id="LC502",
        severity=Severity.ERROR,
        title="The supervisor is copied to where nothing can be written",
        sees="An init container that copies a supervisor into a volume that is mounted read-only, or is always so.",
        why="The copy fails, the init container is tried again and again, and the pod stays in Init:CrashLoopBackOff.",
        fix="mount it writable in the init container; it may be readOnly in the others",
        source="https://kubernetes.io/docs/concepts/storage/volumes/",
        find=_read_only,
    ),
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
