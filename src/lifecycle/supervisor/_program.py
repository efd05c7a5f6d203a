"""The program: one process that was asked for, and whatever it starts."""

from ._child import Launch, start
from ._loop import Loop
from ._record import Record
from ._settings import Settings
from ._signals import CONT, KILL, TERM, name_of
from ._system import posix
from ._tree import Process, descendants, process, send

# A program that forks while it is killed is outrun: to look again takes less time than to be born and to fork.
KILL_ROUNDS = 100
SHELLS = ("sh", "bash", "dash", "ash", "zsh", "ksh", "busybox")


class Program:
    def __init__(self, loop: Loop, settings: Settings, record: Record, launch: Launch) -> None:
        self._loop = loop
        self._settings = settings
        self._record = record
        self._launch = launch
        self.pid = 0
        self.status: int | None = None
        self.stopped_by = 0
        # A signal that it was sent before we came to think about it.
        self.heard: int | None = None
        # Who has heard that it is to stop, so that nobody hears it twice.
        self._told: set[tuple[int, int]] = set()
        whom = settings.signal_to
        if whom == "auto":
            shell = settings.command[0].rpartition("/")[2] in SHELLS
            whom = "group" if shell else "main"
        self._whom = whom

    def start(self, environment: dict[str, str]) -> None:
        """
        Raises:
            OSError: The system refuses another process.
        """
        self.status = None
        self._told.clear()
        self.pid = start(self._settings.command, environment, self._launch)

    @property
    def running(self) -> bool:
        return self.pid != 0 and self.status is None

    @property
    def target(self) -> int | None:
        """Whom signals go to, as in kill(2); None where that has to be looked up."""
        return {"main": self.pid, "group": -self.pid}.get(self._whom)

    def family(self) -> list[Process]:
        """Everything that is left of it.

        Raises:
            OSError: There is no /proc.
        """
        return descendants(posix.getpid(), without=self._loop.workers)

    def send(self, number: int) -> None:
        """Forward a signal to whom the settings say. The group is told at once, by the kernel."""
        if not self.running:
            return
        if self.heard == number:
            self.heard = None
        elif self.target is not None:
            send([self.target], number)
        else:
            try:
                send([member.pid for member in self.family()], number)
            except OSError:
                send([-self.pid], number)
        if number != CONT:
            self._record.signalled(number)

    def ask_to_stop(self, number: int) -> None:
        """As `send`; and then CONT, because a process that is suspended cannot act on anything."""
        if not self.running:
            return
        self.send(number)
        self._told |= {member.key for member in self._reached()}
        if number != KILL:
            self.send(CONT)

    def _reached(self) -> list[Process]:
        try:
            if self._whom == "main":
                member = process(self.pid)
                return [] if member is None else [member]
            family = self.family()
        except OSError:
            return []
        if self._whom == "group":
            return [member for member in family if member.group == self.pid]
        return family

    def stop_survivors(self) -> None:
        """TERM, once, for those that the main process left behind and that have not heard of it."""
        try:
            untold = [member.pid for member in self.family() if member.key not in self._told]
        except OSError:
            untold = [] if self._whom == "group" and self._told else [-self.pid]
        if untold:
            self._record.signalled(TERM)
        send(untold, TERM)
        send(untold, CONT)

    def kill(self) -> None:
        """The whole tree, wherever it hid: other groups, other sessions."""
        try:
            family = self.family()
        except OSError:
            # Without /proc nobody can be named. PID 1 can still reach everyone, and only its own.
            send([-1 if posix.getpid() == 1 else -self.pid], KILL)
            return
        killed: set[tuple[int, int]] = set()
        for _ in range(KILL_ROUNDS):
            # What is dying still is in the list. Only who was born meanwhile is a reason to go on.
            born = [member for member in family if member.key not in killed]
            if not born:
                return
            for member in born:
                self._record.killed_process(member)
            send([member.pid for member in born], KILL)
            killed |= {member.key for member in born}
            try:
                family = self.family()
            except OSError:
                return

    def describe_rest(self) -> str:
        try:
            return ", ".join(f"{member.pid} {member.command}" for member in self.family()) or "none"
        except OSError:
            return "unknown without /proc"


def describe(status: int) -> str:
    """A wait status in words."""
    code = posix.waitstatus_to_exitcode(status)
    if code < 0:
        core = ", core dumped" if posix.WCOREDUMP(status) else ""
        return f"ended by SIG{name_of(-code)}{core}"
    return f"ended with {code}"
