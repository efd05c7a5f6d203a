"""A copy of the program's output in files.

The copying is done by a worker, not by the supervisor: a reader that is slow, or a volume that hangs, holds up the
program's output, as it would without us, and never a signal.
"""

from time import monotonic

from . import _markers
from ._errors import reason, write_line
from ._loop import Loop
from ._system import posix, signal

CHUNK_BYTES = 65536


class Tee:
    """One of the program's descriptors, copied to where it went before and to a file."""

    def __init__(self, loop: Loop, descriptor: int, paths: list[str]) -> None:
        self._loop = loop
        reading, self.writing = posix.pipe2(posix.O_CLOEXEC)

        def work() -> int:
            posix.close(self.writing)
            return copy(reading, descriptor, paths)

        self.ended = False
        try:
            self.pid = loop.fork(work, self._finished)
        finally:
            posix.close(reading)

    def _finished(self, status: int) -> None:
        self.ended = True

    def close(self) -> None:
        """The program has its end; ours would keep the pipe open for ever."""
        posix.close(self.writing)

    def hurry(self) -> None:
        """Take what is in the pipe, and do not wait for more: somebody holds it open who will not end."""
        if not self.ended and self.pid:
            posix.kill(self.pid, signal.SIGUSR1)


class Tees:
    """The program's outputs that are copied."""

    def __init__(self, loop: Loop, pipe_timeout: float) -> None:
        self._loop = loop
        self._pipe_timeout = pipe_timeout
        self._tees: list[Tee] = []

    def open(self, paths: dict[int, tuple[str | None, ...]]) -> dict[int, int]:
        """What the program gets instead of its descriptors."""
        self._tees = []
        redirect: dict[int, int] = {}
        for descriptor, wanted in paths.items():
            files = [path for path in wanted if path is not None]
            if files:
                tee = Tee(self._loop, descriptor, files)
                self._loop.private.add(tee.writing)
                self._tees.append(tee)
                redirect[descriptor] = tee.writing
        return redirect

    def close(self) -> None:
        for tee in self._tees:
            self._loop.private.discard(tee.writing)
            tee.close()

    def drain(self, until: float | None) -> None:
        """Wait until everything is written, however slow its reader; for those who hold a pipe open, not so long."""
        open_tees = [tee for tee in self._tees if not tee.ended]
        if not open_tees:
            return

        def hurry_all() -> None:
            for tee in open_tees:
                tee.hurry()

        hurry = self._loop.call_after(self._pipe_timeout, hurry_all)
        over: list[bool] = []
        end = (
            None
            if until is None
            else self._loop.call_at(
                max(until, monotonic() + self._pipe_timeout), lambda: over.append(True)
            )
        )
        self._loop.run(lambda: bool(over) or all(tee.ended for tee in open_tees))
        self._loop.cancel(hurry)
        self._loop.cancel(end)


def copy(reading: int, descriptor: int, paths: list[str]) -> int:
    # Until told to hurry a read may take for ever. The handler makes the pipe answer at once.
    signal.signal(signal.SIGUSR1, lambda number, frame: posix.set_blocking(reading, False))
    targets = {descriptor: ""}
    for path in paths:
        try:
            _markers.make_folders(_markers.parent(path))
            flags = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_CLOEXEC
            targets[posix.open(path, flags, 0o644)] = path
        except OSError as failure:
            write_line(f"cannot write {path}: {reason(failure)}; output goes on without a copy")
    while True:
        try:
            chunk = posix.read(reading, CHUNK_BYTES)
        except BlockingIOError:
            return 0
        if not chunk:
            return 0
        for target in list(targets):
            try:
                _markers.write_all(target, chunk)
            except OSError as failure:
                # The other copy goes on. With none left we still read, so that the program is not blocked.
                path = targets.pop(target)
                if path:
                    write_line(f"cannot write {path}: {reason(failure)}; the copy ends here")
