"""systemd's notification protocol, served to the program: https://www.freedesktop.org/software/systemd/man/sd_notify.html

The socket has an abstract name, so that it needs no writable directory. Its readiness comes as SIGIO, which the
kernel marks as its own: the loop waits for signals, and this is one more. (No descriptor can be waited for
together with signals in the standard library without losing who sent them.)
"""

import _socket
from fcntl import F_SETFL, F_SETOWN, F_SETSIG, fcntl
from time import monotonic

from ._errors import Voice
from ._loop import Loop, Timer
from ._numbers import whole
from ._readiness import Published
from ._settings import Settings
from ._signals import IO
from ._stopping import Stopping
from ._system import TYPE_CHECKING, posix

if TYPE_CHECKING:
    from collections.abc import Callable

PASS_CREDENTIALS = 16  # SO_PASSCRED in <asm-generic/socket.h>
CREDENTIALS_TYPE = 2  # SCM_CREDENTIALS in <linux/socket.h>
CREDENTIALS_BYTES = 12
LONGEST_MESSAGE = 8192
MICROSECONDS = 1_000_000
POLL_PERIOD = 0.2


class Notifications:
    def __init__(
        self,
        settings: Settings,
        loop: Loop,
        voice: Voice,
        published: Published,
        stopping: Stopping,
        fire: "Callable[[], None]",
    ) -> None:
        self._loop = loop
        self._voice = voice
        self._published = published
        self._stopping = stopping
        self._fire = fire
        self._interval = settings.watchdog
        self._watchdog: Timer | None = None
        self._met_a_stranger = False
        kind = _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK
        self._socket = _socket.socket(_socket.AF_UNIX, kind)
        self._socket.setsockopt(_socket.SOL_SOCKET, PASS_CREDENTIALS, 1)
        self._socket.bind("")  # The kernel chooses a free name.
        loop.private.add(self._socket.fileno())
        loop.on_readable.append(self.read)
        try:
            fcntl(self._socket.fileno(), F_SETOWN, posix.getpid())
            fcntl(self._socket.fileno(), F_SETSIG, IO)
            fcntl(self._socket.fileno(), F_SETFL, posix.O_ASYNC | posix.O_NONBLOCK)
        except OSError:
            self._poll()  # A sandbox without such signals.

    def environment(self) -> dict[str, str]:
        name: bytes = self._socket.getsockname()
        variables = {"NOTIFY_SOCKET": "@" + name[1:].decode("ascii")}
        if self._interval:
            # The process that they are for is not known yet: the child itself fills it in.
            variables["WATCHDOG_USEC"] = str(int(self._interval * MICROSECONDS))
            variables["WATCHDOG_PID"] = ""
        return variables

    def expect(self) -> None:
        """The program has started: from now on its watchdog must be fed."""
        self._feed()

    def _poll(self) -> None:
        self.read()
        self._loop.call_after(POLL_PERIOD, self._poll)

    def read(self) -> None:
        """All that has come; one SIGIO may stand for many messages."""
        while True:
            try:
                message, ancillary, _, _ = self._socket.recvmsg(
                    LONGEST_MESSAGE, _socket.CMSG_SPACE(CREDENTIALS_BYTES)
                )
            except OSError:
                return
            sender = next(
                (data for _, kind, data in ancillary if kind == CREDENTIALS_TYPE), b"\0" * 12
            )
            # Other containers of the pod share our network, and with it abstract names. They have no number here.
            if int.from_bytes(sender[:4], "little") == 0:
                if not self._met_a_stranger:
                    self._met_a_stranger = True
                    self._voice.warn("ignored a notification from another container")
                continue
            for line in message.decode("utf-8", "replace").splitlines():
                name, _, value = line.partition("=")
                self._take(name, value)

    def _take(self, name: str, value: str) -> None:
        if name == "READY" and value == "1":
            self._published.became_ready()
        elif name == "STOPPING" and value == "1":
            self._published.no_longer_ready()
            self._published.write(phase="stopping", ready=False)
        elif name == "STATUS":
            self._voice.tell(f"the program says: {value}")
            self._published.write(status=value[:200])
        elif name == "EXTEND_TIMEOUT_USEC":
            self._stopping.extend((whole(value) or 0) / MICROSECONDS)
        elif name == "WATCHDOG" and value == "1":
            self._feed()
        elif name == "WATCHDOG" and value == "trigger":
            self._fire()
        elif name == "WATCHDOG_USEC" and whole(value) is not None:
            self._interval = (whole(value) or 0) / MICROSECONDS
            self._feed()

    def _feed(self) -> None:
        if self._watchdog is not None and self._interval:
            self._watchdog.at = monotonic() + self._interval
            return
        self._loop.cancel(self._watchdog)
        self._watchdog = None
        if self._interval:
            self._watchdog = self._loop.call_after(self._interval, self._starved)

    def _starved(self) -> None:
        self._watchdog = None
        # On its way out it has other things to do.
        if not self._stopping.asked:
            self._fire()

    def end(self) -> None:
        self._loop.cancel(self._watchdog)
        self._watchdog = None
