"""The one place where the supervisor waits: for a signal, for the end of a process, for a time.

Everything else that takes time (a port, a file, a lock, a slow disk) is given to a worker process, whose end is
one more SIGCHLD. So nothing can keep a signal waiting, and where nothing is awaited nothing wakes up.
"""

from time import monotonic

from ._child import fork_worker
from ._errors import reason, write_line
from ._signals import CHLD, IO, KILL, Sent
from ._statuses import INTERNAL, SYSTEM
from ._system import TYPE_CHECKING, posix, signal
from ._tree import send

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY_SIGNAL = signal.valid_signals()
# sigtimedwait takes its time in a C type that is smaller than Python's numbers.
LONGEST = 86400.0
# A pipe holds 64 KiB before anybody reads.
ANSWER_BYTES = 60000


class Answer:
    """What a worker found: an exit status, 0 for yes, and a word about it."""

    __slots__ = ("status", "text")

    def __init__(self, status: int, text: str = "") -> None:
        self.status = status
        self.text = text


class Timer:
    __slots__ = ("action", "at")

    def __init__(self, at: float, action: "Callable[[], None]") -> None:
        self.at = at
        self.action = action


class Loop:
    def __init__(self) -> None:
        self.timers: list[Timer] = []
        # Workers and commands of ours: not part of the program's tree, never signalled with it.
        self.workers: dict[int, Callable[[int], None]] = {}
        self.on_signal: Callable[[Sent], None] = lambda sent: None
        self.on_end: Callable[[int, int], None] = lambda pid, status: None
        self.on_readable: list[Callable[[], None]] = []
        self.childless = True
        # What a signal will lead to, where that is known: whom to send what, before anything else is done.
        self.at_once: dict[int, tuple[int, int]] = {}
        self._me = posix.getpid()
        # Ours alone: above all the lock that tells others that we live must not live on in a worker.
        self.private: set[int] = set()

    def call_at(self, at: float, action: "Callable[[], None]") -> Timer:
        timer = Timer(at, action)
        self.timers.append(timer)
        return timer

    def call_after(self, delay: float, action: "Callable[[], None]") -> Timer:
        return self.call_at(monotonic() + delay, action)

    def cancel(self, timer: Timer | None) -> None:
        if timer in self.timers:
            self.timers.remove(timer)

    def run(self, done: "Callable[[], bool]") -> None:
        """Wait and dispatch until `done`, which is asked after every event."""
        while not done():
            self._run_timers()
            if done():
                return
            info = self._wait()
            if info is None:
                continue
            number = info.si_signo
            if number in self.at_once and info.si_pid != self._me:
                whom, what = self.at_once[number]
                at = monotonic()
                try:
                    posix.kill(whom, what)
                except OSError:
                    pass  # It ended meanwhile, or became somebody whom we may not signal.
                # Where both share a processor the program acts before we write down what happened.
                posix.sched_yield()
                self.on_signal(Sent(info, at, passed_on=what))
            elif number == CHLD:
                self.reap()
            elif number == IO and info.si_code > 0:
                for read in self.on_readable:
                    read()
            else:
                self.on_signal(Sent(info, monotonic()))

    def fork(self, work: "Callable[[], int]", ended: "Callable[[int], None]") -> int:
        """Run what may block in a process of its own; `ended` gets its status, negative for a signal.

        Where the system refuses a process that is the status, and the number is 0.
        """
        try:
            pid = fork_worker(work, closing=tuple(self.private))
        except OSError as failure:
            write_line(f"cannot start a process: {reason(failure)}")
            self.call_after(0.0, lambda: ended(SYSTEM))
            return 0
        self.workers[pid] = ended
        return pid

    def ask(self, work: "Callable[[], Answer]", ended: "Callable[[Answer], None]") -> int:
        """As `fork`, for a worker that has something to say."""
        reading, writing = posix.pipe2(posix.O_CLOEXEC)

        def answer() -> int:
            found = work()
            posix.write(writing, found.text.encode("utf-8", "surrogateescape")[:ANSWER_BYTES])
            return found.status

        def finished(status: int) -> None:
            text = posix.read(reading, ANSWER_BYTES)
            posix.close(reading)
            if status < 0:
                # Most likely by the kernel, for memory. Not to answer would be to wait for ever.
                ended(Answer(INTERNAL, f"what looked for it was killed by signal {-status}"))
            else:
                ended(Answer(status, text.decode("utf-8", "surrogateescape")))

        try:
            return self.fork(answer, finished)
        finally:
            posix.close(writing)

    def dismiss(self, pid: int) -> None:
        """End a worker whose answer is no longer wanted."""
        if pid in self.workers:
            self.workers[pid] = lambda status: None
            send([pid], KILL)

    def _wait(self) -> "signal.struct_siginfo | None":
        if not self.timers:
            return signal.sigwaitinfo(EVERY_SIGNAL)
        patience = min(timer.at for timer in self.timers) - monotonic()
        return signal.sigtimedwait(EVERY_SIGNAL, min(max(patience, 0.0), LONGEST))

    def _run_timers(self) -> None:
        now = monotonic()
        for timer in [timer for timer in self.timers if timer.at <= now]:
            if timer in self.timers:
                self.timers.remove(timer)
                timer.action()

    def reap(self) -> None:
        """Collect every process that has ended. Fifty ends may have left one SIGCHLD."""
        while True:
            try:
                pid, status = posix.waitpid(-1, posix.WNOHANG | posix.WUNTRACED)
            except ChildProcessError:
                self.childless = True
                return
            self.childless = False
            if pid == 0:
                return
            ended = self.workers.get(pid)
            if ended is None:
                self.on_end(pid, status)
            elif not posix.WIFSTOPPED(status):
                del self.workers[pid]
                ended(posix.waitstatus_to_exitcode(status))
