"""Waiting for the postStart trigger file.

The hook and this process start side by side, and either may be first. So we look, every few hundredths
of a second, with a plain stat: inotify is no faster in practice, and misses a directory that is made
later and a symlink whose target changes. A stat takes microseconds, hence no worker thread.
"""

import errno
import math
import os
import time
from pathlib import Path

import anyio
import anyio.lowlevel

from lifecycle.core._errors import SettingsError, TriggerError, TriggerTimeoutError
from lifecycle.core._trigger import (
    LIMIT_BYTES,
    Stamp,
    Trigger,
    check_kind,
    check_size,
    is_settled,
    message_of,
    seconds_too_old,
)
from lifecycle.runtime._container import container_started_at

POLL_INTERVAL = 0.02
SETTLE = 0.1

MISSING_DIRECTORY_GRACE = 5.0
"""Seconds that a missing directory is put up with: a hook may begin with `mkdir -p`."""


class TriggerWatch:
    """One wait for one trigger file, which can say at any time what it is waiting for.

    `since` is seconds since the epoch, and defaults to the start of this container; `fresh=False` takes a
    file of any age. The other times are seconds.

    Raises:
        TriggerError: The path cannot be one.
        SettingsError: A number is out of range, or `since` contradicts `fresh=False`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        timeout: float | None = None,
        poll_interval: float = POLL_INTERVAL,
        fresh: bool = True,
        since: float | None = None,
        settle: float = SETTLE,
    ) -> None:
        self.path = _checked_path(path)
        self._timeout = math.inf if timeout in {None, math.inf} else _checked("timeout", timeout)
        self._poll_interval = _checked("poll_interval", poll_interval, above_zero=True)
        self._settle = _checked("settle", settle)
        if since is not None and not fresh:
            raise SettingsError(
                f"since={since!r} has no meaning with fresh=False: leave one of them out"
            )
        # Read early: should the clock be set while we wait, file and start would not compare any more.
        self._since = _since(since) if fresh else -math.inf
        self._began: float | None = None
        self._trigger: Trigger | None = None
        self._stamp: Stamp | None = None
        self._unchanged_from = 0.0
        self._directory_missed_from: float | None = None
        self._obstacle = ""

    async def wait(self) -> Trigger:
        """Wait until the file is there, fresh and whole, and return what it says.

        Raises:
            TriggerError: What is at the path can never become a trigger.
            TriggerTimeoutError: The timeout passed.
        """
        now = began = self._began = anyio.current_time()
        deadline = now + self._timeout
        while (trigger := self._look(now)) is None:
            if now >= deadline:
                raise TriggerTimeoutError(self._timed_out(now - began))
            await anyio.sleep(min(self._poll_interval, deadline - now))
            now = anyio.current_time()
        self._trigger = trigger
        await anyio.lowlevel.checkpoint()
        return trigger

    def reason(self, now: float) -> str:
        """What is being waited for, in one line; `now` is `anyio.current_time()`."""
        if self._trigger is not None:
            return f"{self.path} has appeared"
        if self._began is None:
            return f"not waiting for {self.path} yet"
        return f"waiting for {self.path}, {now - self._began:.1f} s{self._obstacle and f': {self._obstacle}'}"

    def _timed_out(self, waited: float) -> str:
        found = self._obstacle or "nothing is there"
        return (
            f"{self.path} did not appear within {waited:.1f} s: {found}. "
            "Let the postStart hook write it (`lifecycle trigger FILE`), or allow more time"
        )

    def _look(self, now: float) -> Trigger | None:
        try:
            status = self.path.stat()
        except OSError as failure:
            self._stamp = None
            self._absent(failure, now)
            return None
        self._directory_missed_from = None
        check_kind(self.path, status.st_mode)
        too_old = seconds_too_old(status.st_mtime_ns, self._since)
        if too_old:
            self._stamp = None
            self._obstacle = f"a file from before this container started (written {too_old:.1f} s earlier) is being ignored"
            return None
        check_size(self.path, status.st_size)
        stamp = Stamp.of(status)
        if stamp != self._stamp:
            self._stamp, self._unchanged_from = stamp, now
        if is_settled(
            stamp, unchanged=now - self._unchanged_from, wall=time.time(), settle=self._settle
        ):
            return self._read(stamp, now)
        self._obstacle = f"it has just been written to ({stamp.size} bytes), and may not be whole"
        return None

    def _read(self, stamp: Stamp, now: float) -> Trigger | None:
        """Read the file that was judged, or nothing if it has been touched since."""
        try:
            with open(self.path, "rb", opener=_without_blocking) as file:
                content = file.read(LIMIT_BYTES + 1)
                if Stamp.of(os.fstat(file.fileno())) != stamp:
                    self._stamp = None
                    return None
        except OSError as failure:
            self._stamp = None
            self._absent(failure, now)
            return None
        return Trigger(self.path, message_of(self.path, content), stamp.modified_ns / 1e9)

    def _absent(self, failure: OSError, now: float) -> None:
        """Explain why nothing can be seen, or raise if waiting will not help."""
        match failure.errno:
            case errno.ENOENT | errno.ESTALE | errno.EISDIR | errno.ENXIO:
                # The last two: a directory or a socket took the file's place; the next look says so.
                self._obstacle = self._missing(now)
            case errno.ENOTDIR:
                raise TriggerError(
                    f"{self.path} cannot exist, because {_in_the_way(self.path)} is not a directory: "
                    "remove that file, or name another path"
                ) from failure
            case errno.EACCES | errno.EPERM:
                raise TriggerError(
                    f"{self.path} may not be read by user {os.geteuid()} ({failure.strerror}): let the hook run as "
                    "the same user, or allow the file to be read and its directories to be searched"
                ) from failure
            case errno.ELOOP:
                raise TriggerError(
                    f"{self.path} leads through symlinks that point in a circle: remove them, or name another path"
                ) from failure
            case errno.ENAMETOOLONG:
                raise TriggerError(
                    f"{os.fspath(self.path)[:40]}… is {len(os.fsencode(self.path))} bytes long, which the file "
                    "system does not take: name a shorter path"
                ) from failure
            case _:
                raise TriggerError(
                    f"{self.path} cannot be looked at ({failure.strerror}): check the volume, or name another path"
                ) from failure

    def _missing(self, now: float) -> str:
        directory = self.path.parent
        if directory.is_dir():
            self._directory_missed_from = None
            dangling = self.path.is_symlink()
            return (
                f"the symlink's target {self.path.resolve()} is not there yet" if dangling else ""
            )
        if self._directory_missed_from is None:
            self._directory_missed_from = now
        if now - self._directory_missed_from < MISSING_DIRECTORY_GRACE:
            return f"its directory {directory} does not exist yet"
        raise TriggerError(
            f"{self.path} cannot appear: its directory {directory} has been missing for "
            f"{MISSING_DIRECTORY_GRACE:g} s, and only {_deepest_existing(self.path)} exists. "
            f"Let the hook begin with `mkdir -p {directory}`, or mount the volume there"
        )


async def wait_for_file(
    path: str | os.PathLike[str],
    *,
    timeout: float | None = None,  # noqa: ASYNC109 - its message says what was missing; fail_after could not
    poll_interval: float = POLL_INTERVAL,
    fresh: bool = True,
    since: float | None = None,
    settle: float = SETTLE,
) -> Trigger:
    """Wait until a postStart hook has written its trigger file, and return what it says.

    Only a file written after this container started counts (`since`, seconds since the epoch, says
    otherwise; `fresh=False` takes any). A file that is still being written is not read: it must be
    unchanged for `settle` seconds. One trailing newline is not part of the message.

    Raises:
        TriggerTimeoutError: The timeout passed; without one, this waits for ever.
        TriggerError: What is at the path can never become a trigger (a directory, no permission, not
            UTF-8, more than 64 KiB), or its directory has been missing for five seconds.
    """
    return await TriggerWatch(
        path, timeout=timeout, poll_interval=poll_interval, fresh=fresh, since=since, settle=settle
    ).wait()


def _checked_path(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> Path:
    text = os.fspath(path)
    if isinstance(text, bytes):
        raise TriggerError(
            f"a trigger's path must be text, not {text!r}: decode it with os.fsdecode()"
        )
    if not text:
        raise TriggerError("the trigger's path is empty: name a file, such as /tmp/postStart-done")
    if "\0" in text:
        raise TriggerError(
            f"the trigger's path {text!r} contains a NUL byte, which no path can: name another"
        )
    try:
        os.fsencode(text)
    except UnicodeEncodeError as failure:
        raise TriggerError(
            f"the trigger's path {text!r} cannot be encoded for the file system: name another"
        ) from failure
    return Path(text)


def _since(given: object) -> float:
    if given is None:
        return container_started_at()
    if isinstance(given, int | float) and math.isfinite(given):
        return given
    raise SettingsError(
        f"since={given!r} is not a moment: it must be seconds since the epoch, as time.time() gives"
    )


def _checked(name: str, value: object, *, above_zero: bool = False) -> float:
    least = "more than 0" if above_zero else "0 or more"
    if (
        isinstance(value, int | float)
        and (value > 0 if above_zero else value >= 0)
        and value < math.inf
    ):
        return value
    raise SettingsError(f"{name}={value!r} is not a number of seconds: it must be {least}")


def _without_blocking(path: str, flags: int) -> int:
    # A FIFO put here a moment ago would otherwise hold the whole event loop.
    return os.open(path, flags | os.O_NONBLOCK)


def _deepest_existing(path: Path) -> Path:
    return next((ancestor for ancestor in path.parents if ancestor.exists()), Path())


def _in_the_way(path: Path) -> Path:
    return next((way for way in path.resolve().parents if way.exists() and not way.is_dir()), path)
