"""Namespaces: those of a pod, and whether they can be had here at all."""

import fcntl
import os
import socket
import sys
from typing import Final

from ._fork import told_by
from ._system import (
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    call,
    mount,
)

SIOCSIFFLAGS: Final = 0x8914
IFF_UP: Final = 0x1


def enter_user_namespace() -> None:
    """Everybody is there who he was, and we may do in it what else only root may."""
    user, group = os.geteuid(), os.getegid()
    call("unshare", CLONE_NEWUSER)
    with open("/proc/self/setgroups", "w") as file:
        file.write("deny")
    for kind, number in (("uid", user), ("gid", group)):
        with open(f"/proc/self/{kind}_map", "w") as file:
            file.write(f"{number} {number} 1")


def isolate(*, network: bool) -> None:
    """
    Raises:
        OSError: Not here: why, it says.
    """
    flags = CLONE_NEWNS | (CLONE_NEWNET if network else 0)
    try:
        call("unshare", flags)
    except PermissionError:
        enter_user_namespace()
        call("unshare", flags)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    if network:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            request = b"lo".ljust(16, b"\0") + IFF_UP.to_bytes(2, sys.byteorder) + bytes(14)
            fcntl.ioctl(probe, SIOCSIFFLAGS, request)


def why_not(base: str, *, network: bool) -> str:
    """Nothing if they can be had. Tried in a child: half an isolation cannot be taken back."""
    return told_by(lambda: _try(base, network=network))


def _try(base: str, *, network: bool) -> None:
    isolate(network=network)
    call("unshare", CLONE_NEWPID)
    if why := told_by(lambda: _try_mounts(base)):
        raise OSError(0, why)


def _try_mounts(base: str) -> None:
    call("unshare", CLONE_NEWNS)
    root = f"{base}/root"
    mount("tmpfs", root, "tmpfs", 0, "mode=755")
    os.mkdir(f"{root}/proc")
    mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
