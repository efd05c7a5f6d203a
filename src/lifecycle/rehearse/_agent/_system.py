"""System calls that Python does not have, by their names."""

import ctypes
import os
import re
from typing import Final

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000
MS_RDONLY: Final = 0x1
MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x2, 0x4, 0x8
MS_REMOUNT: Final = 0x20
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x40000
MNT_DETACH: Final = 2
PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36

LIBC: Final = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> None:
    """
    Raises:
        OSError: It failed.
    """
    words = [word.encode() if isinstance(word, str) else word for word in arguments]
    if getattr(LIBC, name)(*words) < 0:
        number = ctypes.get_errno()
        shown = ", ".join(repr(word) for word in arguments)
        raise OSError(number, f"{os.strerror(number)}: {name}({shown})")


def mount(
    source: str, target: str, kind: str | None = None, flags: int = 0, data: str = ""
) -> None:
    call("mount", source, target, kind, ctypes.c_ulong(flags), data)


def bind(source: str, target: str) -> None:
    mount(source, target, None, MS_BIND | MS_REC)


def make_read_only(target: str) -> None:
    """A mount, in this namespace alone."""
    # What it is restricted by already is locked for us, and would have to be said again.
    kept = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("none", target, None, MS_BIND | MS_REMOUNT | MS_RDONLY | kept)


def mount_points() -> list[str]:
    """Those of this namespace, below its root."""
    with open("/proc/self/mountinfo") as file:
        return [_ESCAPED.sub(lambda match: chr(int(match[1], 8)), line.split()[4]) for line in file]


_ESCAPED = re.compile(r"\\([0-7]{3})")
"""How the kernel writes blanks and the like in a path."""
