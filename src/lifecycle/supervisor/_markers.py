"""Files that others read: written aside, synced, and renamed, so that nobody ever sees half of one."""

from ._system import posix
from ._system import read as read_file

FAILED = ".err"
# Held with flock(2) by whoever is to write the marker.
LIVING = ".lock"
# S_IFDIR in <sys/stat.h>, and the bits of S_IFMT that tell it from a block device, a socket and a link.
FOLDER, KIND = 0o040000, 0o170000
REPLACEABLE = (0o100000, 0o120000)  # S_IFREG, S_IFLNK
EISDIR, EINVAL = 21, 22


def write(path: str, content: str | bytes, *, mode: int = 0o644) -> None:
    """
    Raises:
        OSError: It could not be written; what was there before still is.
    """
    if isinstance(content, str):
        content = content.encode("utf-8", "replace")
    folder, _, name = path.rpartition("/")
    aside = f"{folder}/.{name}.{posix.getpid()}" if folder else f".{name}.{posix.getpid()}"
    descriptor = posix.open(
        aside, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, mode
    )
    try:
        try:
            write_all(descriptor, content)
            # Readers run as other users, and our umask is the program's business.
            posix.fchmod(descriptor, mode)
            posix.fsync(descriptor)
        finally:
            posix.close(descriptor)
        check_place(path)
        posix.rename(aside, path)
    except OSError:
        remove(aside)
        raise


def check_place(path: str) -> None:
    """A rename would put a file where a device was: for root, `/dev/null` itself.

    Raises:
        OSError: What is there is neither a file nor a link.
    """
    try:
        kind = posix.lstat(path).st_mode & KIND
    except OSError:
        return
    if kind == FOLDER:
        raise IsADirectoryError(EISDIR, "Is a directory", path)
    if kind not in REPLACEABLE:
        raise OSError(EINVAL, "Is no regular file", path)


def write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[posix.write(descriptor, content) :]


def read(path: str, limit: int = 65536) -> bytes | None:
    """None where nothing is, or nothing that can be read (a directory, another's secret)."""
    try:
        return read_file(path, limit)
    except (OSError, ValueError):
        return None


def is_there(path: str, *, content: bool = False) -> bool:
    try:
        status = posix.stat(path)
    except (OSError, ValueError):
        return False
    if not content:
        return True
    return status.st_size > 0 and status.st_mode & KIND != FOLDER


def is_folder(path: str) -> bool:
    try:
        return posix.stat(path).st_mode & KIND == FOLDER
    except (OSError, ValueError):
        return False


def remove(path: str) -> None:
    try:
        check_place(path)
        posix.unlink(path)
    except (OSError, ValueError):
        pass


def make_folders(path: str, mode: int = 0o777) -> None:
    """As `mkdir -p`.

    Raises:
        OSError: One could not be made, or a file is in its place.
    """
    if not path or path == "/":
        return
    try:
        posix.mkdir(path, mode)
    except FileNotFoundError:
        make_folders(path.rpartition("/")[0], mode)
        posix.mkdir(path, mode)
    except FileExistsError:
        if not is_folder(path):
            raise NotADirectoryError(20, "Not a directory", path) from None


def parent(path: str) -> str:
    return path.rpartition("/")[0]


def name(path: str) -> str:
    return path.rpartition("/")[2]


def absolute(path: str) -> str:
    """We go to `/` once the program has started: a relative path must not move along."""
    if path.startswith("/"):
        return path
    try:
        return f"{posix.getcwd()}/{path}"
    except OSError:
        return path  # The directory is gone: writing will fail, and say so.
