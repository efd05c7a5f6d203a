"""The file system of a container."""

import errno
import os
from contextlib import suppress
from typing import Any, Final

from ._system import (
    MNT_DETACH,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    bind,
    call,
    make_read_only,
    mount,
    mount_points,
)

DEVICES: Final = ("full", "null", "random", "tty", "urandom", "zero")
LINKS: Final = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
HIDDEN: Final = (errno.EINVAL, errno.ENOENT)
"""What comes of a mount point that another mount hides: it is none any more, or not there."""


class Root:
    """The file system of a container: this machine's, with what the pod mounts where it mounts it."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._ours = {"/"}
        """Directories in which we may make mount points without leaving anything on this machine."""
        self._whole = {"/tmp", "/dev"}  # noqa: S108 - the container's own
        """And these with all that is below them."""

    def enter(self, spec: dict[str, Any]) -> None:
        root = f"{self._base}/root"
        mount("tmpfs", root, "tmpfs", 0, "mode=755")
        for entry in os.scandir("/"):
            if entry.name not in ("dev", "proc", "tmp"):
                self._mirror_entry(entry, f"{root}/{entry.name}")
        for name in ("dev", "proc", "tmp", ".base"):
            os.mkdir(f"{root}/{name}")
        if spec["shared"]:
            bind("/proc", f"{root}/proc")
        else:
            mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        mount(self._base, f"{root}/.base", None, MS_BIND)
        bind(spec["tmp"], f"{root}/tmp")  # noqa: S108 - the container's own
        self._fill_dev(f"{root}/dev", spec["shm"])
        for number, kept in enumerate(spec["keep"]):
            os.mkdir(f"{root}/.keep{number}")
            bind(kept, f"{root}/.keep{number}")
        os.chroot(root)
        os.chdir("/")
        self._ours |= self._whole
        for number, kept in enumerate(spec["keep"]):
            self.place(f"/.keep{number}", kept)
            _leave(f"/.keep{number}")
        for source, target, read_only in spec["mounts"]:
            self.place(f"/.base/{source}", target, read_only=read_only)
        _leave("/.base")
        if spec["read_only"]:
            self._lock([target for _, target, read_only in spec["mounts"] if not read_only])

    def _lock(self, volumes: list[str]) -> None:
        """All but the pod's volumes and what the kernel shows is read only from now on: /tmp as well."""
        writable = ("/dev", "/proc", *map(os.path.realpath, volumes))
        for place in mount_points():
            if not any(place == one or place.startswith(f"{one}/") for one in writable):
                try:
                    make_read_only(place)
                except OSError as error:
                    if error.errno not in HIDDEN:
                        raise

    def _mirror_entry(self, entry: "os.DirEntry[str]", target: str) -> None:
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), target)
            return
        if entry.is_dir():
            os.mkdir(target)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
        with suppress(OSError):  # what cannot be shown is not there
            bind(entry.path, target)

    def _fill_dev(self, dev: str, shm: str) -> None:
        mount("tmpfs", dev, "tmpfs", MS_NOSUID, "mode=755")
        for name in DEVICES:
            with suppress(OSError):
                os.close(os.open(f"{dev}/{name}", os.O_CREAT | os.O_WRONLY))
                bind(f"/dev/{name}", f"{dev}/{name}")
        for name, target in LINKS.items():
            os.symlink(target, f"{dev}/{name}")
        for name, source in (("shm", shm), ("pts", "/dev/pts")):
            os.mkdir(f"{dev}/{name}")
            with suppress(OSError):
                bind(source, f"{dev}/{name}")

    def place(self, source: str, target: str, *, read_only: bool = False) -> None:
        """Mount `source` there. What is missing on the way is made, and not on this machine."""
        target = os.path.realpath(target)
        self._make_way(os.path.dirname(target))
        if not os.path.lexists(target):
            self._own(os.path.dirname(target))
            if os.path.isdir(source):
                os.mkdir(target)
            else:
                os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
        bind(source, target)
        if read_only:
            make_read_only(target)

    def _make_way(self, folder: str) -> None:
        if os.path.isdir(folder):
            return
        parent = os.path.dirname(folder)
        self._make_way(parent)
        self._own(parent)
        os.mkdir(folder)

    def _own(self, folder: str) -> None:
        """Put a folder of ours in the place of this one, with the same in it."""
        if folder in self._ours or any(folder.startswith(f"{one}/") for one in self._whole):
            return
        os.mkdir("/.stage")
        bind(folder, "/.stage")
        mount("tmpfs", folder, "tmpfs", 0, "mode=755")
        for entry in os.scandir("/.stage"):
            self._mirror_entry(entry, f"{folder}/{entry.name}")
        call("umount2", "/.stage", MNT_DETACH)
        os.rmdir("/.stage")
        self._ours.add(folder)


def _leave(place: str) -> None:
    """Where something was mounted while the root was made."""
    call("umount2", place, MNT_DETACH)
    try:
        os.rmdir(place)
    except OSError as error:
        # The folder for temporary files may itself lie in what the container sees: then it is mounted there once more.
        if error.errno != errno.EBUSY:
            raise
