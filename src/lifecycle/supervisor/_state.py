"""What the containers of a pod know of each other, without the API server: one folder each on a shared volume.

    STATE/NAME/lock          held with flock(2) for as long as the supervisor lives
    STATE/NAME/status.json   attempt, phase, readiness, exit status; renamed into place
    STATE/NAME/exitcode      the exit status alone, for shell scripts

The lock is what makes this safe: the kernel drops it however its holder ends, by SIGKILL and OOM too, and in every
PID and mount namespace at once. A marker alone says what was written, never that its writer still lives.

A container that restarts finds the folder of its predecessor. It takes the lock and removes the old status under a
second lock, on the folder itself, so that no reader sees the new holder beside the old status.
"""

from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from time import sleep, time

from . import _json, _markers
from ._errors import StateError, reason
from ._numbers import whole
from ._statuses import CANNOT_WRITE, NAME_TAKEN
from ._system import TYPE_CHECKING, posix

if TYPE_CHECKING:
    from ._json import JSON

WAITING, RUNNING, STOPPING, ENDED = "waiting", "running", "stopping", "ended"
CLAIM_TRIES = 100
CLAIM_PERIOD = 0.01
# Sticky, like /tmp: containers run as different users and each makes its own folder.
SHARED_MODE = 0o1777


def boot() -> str:
    """Which run of the machine this is: an emptyDir survives a reboot of its node, the containers do not."""
    found = _markers.read("/proc/sys/kernel/random/boot_id")
    return found.decode("ascii", "replace").strip() if found else ""


def namespace() -> str:
    """In which process numbers mean something: another container has its own."""
    try:
        return posix.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


class State:
    """Our own folder: claimed, and kept up to date."""

    def __init__(self, base: str, name: str) -> None:
        self.base = base
        self.name = name
        self.folder = f"{base}/{name}"
        self.fields: dict[str, object] = {}
        self.lock = -1

    def claim(self, **fields: object) -> None:
        """
        Raises:
            StateError: It cannot be written, or another container has this name.
        """
        try:
            if not _markers.is_folder(self.base):
                _markers.make_folders(self.base)
                # Our umask is the program's business; others come as other users.
                posix.chmod(self.base, SHARED_MODE)
            _markers.make_folders(self.folder, 0o755)
            gate = _open_folder(self.folder)
        except OSError as failure:
            raise StateError(
                f"cannot keep state in {self.folder}: {reason(failure)}", status=CANNOT_WRITE
            ) from None
        try:
            flock(gate, LOCK_EX)
            self._take_lock()
            old = _read_status(self.folder)
            attempt = old.get("attempt", 0) if old else 0
            self.fields = {
                "name": self.name,
                "attempt": attempt + 1 if isinstance(attempt, int) else 1,
                "boot": boot(),
                "pid": posix.getpid(),
                "namespace": namespace(),
                "phase": WAITING,
                "ready": False,
                "since": round(time(), 3),
                **fields,
            }
            _markers.remove(f"{self.folder}/exitcode")
            self.write()
        except OSError as failure:
            raise StateError(
                f"cannot keep state in {self.folder}: {reason(failure)}", status=CANNOT_WRITE
            ) from None
        finally:
            posix.close(gate)

    def _take_lock(self) -> None:
        self.lock = posix.open(
            f"{self.folder}/lock", posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC, 0o644
        )
        for _ in range(CLAIM_TRIES):
            if _try(self.lock, LOCK_EX):
                return
            # Beside its holder nobody can share it: then the name is taken, and waiting changes nothing.
            if not _try(self.lock, LOCK_SH):
                break
            # Beside a neighbour that only looks whether we live we can. It holds it for an instant.
            sleep(CLAIM_PERIOD)
        posix.close(self.lock)
        raise StateError(
            f"another container of this pod runs under the name {self.name!r}: give each its own --name",
            status=NAME_TAKEN,
        )

    def write(self, **changes: object) -> None:
        """
        Raises:
            OSError: The volume is full, gone or read-only.
        """
        self.fields.update(changes)
        self.fields["changed"] = round(time(), 3)
        _markers.write(f"{self.folder}/status.json", _json.write(self.fields) + "\n")


class Neighbour:
    """Another container, at one moment."""

    __slots__ = ("alive", "status")

    def __init__(self, status: "dict[str, JSON] | None", *, alive: bool) -> None:
        self.status = status or {}
        self.alive = alive

    @property
    def unknown(self) -> bool:
        """Not started yet, as far as anyone can tell."""
        return not self.status or (self.status.get("phase") == ENDED and self.alive)

    @property
    def ended(self) -> int | None:
        """Its exit status, once it is really gone."""
        code = self.status.get("exit_status")
        if self.alive or self.status.get("phase") != ENDED or not isinstance(code, int):
            return None
        return code

    @property
    def vanished(self) -> bool:
        """Killed before it could write a word: the status says that it lives, the lock says that it does not."""
        return not self.alive and bool(self.status) and self.status.get("phase") != ENDED

    @property
    def started(self) -> bool:
        return self.status.get("phase") != WAITING

    @property
    def ready(self) -> bool:
        return self.status.get("ready") is True

    @property
    def stopping(self) -> bool:
        return self.status.get("phase") == STOPPING

    @property
    def predecessors(self) -> "list[JSON]":
        after = self.status.get("after")
        return after if isinstance(after, list) else []


def look_at(base: str, name: str) -> Neighbour:
    folder = f"{base}/{name}"
    try:
        gate = _open_folder(folder)
    except OSError:
        return Neighbour(None, alive=False)
    try:
        flock(gate, LOCK_SH)
        alive = is_locked(f"{folder}/lock")
        if alive is None:
            return _of_another_kind(folder, alive=False)
        status = _read_status(folder)
        if status is None:
            return _of_another_kind(folder, alive=alive)
        # Where one of us has no /proc, nobody can tell: then it counts.
        if status and status.get("boot") and boot() and status.get("boot") != boot():
            status = None
        return Neighbour(status, alive=alive)
    finally:
        posix.close(gate)


def _of_another_kind(folder: str, *, alive: bool) -> Neighbour:
    """Not started, or one that keeps no status: Argo's wrapper leaves its exit status, and newer ones lock as we do."""
    code = whole((_markers.read(f"{folder}/exitcode") or b"").strip())
    if not alive and code is not None:
        return Neighbour({"phase": ENDED, "exit_status": code}, alive=False)
    if _markers.is_there(f"{folder}/ready"):
        return Neighbour({"phase": RUNNING, "ready": True}, alive=alive)
    return Neighbour(None, alive=alive)


def _try(lock: int, kind: int) -> bool:
    try:
        flock(lock, kind | LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(path: str) -> bool | None:
    """None if there is no such file yet."""
    try:
        lock = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return None
    try:
        return not _try(lock, LOCK_SH)
    finally:
        posix.close(lock)


def await_death(base: str, name: str) -> None:
    """Sleep in the kernel until the holder of the lock is gone: no polling, and no delay."""
    try:
        lock = posix.open(f"{base}/{name}/lock", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return
    try:
        flock(lock, LOCK_SH)
    finally:
        posix.close(lock)


def names(base: str) -> list[str]:
    try:
        return sorted(posix.listdir(base))
    except OSError:
        return []


def _open_folder(folder: str) -> int:
    return posix.open(folder, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)


def _read_status(folder: str) -> "dict[str, JSON] | None":
    content = _markers.read(f"{folder}/status.json")
    if not content:
        return None
    try:
        status = _json.read(content.decode("utf-8", "replace"))
    except ValueError:
        return None
    return status if isinstance(status, dict) else None
