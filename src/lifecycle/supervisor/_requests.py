"""What is asked of the program from outside: signals, and requests to stop from wherever they come."""

from ._errors import VERBOSE
from ._signals import ABRT, DROPPED, KILL, STOP, SUSPENDING, TERM, Sent, name_of
from ._statuses import BY_SIGNAL, CANCELLED
from ._system import TYPE_CHECKING, posix

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._supervise import Supervision

STOPPING = "stopping"


class Requests:
    def __init__(self, supervision: "Supervision") -> None:
        self._run = supervision
        self._settings = supervision.settings
        self._loop = supervision.loop
        self._voice = supervision.voice
        self._program = supervision.program
        self._stopping = supervision.stopping
        self._rewrites = dict(self._settings.rewrite)
        self._delays = dict(self._settings.delay)
        self._me = posix.getpid()
        self._dependents: Callable[[str, str], Sequence[object]] = lambda base, name: ()
        # A session's leader has nobody above it who would resume it.
        self._suspends = self._me not in (1, posix.getsid(0))
        self._stopping.on_first_request = self._stop_began
        if not self._settings.unordered_stop:
            self._stopping.hold = self._hold

    def expect(self) -> None:
        """The program runs. The first request to stop reaches it at once, where nothing has to come before that."""
        settings = self._settings
        if self._run.published.state is not None:
            # Others may have to stop first. What looks for them is loaded now, and not when the signal is here.
            from ._conditions import dependents

            self._dependents = dependents
            return
        whom = self._program.target
        if whom is None or settings.pre_stop is not None or settings.stop_with is not None:
            return
        for number in settings.stop_on:
            first = self._stopping.signals(number)[0][0]
            is_free = number not in self._delays and self._rewrites.get(number) != DROPPED
            if is_free and first not in (DROPPED, KILL) and not self._stopping.asked:
                self._loop.at_once[number] = whom, first

    def signalled(self, sent: Sent) -> None:
        number = sent.number
        if sent.pid == self._me and not sent.by_kernel:
            return  # SIGPIPE, for a line that we wrote to a closed stderr.
        if self._rewrites.get(number) == DROPPED:
            self._voice.tell(f"dropped SIG{name_of(number)} from {sent.sender}")
            return
        self._program.heard = sent.passed_on
        self._act_on(number, sent)
        self._program.heard = None
        if self._voice.level == VERBOSE:
            self._voice.tell(f"SIG{name_of(number)} from {sent.sender}")

    def _act_on(self, number: int, sent: Sent) -> None:
        if number in self._settings.stop_on:
            self.ask_to_stop(f"SIG{name_of(number)}", sent=sent)
            if self._me == 1 and " stop" in sent.sender:
                self._run.hooks.add(sent.pid)
        elif number in SUSPENDING and number not in self._rewrites:
            # A program in a background group would ignore TSTP.
            self._program.send(STOP)
            self.suspend_ourselves()
        elif number in self._delays:
            self._loop.call_after(self._delays[number], lambda: self.forward(number))
        else:
            self.forward(number)

    def forward(self, number: int) -> None:
        self._program.send(self._rewrites.get(number, number))

    def deliver(self, number: int, source: str) -> None:
        """From a file: what would ask us to stop as a signal does so from there, too."""
        why = f"{source}: SIG{name_of(number)}"
        if number == KILL and self._program.running:
            self._stopping.kill()
        elif number == KILL or number in self._settings.stop_on:
            self.ask_to_stop(why, number=number)
        else:
            self.forward(number)

    def suspend_ourselves(self) -> None:
        if self._suspends:
            posix.kill(self._me, STOP)

    def cancel(self, why: str) -> None:
        self._run.verdict = CANCELLED
        self.ask_to_stop(why)

    def starve(self) -> None:
        """As systemd does: with ABRT, which leaves a core or a stack behind."""
        self._voice.warn("the program did not feed its watchdog")
        if self._program.running:
            self._stopping.request("watchdog", None, ABRT)

    def ask_to_stop(self, why: str, *, sent: Sent | None = None, number: int = TERM) -> None:
        run = self._run
        number = sent.number if sent is not None else number
        if self._program.running:
            self._stopping.request(why, sent, number)
            return
        run.record.asked_to_stop(why, sent)
        if run.not_again is None:
            run.not_again = BY_SIGNAL + number if run.verdict is None else run.verdict
        if self._program.status is not None and not self._stopping.asked:
            # What it left behind hears of it, whatever --survivors says of an end without a request.
            self._stopping.asked = True
            self._stopping.start_purse()
            self._program.stop_survivors()

    def _hold(self, go_on: "Callable[[], None]") -> None:
        """Those that need us stop first; with nothing shared there is nobody to wait for."""
        state = self._run.published.state
        # Mostly there is nobody, and to find that out is quicker than to start a worker.
        if state is None or not self._dependents(state.base, state.name):
            go_on()
            return
        from ._conditions import wait_for_dependents

        self._loop.ask(lambda: wait_for_dependents(state.base, state.name), lambda answer: go_on())

    def _stop_began(self) -> None:
        self._run.published.no_longer_ready()
        self._run.published.write(phase=STOPPING, ready=False)
