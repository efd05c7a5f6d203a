"""How a program is stopped: one purse of time, and a list of things that are paid out of it.

    request ─ hold until dependents are gone ─ delay ─ --pre-stop ─ --stop-with or signals ─ … ─ KILL ─ give up
    └──────────────────────────────── grace period ───────────────────────────────── margin ┘

The clock starts with the first request and never again. Whatever step it is in, the program's end ends it. What comes
before the signals may take long, but not all: the program is never killed without having been asked.
"""

from time import monotonic

from ._errors import Voice
from ._loop import Loop, Timer
from ._program import Program
from ._record import Record
from ._settings import Settings
from ._signals import DROPPED, KILL, TERM, Sent, name_of
from ._system import TYPE_CHECKING
from ._tree import send

if TYPE_CHECKING:
    from collections.abc import Callable

SMALLEST_MARGIN = 1.0
MARGIN_SHARE = 0.05
# What shares of the margin are for: the killed have this much to be gone, the rest is for markers.
PATIENCE_WITH_THE_KILLED = 0.5
KILL_PERIOD = 0.02
# What the kubelet grants a container whose preStop hook has used up its grace period.
LAST_CALL = 2.0
LAST_CALL_SHARE = 0.5


def margin_of(settings: Settings) -> float:
    if settings.margin is not None:
        return settings.margin
    return min(
        max(SMALLEST_MARGIN, MARGIN_SHARE * settings.grace_period), settings.grace_period / 2
    )


class _Send:
    """One step of the escalation. (A lambda in a loop would send the last signal every time.)"""

    def __init__(
        self, send: "Callable[[int, float | None], None]", number: int, patience: float | None
    ) -> None:
        self._send = send
        self._number = number
        self._patience = patience

    def __call__(self) -> None:
        self._send(self._number, self._patience)


