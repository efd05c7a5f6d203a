"""What happened, in one JSON object: kept in the state directory, and left to Kubernetes as termination message."""

from time import monotonic, time

from . import _markers
from ._numbers import whole
from ._signals import Sent, name_of
from ._system import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from ._tree import Process

TERMINATION_LOG = "/dev/termination-log"
# Kubernetes keeps 4096 bytes of a termination message.
MESSAGE_BYTES = 4096
ARGUMENT_LIMIT = 200
# What is given up first when it does not fit.
EXPENDABLE = ("warnings", "signals", "killed", "argv", "asked", "skipped", "stop")
CGROUP_COUNTERS = (
    "/sys/fs/cgroup/memory.events",
    "/sys/fs/cgroup/memory/memory.oom_control",
)


def oom_kills() -> int | None:
    """How often the kernel killed in this container's cgroup. Version 2 first, then version 1."""
    for path in CGROUP_COUNTERS:
        found = _markers.read(path)
        for line in (found or b"").splitlines():
            name, _, value = line.partition(b" ")
            if name == b"oom_kill":
                return whole(value.strip())
    return None


class Record:
    def __init__(self, argv: list[str]) -> None:
        self.began = time()
        self.fields: dict[str, object] = {
            "argv": " ".join(argv)[:ARGUMENT_LIMIT],
            "began": round(self.began, 3),
        }
        self.asked: list[dict[str, object]] = []
        self.signals: list[dict[str, object]] = []
        self.killed: list[dict[str, object]] = []

    def note(self, **fields: object) -> None:
        self.fields.update(fields)

    def asked_to_stop(self, reason: str, sent: Sent | None) -> None:
        entry: dict[str, object] = {"reason": reason, "at": self._now()}
        if sent is not None:
            # It came before it was acted upon, and that comes before it is written down.
            entry["at"] = round(time() - self.began - (monotonic() - sent.at), 3)
            entry.update(by=sent.sender, signal=name_of(sent.number), pid=sent.pid)
        if len(self.asked) < 20:
            self.asked.append(entry)

    def signalled(self, number: int) -> None:
        if len(self.signals) < 50:
            self.signals.append({"signal": name_of(number), "at": self._now()})

    def killed_process(self, process: "Process") -> None:
        if len(self.killed) < 100 and all(entry["pid"] != process.pid for entry in self.killed):
            self.killed.append({"pid": process.pid, "argv": process.command[:ARGUMENT_LIMIT]})

    def _now(self) -> float:
        return round(time() - self.began, 3)

    def finish(self, *, status: int, warnings: list[str]) -> None:
        self.note(lasted=self._now(), status=status, oom_kill=oom_kills())
        for name, entries in (
            ("asked", self.asked),
            ("signals", self.signals),
            ("killed", self.killed),
            ("warnings", warnings),
        ):
            if entries:
                self.fields[name] = entries

    def text(self, limit: int | None = None) -> str:
        """The whole, or what fits: long lists lose their end, and say how much is missing."""
        from . import _json

        line = _json.write(self.fields)
        if limit is None or len(line) <= limit:
            return line
        fields = {
            name: value[:ARGUMENT_LIMIT] if isinstance(value, str) else value
            for name, value in self.fields.items()
        }
        for name in EXPENDABLE:
            entries = cast("list[object]", fields.get(name))
            while isinstance(fields.get(name), list) and len(entries) > 1 and len(line) > limit:
                entries = entries[: len(entries) // 2]
                fields[name] = [*entries, "…"]
                line = _json.write(fields)
            if len(line) <= limit:
                return line
            fields.pop(name, None)
            line = _json.write(fields)
        return line if len(line) <= limit else "{}"


def leave_message(path: str, text: str) -> None:
    """Only into an empty file: what the program said itself is worth more than what we say of it.

    The kubelet mounts the file by itself, so it can be neither replaced nor made.

    Raises:
        OSError: It cannot be written.
    """
    from ._system import posix

    # A pipe without a reader would keep us for ever: then it is an error, as any other.
    flags = posix.O_WRONLY | posix.O_APPEND | posix.O_CLOEXEC | posix.O_NONBLOCK
    descriptor = posix.open(path, flags)
    try:
        if posix.fstat(descriptor).st_size == 0:
            _markers.write_all(descriptor, text.encode())
    finally:
        posix.close(descriptor)
