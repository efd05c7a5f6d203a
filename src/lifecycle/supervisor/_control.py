"""`STATE/NAME/signal`: what is written there is sent to the program, from any container of the pod.

A process's number means nothing in another container, so signals cannot cross there; a file on the shared volume can be reached.
It is a FIFO: the kernel tells us with SIGIO that somebody wrote, so nothing is polled, and `echo TERM > signal` is enough.
"""

from fcntl import F_SETFL, F_SETOWN, F_SETSIG, fcntl

from . import _markers
from ._errors import UsageError, Voice
from ._loop import Loop
from ._signals import IO, number_of
from ._system import TYPE_CHECKING, posix

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "signal"
# The same user, and whoever shares the volume's group.
MODE = 0o660
LONGEST = 4096


class Control:
    def __init__(
        self, folder: str, loop: Loop, voice: Voice, deliver: "Callable[[int, str], None]"
    ) -> None:
        """
        Raises:
            OSError: The volume has no FIFOs, or the system no such signals.
        """
        self._path = f"{folder}/{NAME}"
        self._voice = voice
        self._deliver = deliver
        _markers.remove(self._path)
        posix.mkfifo(self._path, MODE)
        posix.chmod(self._path, MODE)
        # For writing, too: so the end of one writer is no end for us, and no writer has to wait for us.
        flags = posix.O_RDWR | posix.O_NONBLOCK | posix.O_CLOEXEC
        self._descriptor = posix.open(self._path, flags)
        loop.private.add(self._descriptor)
        fcntl(self._descriptor, F_SETOWN, posix.getpid())
        fcntl(self._descriptor, F_SETSIG, IO)
        fcntl(self._descriptor, F_SETFL, posix.O_ASYNC | posix.O_NONBLOCK)
        loop.on_readable.append(self.read)

    def read(self) -> None:
        try:
            words = posix.read(self._descriptor, LONGEST).split()
        except OSError:
            return  # It was for somebody else.
        for word in words:
            try:
                number = number_of(word.decode("ascii", "replace"))
            except UsageError as failure:
                self._voice.warn(f"{self._path}: {failure}")
            else:
                self._deliver(number, self._path)

    def end(self) -> None:
        """Nobody must wait for a reader that does not come."""
        _markers.remove(self._path)


def send(folder: str, signal: str) -> None:
    """
    Raises:
        OSError: Nobody reads there.
    """
    flags = posix.O_WRONLY | posix.O_NONBLOCK | posix.O_CLOEXEC | posix.O_NOFOLLOW
    descriptor = posix.open(f"{folder}/{NAME}", flags)
    try:
        posix.write(descriptor, f"{signal}\n".encode())
    finally:
        posix.close(descriptor)
