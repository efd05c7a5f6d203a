"""A supervisor in a manifest: where it is copied to, and what it is told to run."""

from collections.abc import Iterator
from typing import Final

from lifecycle.kube._commands import name_of, simple_commands, whole_command
from lifecycle.kube._container import Container
from lifecycle.kube._rule import Subject

NAMES: Final = frozenset({"supervisor", "lifecycle-supervisor", "supervisor.pyz", "commandlet"})
SUBCOMMANDS: Final = frozenset(
    {
        *("install", "trigger", "stop", "wait", "status", "signal", "lint"),
        *("--help", "-h", "--version", "-V"),
    }
)
COPIES: Final = frozenset({"cp", "install", "mv"})


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
