"""Processes, as /proc has them."""

import os
import signal
from contextlib import suppress
from typing import Final

MARK: Final = "REHEARSED_CONTAINER"
"""In the environment of what runs without a namespace of its own."""


def has_handler(pid: int, number: int) -> bool:
    """Whether it handles, or blocks, that signal: for a PID 1 there is no default action."""
    try:
        with open(f"/proc/{pid}/status") as file:
            masks = dict(line.split(":\t", 1) for line in file if line.startswith("Sig"))
    except OSError:
        return False
    known = any(int(masks[name], 16) >> (number - 1) & 1 for name in ("SigCgt", "SigBlk"))
    return known or waits_for_signals(pid)


RT_SIGTIMEDWAIT = {"x86_64": "128", "aarch64": "137"}
"""Its number, by machine: see https://man7.org/linux/man-pages/man2/sigwaitinfo.2.html"""


def waits_for_signals(pid: int) -> bool:
    """As a supervisor does. What it waits for is not shown as blocked meanwhile, and is delivered to a PID 1 all the same."""
    try:
        with open(f"/proc/{pid}/syscall") as file:
            return file.read().split()[0] == RT_SIGTIMEDWAIT.get(os.uname().machine)
    except (OSError, IndexError):
        return False


def descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
                if fields[0] not in "ZX":
                    children.setdefault(int(fields[1]), []).append(int(name))
    found, generation = [root], [root]
    while generation:
        generation = [child for parent in generation for child in children.get(parent, ())]
        found += generation
    return found[1:]


def belongs(pid: int, container: str) -> bool:
    """Orphans become ours, and have nothing left to tell their container by but their environment."""
    with suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
        return f"{MARK}={container}".encode() in file.read().split(b"\0")
    return False


def kill_tree(pid: int) -> None:
    """The children first, for as long as there are new ones: an orphan would become ours, and nobody's."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    while family := descendants(pid):
        for member in family:
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
