"""From a child of the agent's to a program of the pod's: nothing of the agent is left in it."""

import os
import select
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NoReturn

from ._system import LIBC, PR_SET_PDEATHSIG

TAKEN: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
"""Signals that the agent ignores, or handles."""
IGNORED: Final = (signal.SIGPIPE, signal.SIGXFSZ)
"""And those that any interpreter ignores."""


class Lifeline:
    """By which a child knows whether the agent lives."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()

    def hold(self) -> None:
        """In a child: die with the agent."""
        os.close(self._writing)
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if select.select([self._reading], [], [], 0)[0]:
            os._exit(1)  # the agent died before we asked to be told


def become(
    argv: list[str],
    env: Mapping[str, str],
    output: Sequence[int],
    lifeline: Lifeline,
    enter: Callable[[], None],
) -> NoReturn:
    """
    Raises:
        OSError: It could not be executed.
    """
    lifeline.hold()
    os.setsid()
    enter()
    null = os.open("/dev/null", os.O_RDWR)
    for target, source in ((0, null), (1, output[0]), (2, output[-1])):
        os.dup2(source, target)
    signal.set_wakeup_fd(-1)
    for number in (*TAKEN, *IGNORED):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(argv[0], argv, env)  # noqa: S606 - what the manifest says
    except FileNotFoundError:
        raise FileNotFoundError(
            0, f"exec: {argv[0]!r}: executable file not found in $PATH"
        ) from None
