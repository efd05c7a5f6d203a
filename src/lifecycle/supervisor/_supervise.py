"""One container's life: wait, start, forward, stop, leave.

Every part is a loop over the same events (`_loop`), with another idea of when it is done.
"""

from time import monotonic

from . import _markers
from ._child import Launch
from ._conditions import dependents, wait_for_dependents
from ._dialect import Dialect
from ._errors import NORMAL, QUIET, VERBOSE, Voice, reason
from ._leaving import Leaving
from ._loop import Loop
from ._native import adopt_orphans, die_with_parent
from ._output import Tees
from ._program import Program, describe
from ._readiness import Published
from ._record import Record
from ._settings import Settings, remaining_environment
from ._signals import ABRT, DROPPED, KILL, STOP, SUSPENDING, TERM, Sent, name_of
from ._state_dir import claim, directory_of
from ._statuses import BY_SIGNAL, CANCELLED, SYSTEM, TIMED_OUT
from ._stopping import Stopping
from ._system import TYPE_CHECKING, posix
from ._tree import has_children
from ._waiting import Waiting
from ._watches import Watches

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._notify import Notifications

# We leave for `/` when the program has started: what is given relative to here must not go along.
PATHS = (
    "cancel_file",
    "pause_after",
    "pause_before",
    "pause_on_failure",
    "post_file",
    "ready_file",
    "signal_file",
    "state_dir",
    "stderr_path",
    "stdout_path",
    "termination_path",
)
RUNNING, STOPPING = "running", "stopping"
BACKOFF_FACTOR = 2


