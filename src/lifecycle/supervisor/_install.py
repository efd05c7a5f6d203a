"""Copy this very file to a shared volume: for images that have no `cp`."""

import sys
from time import monotonic_ns

from . import _markers
from ._errors import reason, write_line
from ._native import STATIC
from ._statuses import INSTALL_REFUSED, NOEXEC_TARGET
from ._system import posix

# ST_NOEXEC in <sys/statvfs.h>.
NOEXEC = 8
CHUNK_BYTES = 1 << 20
# Not Tekton's 0311: an interpreter must be able to read a zipapp, and any user may run either.
MODE = 0o755


def own_file() -> str | None:
    """The file that was started; None for a package, which is many files."""
    if STATIC:
        return "/proc/self/exe" if _markers.is_there("/proc/self/exe") else sys.executable
    # A module of a zipapp lies in a "folder" that is a file.
    archive = _markers.parent(__file__)
    while archive and not _markers.is_there(archive):
        archive = _markers.parent(archive)
    return archive if archive and not _markers.is_folder(archive) else None


def install(target: str, source: str | None = None) -> int:
    source = source or own_file()
    if source is None:
        write_line(
            "a package cannot be copied as one file: call install of supervisor.pyz, or of the executable"
        )
        return INSTALL_REFUSED
    if _markers.is_folder(target):
        target = f"{target.rstrip('/')}/supervisor"
    target = _markers.absolute(target)
    folder = _markers.parent(target) or "/"
    try:
        if posix.statvfs(folder).f_flag & NOEXEC:
            write_line(
                f"{folder} is mounted noexec, nothing there can be executed: use a volume without that option"
            )
            return NOEXEC_TARGET
        _markers.check_place(target)
        _copy(source, target)
    except OSError as failure:
        write_line(f"cannot install to {target}: {reason(failure)}")
        return INSTALL_REFUSED
    return 0


def _copy(source: str, target: str) -> None:
    """Aside and renamed: a container that is just starting the old one is not disturbed."""
    reading = posix.open(source, posix.O_RDONLY | posix.O_CLOEXEC)
    # Two init containers may be process 1 at once, and one that was killed may have left its half behind.
    aside = f"{target}.{posix.getpid()}.{monotonic_ns()}"
    try:
        writing = posix.open(
            aside, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, MODE
        )
        try:
            while chunk := posix.read(reading, CHUNK_BYTES):
                _markers.write_all(writing, chunk)
            posix.fchmod(writing, MODE)
            posix.fsync(writing)
        finally:
            posix.close(writing)
        posix.rename(aside, target)
    except OSError:
        _markers.remove(aside)
        raise
    finally:
        posix.close(reading)
