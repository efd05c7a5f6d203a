"""Commands and requests of our own: before the stop, instead of it, and farewells to peers."""

from ._child import exec_program
from ._errors import reason, write_line
from ._loop import Loop
from ._system import TYPE_CHECKING, signal

if TYPE_CHECKING:
    from collections.abc import Callable

# The purse bounds a command from outside; this only ends a worker whose peer accepts and never answers.
ANSWER_TIMEOUT = 3600.0


def start_command(
    loop: Loop,
    command: tuple[str, ...],
    environment: dict[str, str],
    ended: "Callable[[int], None]",
) -> int:
    """Run words, or GET a URL; `ended` gets the exit status, negative for a signal."""

    def work() -> int:
        if command[0].startswith("http://"):
            return get("GET", command[0], ANSWER_TIMEOUT)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        status, failure = exec_program(list(command), environment)
        write_line(f"cannot start {command[0]!r}: {reason(failure)}")
        return status

    return loop.fork(work, ended)


def get(method: str, url: str, timeout: float) -> int:
    """Exit status 0 if the peer was pleased."""
    from . import _network

    try:
        status = _network.request(method, url, timeout)
    except OSError as failure:
        write_line(f"{method} {url}: {_network.plainly(failure)}")
        return 1
    if 200 <= status < 300:
        return 0
    write_line(f"{method} {url} answered {status}")
    return 1