class Supervision:
    def __init__(
        self,
        settings: Settings,
        dialect: Dialect,
        environment: dict[str, str],
        mask: "set[int]",
    ) -> None:
        for path in PATHS:
            given = getattr(settings, path)
            if given:
                setattr(settings, path, _markers.absolute(given))
        self.settings = settings
        self.dialect = dialect
        self.environment = remaining_environment(environment)
        self.voice = Voice(VERBOSE if settings.verbose else QUIET if settings.quiet else NORMAL)
        self.loop = Loop()
        self.record = Record(settings.command)
        self.launch = Launch(mask, session=settings.session)
        self.program = Program(self.loop, settings, self.record, self.launch)
        self.stopping = Stopping(
            self.loop, settings, self.program, self.record, self.voice, self.environment
        )
        self.base = directory_of(settings, environment)
        self.published = Published(settings, self.loop, self.voice, self.base)
        self.waiting = Waiting(settings, self.loop, self.voice, self.base)
        self.watches = Watches(
            settings, self.loop, self.base, self.ask_to_stop, self.cancel, self.deliver
        )
        self.tees = Tees(self.loop, settings.pipe_timeout)
        self.notifications = self._notifications() if settings.notify else None
        self._rewrites = dict(settings.rewrite)
        self._delays = dict(settings.delay)
        self._me = posix.getpid()
        # A session's leader has nobody above it who would resume it.
        self._suspends = self._me not in (1, posix.getsid(0))
        # Whether the program has ended and something of it was seen to live on.
        self._survived = False
        # An exit status of our own, which is stronger than the program's.
        self.verdict: int | None = None
        # Who called `supervisor stop` inside our namespace, and waits.
        self.hooks: set[int] = set()
        # Set when a stop was asked for at a time without a program.
        self.not_again: int | None = None
        self.loop.on_signal = self._signalled
        self.loop.on_end = self._ended
        self.stopping.on_first_request = self._stop_began
        if not settings.unordered_stop:
            self.stopping.hold = self._hold

    def _notifications(self) -> "Notifications":
        from ._notify import Notifications

        served = Notifications(
            self.settings, self.loop, self.voice, self.published, self.stopping, self._starved
        )
        self.environment = {**self.environment, **served.environment()}
        return served

    def _starved(self) -> None:
        """As systemd does: with ABRT, which leaves a core or a stack behind."""
        self.voice.warn("the program did not feed its watchdog")
        if self.program.running:
            self.stopping.request("watchdog", None, ABRT)

    def run(self) -> int:
        """The exit status.

        Raises:
            StateError: Another container has our name.
        """
        self._take_over()
        self.published.state = claim(self.settings, self.base, self.voice, self.loop)
        leaving = Leaving(self)
        leaving.remove_old_markers()
        self.watches.begin()
        status = self._wait()
        if status is None:
            status = 0 if self.settings.not_needed else self._serve()
        self.watches.end()
        return leaving.leave(status)

    def _take_over(self) -> None:
        if self._me != 1 and not adopt_orphans():
            self.voice.warn("neither PID 1 nor allowed to adopt orphans: some may be left behind")
        if self.settings.parent_death_signal is not None:
            die_with_parent(self.settings.parent_death_signal)

    # Before the program

    def _wait(self) -> int | None:
        waiting = self.waiting
        waiting.begin()
        self.loop.run(lambda: waiting.done or self.not_again is not None)
        if self.settings.pause_before is not None and waiting.failure is None:
            waiting.pause(self.settings.pause_before)
            self.loop.run(lambda: waiting.done or self.not_again is not None)
        waiting.end()
        if self.not_again is not None:
            return self.not_again
        if waiting.failure is not None:
            self.voice.warn(f"not started: {waiting.failure.text}")
            self.record.note(skipped=waiting.failure.text)
            return waiting.failure.status
        if waiting.message is not None and self.settings.wait_file_variable is not None:
            self.environment = {
                **self.environment,
                self.settings.wait_file_variable: waiting.message.rstrip("\n").replace("\0", ""),
            }
        return None

    # With it

    def _serve(self) -> int:
        failures = 0
        while True:
            began = monotonic()
            status = self._run_once()
            if not self._retryable(status):
                return status
            if monotonic() - began > self.settings.retry_limit:
                failures = 0
            if failures >= self.settings.retry:
                return status
            delay = self.settings.retry_delay * BACKOFF_FACTOR**failures
            failures += 1
            self._pause(min(delay, self.settings.retry_limit), status, failures)
            if self.not_again is not None:
                return status

    def _retryable(self, status: int) -> bool:
        listed = self.settings.retry_on
        if self.stopping.asked or self.verdict is not None or not self.settings.retry:
            return False
        return status != 0 if listed is None else status in listed

    def _pause(self, delay: float, status: int, retry: int) -> None:
        self.voice.warn(
            f"the program ended with {status}: retry {retry} of {self.settings.retry} in {delay:g} s"
        )
        self.stopping.start_anew()
        over: list[bool] = []
        self.loop.call_after(delay, lambda: over.append(True))
        self.loop.run(lambda: bool(over) or self.not_again is not None)

    def _run_once(self) -> int:
        settings = self.settings
        try:
            self.launch.redirect = self.tees.open(
                {1: settings.stdout_path, 2: settings.stderr_path}
            )
            self.program.start(dict(self.environment))
        except OSError as failure:
            self.voice.warn(f"cannot start a process: {reason(failure)}")
            return SYSTEM
        finally:
            self.tees.close()
        if not settings.retry:
            self._let_go()
        self.voice.tell(f"started {settings.command[0]} as process {self.program.pid}")
        self.published.started(self.program.pid, RUNNING)
        if self.notifications is not None:
            self.notifications.expect()
        try:
            self.dialect.started(self)
        except OSError as failure:
            self.voice.warn(f"cannot write {failure.filename}: {reason(failure)}")
        timer = None
        if settings.timeout:
            timer = self.loop.call_after(settings.timeout, self._out_of_time)
        self.loop.run(self._over)
        self.loop.cancel(timer)
        self.stopping.over()
        if self.notifications is not None:
            self.notifications.end()
        self.tees.drain(self.stopping.kill_at if self.stopping.asked else None)
        if self.verdict is not None:
            return self.verdict
        if self.program.status is None:
            return BY_SIGNAL + 9  # Not even SIGKILL helped; the kubelet will not do better.
        code = posix.waitstatus_to_exitcode(self.program.status)
        return code if code >= 0 else BY_SIGNAL - code

    def _let_go(self) -> None:
        """Pipes that the launcher handed to the program must not be held open by us.

        And a working directory must not keep a volume from being unmounted.
        """
        for descriptor in self.launch.inherited:
            try:
                posix.close(descriptor)
            except OSError:
                continue
        posix.chdir("/")

    def _over(self) -> bool:
        if self.stopping.gave_up:
            return True
        if self.program.status is None:
            return False
        if self.settings.survivors == "leave" and not self.stopping.asked:
            return True
        if self.stopping.commands:
            return False
        if self.loop.childless or not has_children(without=self.loop.workers):
            return True
        if not self._survived:
            self._survived = True
            if self.settings.survivors == "stop":
                self.stopping.start_purse()
                self.program.stop_survivors()
        return False

    # What happens to it

    def _signalled(self, sent: Sent) -> None:
        number = sent.number
        if sent.pid == self._me and not sent.by_kernel:
            return  # SIGPIPE, for a line that we wrote to a closed stderr.
        if self._rewrites.get(number) == DROPPED:
            self.voice.tell(f"dropped SIG{name_of(number)} from {sent.sender}")
            return
        self._act_on(number, sent)
        if self.voice.level == VERBOSE:
            self.voice.tell(f"SIG{name_of(number)} from {sent.sender}")

    def _act_on(self, number: int, sent: Sent) -> None:
        if number in self.settings.stop_on:
            self.ask_to_stop(f"SIG{name_of(number)}", sent=sent)
            if self._me == 1 and " stop" in sent.sender:
                self.hooks.add(sent.pid)
        elif number in SUSPENDING and number not in self._rewrites:
            self._suspend()
        elif number in self._delays:
            self.loop.call_after(self._delays[number], lambda: self.forward(number))
        else:
            self.forward(number)

    def forward(self, number: int) -> None:
        self.program.send(self._rewrites.get(number, number))

    def deliver(self, number: int) -> None:
        """From a file: what would ask us to stop as a signal does so from there, too."""
        why = f"{self.settings.signal_file}: SIG{name_of(number)}"
        if number == KILL and self.program.running:
            self.stopping.kill()
        elif number == KILL or number in self.settings.stop_on:
            self.ask_to_stop(why, number=number)
        else:
            self.forward(number)

    def cancel(self, why: str) -> None:
        self.verdict = CANCELLED
        self.ask_to_stop(why)

    def ask_to_stop(self, why: str, *, sent: Sent | None = None, number: int = TERM) -> None:
        number = sent.number if sent is not None else number
        if self.program.running:
            self.stopping.request(why, sent, number)
            return
        self.record.asked_to_stop(why, sent)
        if self.not_again is None:
            self.not_again = BY_SIGNAL + number if self.verdict is None else self.verdict
        if self.program.status is not None and not self.stopping.asked:
            # What it left behind hears of it, whatever --survivors says of an end without a request.
            self.stopping.asked = True
            self.stopping.start_purse()
            self.program.stop_survivors()

    def _hold(self, go_on: "Callable[[], None]") -> None:
        """Those that need us stop first; with nothing shared there is nobody to wait for."""
        state = self.published.state
        # Mostly there is nobody, and to find that out is quicker than to start a worker.
        if state is None or not dependents(state.base, state.name):
            go_on()
            return
        self.loop.ask(lambda: wait_for_dependents(state.base, state.name), lambda answer: go_on())

    def _stop_began(self) -> None:
        self.published.no_longer_ready()
        self.published.write(phase=STOPPING, ready=False)

    def _out_of_time(self) -> None:
        if self.program.running:
            self.verdict = TIMED_OUT
            self.ask_to_stop(f"--timeout {self.settings.timeout:g} s")

    def _ended(self, pid: int, status: int) -> None:
        if posix.WIFSTOPPED(status):
            if pid == self.program.pid and posix.WSTOPSIG(status) in SUSPENDING and self._suspends:
                # ^Z reached the program, which has the terminal. The shell above waits for us.
                posix.kill(self._me, STOP)
            return
        if pid != self.program.pid:
            self.voice.tell(f"reaped process {pid}, which {describe(status)}")
            return
        self.program.status = status
        self._survived = False
        self.voice.tell(f"the program {describe(status)}")

    def _suspend(self) -> None:
        """Stop the program, and ourselves under it. A program in a background group would ignore TSTP."""
        self.program.send(STOP)
        if self._suspends:
            posix.kill(self._me, STOP)
