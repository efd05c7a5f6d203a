"""LC5, the copy: a supervisor that an init container puts into a volume, for another container to run."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from lifecycle.kube._container import Container, Role
from lifecycle.kube._rule import Found, Rule, Severity, Subject
from lifecycle.kube._rules_trigger import mount_of
from lifecycle.kube._supervised import copied, supervised
from lifecycle.kube._where import Where

READ_ONLY: Final = frozenset({"configMap", "secret", "projected", "downwardAPI", "image"})
SOURCE = "https://kubernetes.io/docs/tasks/configure-pod-container/configure-pod-initialization/"


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
)
