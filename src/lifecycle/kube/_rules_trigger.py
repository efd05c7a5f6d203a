"""LC13: the file with which a postStart hook tells a program that it may go on."""

import itertools
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from lifecycle.kube._commands import (
    environment_of,
    expanded,
    name_of,
    script_of,
    simple_commands,
    words,
)
from lifecycle.kube._container import Container, Mount
from lifecycle.kube._handlers import Exec
from lifecycle.kube._hooks import HOOKS, at_command
from lifecycle.kube._rule import Found, Rule, Severity, Subject

WAITS: Final = {
    "LIFECYCLE_POST_START_FILE": ("LIFECYCLE_POST_START_FRESH", True),
    "SUPERVISOR_WAIT_FILE": ("SUPERVISOR_WAIT_FILE_FRESH", False),
}
"""The variable that says what is waited for, and the one that says whether an older file counts, with its default."""
SPEAKING: Final = re.compile(
    r"done|ready|start|trigger|init|complete|finished|flag|wake", re.IGNORECASE
)
"""In the name of a file that somebody waits for."""
MEMORY: Final = "/dev/shm"  # noqa: S108 - looked for, not used
NO: Final = frozenset({"0", "false", "no", "off"})


def awaited(container: Container) -> tuple[str, str] | None:
    """Which variable of it names a trigger file, and the file."""
    environment = environment_of(container)
    for variable in WAITS:
        path = environment.get(variable)
        if path and path.startswith("/") and not {*path} & {",", "$", " "}:
            return variable, _normal(path)
    return None


def _only_fresh(container: Container, variable: str) -> bool:
    name, default = WAITS[variable]
    value = environment_of(container).get(name)
    return default if value is None else value.lower() not in NO


def written(container: Container, command: tuple[str, ...]) -> list[str]:
    """The files that a command writes, if they tell somebody something."""
    environment = environment_of(container)
    found: list[tuple[str, bool]] = []
    for one in simple_commands(command):
        program, *rest = one
        if name_of(program) == "touch":
            found += [(word, True) for word in rest if not word.startswith("-")]
        elif rest and "trigger" in rest[:1]:
            end = rest.index("--") if "--" in rest else len(rest)
            found += [(word, True) for word in rest[:end] if "/" in word][-1:]
    script = words(script_of(command) or "")
    for before, word in itertools.pairwise(script):
        if before in (">", ">>") and not word.startswith(("/dev/", "/proc/", "&")):
            found.append((word, False))
    paths = [(_absolute(container, expanded(word, environment)), sure) for word, sure in found]
    return [path for path, sure in paths if path and (sure or SPEAKING.search(path))]


def _absolute(container: Container, path: str) -> str:
    if path.startswith("/"):
        return _normal(path)
    return _normal(f"{container.working_dir}/{path}") if container.working_dir else ""


def _normal(path: str) -> str:
    return str(PurePosixPath("/", *(part for part in path.split("/") if part != ".")))


def mount_of(container: Container, path: str) -> Mount | None:
    """The mount that a path of this container is on."""
    around = [mount for mount in container.mounts if mount.path and _inside(path, mount.path)]
    return max(around, key=lambda mount: len(mount.path), default=None)


def _inside(path: str, folder: str) -> bool:
    return PurePosixPath(path).is_relative_to(_normal(folder))


def _survives(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.containers:
        hook = container.post_start
        if not isinstance(hook, Exec):
            continue
        waits = awaited(container)
        for path in dict.fromkeys(written(container, hook.command)):
            own = waits is not None and waits[1] == path
            if own and waits and _only_fresh(container, waits[0]):
                continue
            mount = mount_of(container, path)
            where = f"volume {mount.volume!r}" if mount else f"{MEMORY}, which belongs to the pod"
            if (mount is None and not _inside(path, MEMORY)) or (
                mount is not None and not own and _shared(subject, container, mount.volume)
            ):
                continue
            yield Found(
                at_command(hook),
                f"postStart of {container.name!r} writes {path}, which is on {where}: after a restart of the container"
                " the old file is still there, and whoever waits for it does not wait for the hook",
            )


def _shared(subject: Subject, container: Container, volume: str) -> bool:
    return any(
        mount.volume == volume
        for other in subject.pod.everyone()
        if other is not container
        for mount in other.mounts
    )


def _not_read(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.containers:
        waits = awaited(container)
        if waits is None:
            continue
        variable, path = waits
        where = next(one.place.at("value") for one in container.env if one.name == variable)
        hook = container.post_start
        if hook is None and mount_of(container, path) is None:
            yield Found(
                where,
                f"{container.name!r} waits for {path} ({variable}), and nothing in the manifest writes it: there is no"
                " postStart hook, and no volume on which others could",
                f"write a postStart hook, or leave {variable} out",
            )
        elif isinstance(hook, Exec):
            others = written(container, hook.command)
            if others and path not in others:
                yield Found(
                    at_command(hook),
                    f"postStart of {container.name!r} writes {others[0]}, and the program waits for {path} ({variable}):"
                    " it will wait for ever",
                    f'write "${variable}" in the hook (with sh -c), so that the two cannot differ',
                )


RULES = (
    Rule(
        id="LC131",
        severity=Severity.WARNING,
        title="The trigger file outlives the container",
        sees="A postStart hook that writes a trigger file on a volume or in `/dev/shm`, where nobody tells a fresh file"
        " from an old one.",
        why="Volumes, an emptyDir too, and `/dev/shm` belong to the pod and survive when a container is restarted. The"
        " next instance finds the file of the one before, and does not wait for its own hook.",
        fix="write it where the container's own files are, such as /tmp; or let the waiting side take only a file that is"
        " younger than the container (LIFECYCLE_POST_START_FILE does, SUPERVISOR_WAIT_FILE_FRESH=true)",
        source="https://kubernetes.io/docs/concepts/storage/volumes/#emptydir",
        find=_survives,
    ),
    Rule(
        id="LC132",
        severity=Severity.ERROR,
        title="The program waits for a file that the hook does not write",
        sees="`LIFECYCLE_POST_START_FILE` or `SUPERVISOR_WAIT_FILE` with another path than the one that the postStart hook"
        " writes, or with no hook at all.",
        why="The program starts, waits, and never becomes ready. No probe and no event says why: from outside it looks"
        " slow, until the rollout gives up.",
        fix="use one path in both places",
        source=HOOKS,
        find=_not_read,
    ),
)
