"""Processes, as /proc has them."""

import os
import signal
import sys
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
    return known or number in waited_for(pid)


RT_SIGTIMEDWAIT: Final = {"x86_64": "128", "aarch64": "137"}
"""Its number, by machine: see https://man7.org/linux/man-pages/man2/sigwaitinfo.2.html"""
SIGSET: Final = 8
"""Bytes of a set of signals."""


def waited_for(pid: int) -> set[int]:
    """Signals that it waits for at this moment, as a supervisor does.

    They are not shown as blocked meanwhile, and are delivered to a PID 1 all the same.
    """
    try:
        with open(f"/proc/{pid}/syscall") as file:
            number, place, *_ = file.read().split()
        if number != RT_SIGTIMEDWAIT.get(os.uname().machine):
            return set()
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            memory.seek(int(place, 16))
            signals = int.from_bytes(memory.read(SIGSET), sys.byteorder)
    except (OSError, ValueError):
        return set()
    return {number for number in range(1, SIGSET * 8 + 1) if signals >> (number - 1) & 1}


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
            kill(member)
    kill(pid)


def kill(pid: int) -> None:
    """With its group, all of it in one moment: who forks for ever and leaves his parent is faster than any list."""
    with suppress(ProcessLookupError):
        group = os.getpgid(pid)
        if group != os.getpgrp():
            os.killpg(group, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
