"""Signals by name and number, and who sent them."""

from ._errors import UsageError
from ._numbers import whole
from ._system import read, signal

LAST = 64
# Of the names that share a number (IOT and ABRT, POLL and IO, CLD and CHLD) the common one comes back.
ALIASES = {"IOT": "ABRT", "POLL": "IO", "CLD": "CHLD"}
NUMBERS: dict[str, int] = {
    name[3:]: getattr(signal, name)
    for name in dir(signal)
    if name.startswith("SIG") and name[3:4].isalpha() and isinstance(getattr(signal, name), int)
}
NAMES = {number: name for name, number in NUMBERS.items() if name not in ALIASES}
DROPPED = 0

TERM = int(signal.SIGTERM)
INT = int(signal.SIGINT)
KILL = int(signal.SIGKILL)
STOP = int(signal.SIGSTOP)
CONT = int(signal.SIGCONT)
CHLD = int(signal.SIGCHLD)
ABRT = int(signal.SIGABRT)
HUP = int(signal.SIGHUP)
IO = int(signal.SIGIO)
SUSPENDING = (int(signal.SIGTSTP), int(signal.SIGTTIN), int(signal.SIGTTOU))
# Cannot be caught, blocked or forwarded.
UNCATCHABLE = (KILL, STOP)


def number_of(text: str) -> int:
    """`TERM`, `SIGTERM`, `15`, `RTMIN+3`: all that people write for a signal.

    Raises:
        UsageError: There is no such signal.
    """
    word = text.strip().upper().removeprefix("SIG")
    if word.isascii() and word.isdigit():
        asked_for = whole(word, LAST)
        if asked_for:
            return asked_for
        raise UsageError(f"signal number {text} is out of range: 1 to {LAST}")
    if word in NUMBERS:
        return NUMBERS[word]
    for base, sign in (("RTMIN", 1), ("RTMAX", -1)):
        offset = whole(word.removeprefix(base)[1:], LAST)
        if word.startswith(base + "+-"[sign < 0]) and offset is not None:
            number = NUMBERS[base] + sign * offset
            if NUMBERS["RTMIN"] <= number <= NUMBERS["RTMAX"]:
                return number
    raise UsageError(
        f"{text!r} is no signal: give a name such as TERM, or a number from 1 to {LAST}"
    )


def name_of(number: int) -> str:
    if number in NAMES:
        return NAMES[number]
    return f"RTMIN+{number - NUMBERS['RTMIN']}"


class Sent:
    """A signal that arrived, and what the kernel knows of its sender.

    `si_pid` is 0 when the sender lives outside our PID namespace: the kubelet by way of the runtime.
    """

    __slots__ = ("_sender", "at", "by_kernel", "number", "passed_on", "pid", "uid")

    def __init__(
        self, info: "signal.struct_siginfo", at: float, *, passed_on: int | None = None
    ) -> None:
        self.number = info.si_signo
        self.pid = info.si_pid
        self.uid = info.si_uid
        # SI_USER is 0, SI_QUEUE and the like are below: above it is the kernel (a terminal, a descriptor that is ready).
        self.by_kernel = info.si_code > 0
        self.at = at
        # What the program was sent for it already.
        self.passed_on = passed_on
        self._sender: str | None = None

    @property
    def sender(self) -> str:
        """Looked up when it is first asked for: the signal itself does not wait for it."""
        if self._sender is None:
            self._sender = self._describe()
        return self._sender

    def _describe(self) -> str:
        if self.by_kernel:
            return "the kernel"
        if self.pid == 0:
            return "the kubelet or the container runtime"
        return f"process {self.pid}{_program(self.pid)}"


def _program(pid: int) -> str:
    try:
        words = read(f"/proc/{pid}/cmdline", 200).split(b"\0")
    except OSError:
        return ""
    text = b" ".join(word for word in words if word).decode("utf-8", "replace")
    return f" ({text})" if text else ""
