"""A program without a network: in a network namespace of its own, which has nothing but a loopback that is down.

Only a user namespace of its own makes that lasting: a program that is root in ours could go back to our network. Its users
are mapped one to one, so files keep their owners; where we may not do that, to its own user alone.
"""

from . import _markers
from ._native import unshare
from ._system import posix

NEW_USERS, NEW_NETWORK = 0x10000000, 0x40000000  # <linux/sched.h>


class Isolation:
    """The two sides of a fork. Users can be mapped by a process outside only, so the child waits for its parent."""

    def __init__(self) -> None:
        self._entered, self._enter = posix.pipe2(posix.O_CLOEXEC)
        self._mapped, self._map = posix.pipe2(posix.O_CLOEXEC)

    def enter(self) -> None:
        """
        Raises:
            OSError: The system refuses, and nothing must be started.
        """
        posix.close(self._map)
        try:
            unshare(NEW_USERS | NEW_NETWORK)
        except OSError as failure:
            raise OSError(
                failure.errno, f"its network cannot be taken away: {failure.strerror}"
            ) from None
        posix.write(self._enter, b"\n")
        if not posix.read(self._mapped, 1):
            raise OSError(1, "its network cannot be taken away: its users cannot be mapped")

    def map_users(self, pid: int) -> None:
        posix.close(self._enter)
        posix.close(self._mapped)
        try:
            if posix.read(self._entered, 1) and _map_users(pid):
                posix.write(self._map, b"\n")
        finally:
            posix.close(self._entered)
            posix.close(self._map)


def _map_users(pid: int) -> bool:
    return _map(pid, "uid", posix.geteuid()) and _map(pid, "gid", posix.getegid())


def _map(pid: int, kind: str, own: int) -> bool:
    everybody = _same(_markers.read(f"/proc/self/{kind}_map") or b"")
    if everybody and _write(f"/proc/{pid}/{kind}_map", everybody):
        return True
    # Without the right to map others only the own one can be, and groups can no longer be left.
    if kind == "gid":
        _write(f"/proc/{pid}/setgroups", b"deny")
    return _write(f"/proc/{pid}/{kind}_map", b"%d %d 1\n" % (own, own))


def _same(map_: bytes) -> bytes:
    """Whoever exists here exists there, under the same number."""
    rows = [line.split() for line in map_.splitlines()]
    return b"".join(b"%s %s %s\n" % (row[0], row[0], row[2]) for row in rows)


def _write(path: str, content: bytes) -> bool:
    try:
        descriptor = posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC)
    except OSError:
        return False
    try:
        posix.write(descriptor, content)
    except OSError:
        return False
    finally:
        posix.close(descriptor)
    return True
