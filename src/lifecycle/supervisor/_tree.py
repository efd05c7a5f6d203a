"""The program's processes: its children, their children, and what left its group or its session."""

from ._system import TYPE_CHECKING, posix, read

if TYPE_CHECKING:
    from collections.abc import Container, Iterable


class Process:
    __slots__ = ("group", "parent", "pid", "started", "state")

    def __init__(self, pid: int, state: str, parent: int, group: int, started: int) -> None:
        self.pid = pid
        self.state = state
        self.parent = parent
        self.group = group
        # Clock ticks since boot: with the number it names a process for good, as numbers are used again.
        self.started = started

    @property
    def key(self) -> tuple[int, int]:
        return self.pid, self.started

    @property
    def command(self) -> str:
        """As typed, for the record; the kernel's short name for one that has no arguments."""
        for file in ("cmdline", "comm"):
            try:
                words = read(f"/proc/{self.pid}/{file}", 400).rstrip(b"\0\n").split(b"\0")
            except OSError:
                continue
            if any(words):
                return b" ".join(words).decode("utf-8", "replace")
        return "?"


def process(pid: int) -> Process | None:
    """
    Raises:
        OSError: There is no /proc.
    """
    try:
        line = read(f"/proc/{pid}/stat")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name is in parentheses and may hold spaces and parentheses of its own.
    fields = line[line.rindex(b")") + 2 :].split()
    return Process(pid, fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[19]))


def descendants(root: int, *, without: "Container[int]" = ()) -> list[Process]:
    """All that live below `root`, parents first, without the given processes and what is below them.

    Raises:
        OSError: There is no /proc.
    """
    children: dict[int, list[Process]] = {}
    entries = posix.listdir("/proc")
    if str(root) not in entries:
        raise FileNotFoundError(2, "No such file or directory", f"/proc/{root}")
    for entry in entries:
        if entry.isdigit():
            found = process(int(entry))
            if found is not None:
                children.setdefault(found.parent, []).append(found)
    family: list[Process] = []
    generation = [root]
    while generation:
        born = [
            child
            for parent in generation
            for child in children.get(parent, ())
            if child.pid not in without
        ]
        family += born
        generation = [child.pid for child in born]
    return [member for member in family if member.state not in "ZX"]


def is_there(pid: int) -> bool:
    try:
        posix.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def send(pids: "Iterable[int]", number: int) -> list[int]:
    """Signal each; who it reached. A negative number is a process group, as in kill(2)."""
    reached: list[int] = []
    for pid in pids:
        try:
            posix.kill(pid, number)
        except OSError:
            continue  # It ended meanwhile, or it belongs to someone else and we are not root.
        reached.append(pid)
    return reached


def has_children(*, without: "Container[int]") -> bool:
    """Whether anything but the given processes would still be ours to wait for."""
    me = posix.getpid()
    try:
        children = read(f"/proc/{me}/task/{me}/children").split()
    except OSError:
        pass  # A kernel without that file.
    else:
        return any(int(pid) not in without for pid in children)
    try:
        return bool(descendants(me, without=without))
    except OSError:
        return False  # No /proc at all: leave rather than stay for ever.
