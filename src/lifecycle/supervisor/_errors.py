"""What the supervisor says when it cannot do what was asked.

SupervisorError
├── UsageError      64: the command line or the environment
└── StateError      the state directory: its own status in each case
"""

from ._statuses import INTERNAL, USAGE
from ._system import posix

QUIET, NORMAL, VERBOSE = range(3)
# A program may be tried again for months.
MOST_KEPT = 100


class SupervisorError(Exception):
    status = INTERNAL


class UsageError(SupervisorError):
    status = USAGE


class StateError(SupervisorError):
    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class Voice:
    """The supervisor's lines on stderr, between the program's own: each begins with its name."""

    def __init__(self, level: int = NORMAL) -> None:
        self.level = level
        self.said: list[str] = []

    def warn(self, message: str) -> None:
        """For what the reader should act upon. Kept for the record, too."""
        if len(self.said) < MOST_KEPT:
            self.said.append(message)
        self.say(message)

    def say(self, message: str) -> None:
        """For everybody, and of no interest afterwards."""
        if self.level > QUIET:
            write_line(message)

    def tell(self, message: str) -> None:
        """For who asked with --verbose."""
        if self.level >= VERBOSE:
            write_line(message)


def write_line(message: str, descriptor: int = 2) -> None:
    line = f"supervisor: {message}\n".encode("utf-8", "backslashreplace")
    try:
        # In one write, so that the program's own lines do not end up in the middle of it.
        posix.write(descriptor, line)
    except OSError:
        pass  # A closed stderr must not cost the program its supervisor.


def reason(failure: OSError) -> str:
    """`[Errno 13] Permission denied: '/x'` in plain words."""
    return f"{failure.strerror or failure}"