class Stopping:
    def __init__(
        self,
        loop: Loop,
        settings: Settings,
        program: Program,
        record: Record,
        voice: Voice,
        environment: dict[str, str],
    ) -> None:
        self._loop = loop
        self._settings = settings
        self._program = program
        self._record = record
        self._voice = voice
        self._environment = environment
        self.margin = margin_of(settings)
        self._steps: list[Callable[[], None]] = []
        # Which step it is: one that was overtaken must not lead to the next when it ends after all.
        self._turn = 0
        self._patience: Timer | None = None
        self._last_call: Timer | None = None
        self._kill: Timer | None = None
        self._give_up: Timer | None = None
        self.commands: set[int] = set()
        self.began: float | None = None
        self.reason = ""
        self.asked = False
        self.gave_up = False
        self.on_first_request: Callable[[], None] = lambda: None
        self.hold: Callable[[Callable[[], None]], None] | None = None

    @property
    def kill_at(self) -> float:
        """When patience ends.

        The kubelet's own clock started at the latest when ours did.
        """
        if self.began is None:
            raise RuntimeError("nobody has asked for a stop yet")
        return self.began + self._settings.grace_period - self.margin

    def remaining(self) -> float:
        return max(0.0, self.kill_at - monotonic())

    @property
    def used(self) -> float:
        return max(0.0, self._settings.grace_period - self.margin - self.remaining())

    def start_purse(self, at: float | None = None) -> None:
        if self.began is None:
            self.began = monotonic() if at is None else at
            self._kill = self._loop.call_at(self.kill_at, self.kill)

    def request(self, reason: str, sent: Sent | None = None, number: int = TERM) -> None:
        """Ask the program to stop; again and again, if it must be: only the first begins anything."""
        if self.asked:
            self._again()
        else:
            self.asked = True
            self._loop.at_once.clear()
            self.reason = reason
            self.start_purse(sent.at if sent is not None else None)
            self._plan(number)
            # The program hears first; what is written for others may wait for a disk.
            self._next()
            self._voice.tell(f"stopping: {reason}; {self.remaining():.1f} s until SIGKILL")
            self.on_first_request()
        self._record.asked_to_stop(reason, sent)

    def _again(self) -> None:
        if self._settings.second_signal == "kill":
            self.kill()
        elif self._settings.second_signal == "escalate":
            self._next()

    def _plan(self, number: int) -> None:
        settings = self._settings
        if self.hold is not None:
            hold = self.hold
            self._steps.append(lambda: hold(self._after(self._next)))
        delay = dict(settings.delay).get(number, 0.0)
        if delay:
            self._steps.append(lambda: self._wait(delay))
        if settings.pre_stop is not None:
            command = settings.pre_stop
            self._steps.append(lambda: self._run(command, lambda status: self._next()))
        if settings.stop_with is not None:
            instead = settings.stop_with
            self._steps.append(lambda: self._run(instead, self._stopped_with))
        signals = [_Send(self._send, step, patience) for step, patience in self.signals(number)]
        if self._steps:
            whole = self.kill_at - monotonic()
            at = self.kill_at - min(LAST_CALL, whole * LAST_CALL_SHARE)
            self._last_call = self._loop.call_at(at, lambda: self._skip_to(len(signals)))
        self._steps += signals

    def _skip_to(self, signals: int) -> None:
        """Whatever is awaited or run before the signals: it goes on beside them."""
        if len(self._steps) >= signals:
            self._voice.warn("what comes before the stop takes too long: the program is told now")
            del self._steps[: len(self._steps) - signals]
            self._next()

    def signals(self, number: int) -> list[tuple[int, float | None]]:
        """The escalation that a request with this signal begins."""
        if self._settings.escalate is not None:
            return list(self._settings.escalate)
        if self._settings.stop_signal is not None:
            return [(self._settings.stop_signal, None)]
        return [(dict(self._settings.rewrite).get(number, number), None)]

    def _next(self) -> None:
        self._loop.cancel(self._patience)
        self._patience = None
        self._turn += 1
        if self._program.running and self._steps:
            self._steps.pop(0)()

    def _after(self, step: "Callable[[], None]") -> "Callable[[], None]":
        """This step's successor, as long as no other one has begun: by a second request, or by the last call."""
        turn = self._turn

        def go_on() -> None:
            if turn == self._turn:
                step()

        return go_on

    def _wait(self, seconds: float) -> None:
        self._patience = self._loop.call_after(seconds, self._next)

    def extend(self, seconds: float) -> None:
        """The program asks for more time: it gets it from the step that it is in, never from beyond the purse."""
        if self._patience is not None:
            self._patience.at = min(max(self._patience.at, monotonic() + seconds), self.kill_at)

    def _run(self, command: tuple[str, ...], ended: "Callable[[int], None]") -> None:
        self._voice.tell(f"running {' '.join(command)}")
        turn = self._turn

        def forget(status: int) -> None:
            self.commands.discard(pid)
            if status:
                self._voice.warn(f"{' '.join(command)} failed with {status}")
            if turn == self._turn:
                ended(status)

        from ._commands import start_command

        pid = start_command(self._loop, command, self._environment, forget)
        self.commands.add(pid)

    def _stopped_with(self, status: int) -> None:
        if status == 0:
            # It does the work of the first signal. What was to follow that one follows it.
            patience = self.signals(DROPPED)[0][1]
            del self._steps[:1]
            if patience is not None:
                self._wait(patience)
        else:
            self._next()

    def _send(self, number: int, patience: float | None) -> None:
        self._loop.cancel(self._last_call)
        if number == KILL:
            self.kill()
            return
        if number != DROPPED:
            self._program.ask_to_stop(number)
            self._voice.tell(f"sent SIG{name_of(number)}")
        if patience is not None:
            self._wait(patience)

    def kill(self) -> None:
        """Again until nobody is left: what is killed may have had a child at that very moment."""
        self.start_purse()
        if self._give_up is None:
            rest = self._program.describe_rest()
            self._voice.warn(f"killing what did not end in time: {rest}")
            patience = max(self.margin * PATIENCE_WITH_THE_KILLED, KILL_PERIOD)
            self._give_up = self._loop.call_after(patience, self._leave_behind)
        self._program.kill()
        send([-pid for pid in self.commands if pid], KILL)
        self._loop.cancel(self._kill)
        self._kill = self._loop.call_after(KILL_PERIOD, self.kill)

    def _leave_behind(self) -> None:
        """Not even SIGKILL ends a process that waits inside the kernel, or that belongs to another user."""
        self.gave_up = True
        self._voice.warn(f"leaving behind what cannot be killed: {self._program.describe_rest()}")

    def start_anew(self) -> None:
        """Another try begins; what the last one left behind was stopped out of a purse of its own."""
        self.began = self._give_up = None

    def over(self) -> None:
        """The program is gone: nothing of this is due any more."""
        for timer in (self._kill, self._patience, self._give_up, self._last_call):
            if timer is not None:
                self._loop.cancel(timer)
        self._steps.clear()
