"""What a trigger file must be: the judgement alone. Whoever looks at the file is `runtime/_trigger.py`.

A file is believed when it is fresh (written by this container's hook, not by the run before) and settled
(whole: nobody has touched it for a while). Both are read from what stat says.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lifecycle.core._errors import TriggerError

LIMIT_BYTES = 64 * 1024
"""A message is a line or a small document. Anything larger is the wrong file."""

CLOCK_SLACK = 0.05
"""File times come from the kernel's coarse clock and start times from its ticks: each up to 10 ms off."""

WHOLE_SECOND_SLACK = 1.0
"""What is lost where the file system keeps whole seconds only."""

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)


@dataclass(frozen=True, slots=True)
class Trigger:
    """The trigger file as it was read: its message is the content without one trailing newline.

    `modified_at` is the file's own time, in seconds since the epoch.
    """

    path: Path
    message: str
    modified_at: float


class Stamp(NamedTuple):
    """What changes when a file is written to, truncated or replaced."""

    device: int
    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Stamp":
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def seconds_too_old(modified_ns: int, since: float) -> float:
    """Seconds by which a file was written before `since`; 0 when it is fresh.

    A hook and the container start side by side, so a file as old as `since` counts as fresh.
    """
    whole = modified_ns % 1_000_000_000 == 0
    age = since - modified_ns / 1e9
    return 0.0 if age <= (WHOLE_SECOND_SLACK if whole else CLOCK_SLACK) else age


def is_settled(stamp: Stamp, *, unchanged: float, wall: float, settle: float) -> bool:
    """Whether nobody is writing any more, as far as stat can tell.

    `unchanged` is how long this very stamp has been seen. A file that was finished long before we first
    looked need not be watched; one whose time lies in the future (a skewed clock) is.
    """
    return unchanged >= settle or wall - stamp.modified_ns / 1e9 > settle


def check_kind(path: Path, mode: int) -> None:
    """Refuse what can never become a trigger file, however long we wait."""
    if stat.S_ISREG(mode):
        return
    found = next(
        (name for test, name in _KINDS if test(mode)), f"of an unknown kind (mode {mode:o})"
    )
    raise TriggerError(
        f"{path} is {found}, and a trigger must be a regular file: remove it, or wait for a path inside"
        if stat.S_ISDIR(mode)
        else f"{path} is {found}, and a trigger must be a regular file: remove it, or name another path"
    )


def check_size(path: Path, size: int) -> None:
    """Refuse what is too large to be a message."""
    if size > LIMIT_BYTES:
        raise TriggerError(
            f"{path} has {size} bytes, and a trigger may have {LIMIT_BYTES}: "
            "put a short message there, and large data into another file that it names"
        )


def message_of(path: Path, content: bytes) -> str:
    """The content as text, without the one newline that `echo` and `lifecycle trigger` put at its end."""
    try:
        text = content.decode()
    except UnicodeDecodeError as failure:
        raise TriggerError(
            f"{path} is not UTF-8: byte {content[failure.start]:#04x} at offset {failure.start}. "
            "Write the message as UTF-8 text, or leave the file empty"
        ) from failure
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
