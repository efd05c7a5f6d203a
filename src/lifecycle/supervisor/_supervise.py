"""One container's life: wait, start, forward, stop, leave.

Every part is a loop over the same events (`_loop`), with another idea of when it is done.
"""

from . import _markers
from ._attempts import Attempts
from ._child import Launch
from ._dialect import Dialect
from ._errors import NORMAL, QUIET, VERBOSE, UsageError, Voice, reason
from ._leaving import Leaving
from ._loop import Loop
from ._native import adopt_orphans, die_with_parent
from ._program import Program
from ._readiness import Published
from ._record import Record
from ._requests import Requests
from ._settings import Settings, remaining_environment
from ._state_dir import claim, directory_of
from ._stopping import Stopping
from ._system import TYPE_CHECKING, posix

if TYPE_CHECKING:
    from ._control import Control
    from ._notify import Notifications
    from ._output import Tees
    from ._waiting import Waiting
    from ._watches import Watches

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
        for warning in settings.warnings:
            self.voice.warn(warning)
        self.record = Record(settings.command)
        self.launch = Launch(mask, session=settings.session, isolated=settings.isolated)
        self.program = Program(self.loop, settings, self.record, self.launch)
        self.stopping = Stopping(
            self.loop, settings, self.program, self.record, self.voice, self.environment
        )
        self.base = directory_of(settings, environment)
        self.published = Published(settings, self.loop, self.voice, self.base)
        self.tees = self._tees()
        # An exit status of our own, which is stronger than the program's.
        self.verdict: int | None = None
        # Who called `supervisor stop` inside our namespace, and waits.
        self.hooks: set[int] = set()
        # Set when a stop was asked for at a time without a program.
        self.not_again: int | None = None
        self.requests = Requests(self)
        self.attempts = Attempts(self)
        self.watches = self._watches()
        self.notifications = self._notifications() if settings.notify else None
        self.loop.on_signal = self.requests.signalled
        self.loop.on_end = self.attempts.ended

    # What most programs do without is not even imported for them: that would be a third of the start.

    def _tees(self) -> "Tees | None":
        settings = self.settings
        if not (settings.stdout_path or settings.stderr_path or settings.combined_path):
            return None
        from ._output import Tees

        return Tees(self.loop, settings.pipe_timeout)

    def _watches(self) -> "Watches | None":
        settings, requests = self.settings, self.requests
        if not (settings.until or settings.cancel_file or settings.signal_file):
            return None
        from ._watches import Watches

        return Watches(
            settings,
            self.loop,
            self.base,
            requests.ask_to_stop,
            requests.cancel,
            requests.deliver,
        )

    def _notifications(self) -> "Notifications":
        from ._notify import Notifications

        served = Notifications(
            self.settings,
            self.loop,
            self.voice,
            self.published,
            self.stopping,
            self.requests.starve,
        )
        self.environment = {**self.environment, **served.environment()}
        return served

    def run(self) -> int:
        """The exit status.

        Raises:
            StateError: Another container has our name.
        """
        self._take_over()
        self.published.state = claim(self.settings, self.base, self.voice, self.loop)
        control = self._control()
        self._tell_followers()
        leaving = Leaving(self)
        leaving.remove_old_markers()
        if self.watches is not None:
            self.watches.begin()
        status = self._wait()
        if status is None:
            status = self.dialect.prepare(self)
        if status is None:
            status = 0 if self.settings.not_needed else self.attempts.serve()
        if self.watches is not None:
            self.watches.end()
        status = leaving.leave(status)
        if control is not None:
            control.end()
        return status

    def _control(self) -> "Control | None":
        state = self.published.state
        # Another wrapper's signal file has the same name.
        if state is None or self.settings.signal_file == f"{state.folder}/signal":
            return None
        from ._control import Control

        try:
            return Control(state.folder, self.loop, self.voice, self.requests.deliver)
        except OSError as failure:
            self.voice.tell(f"no signals from other containers: {reason(failure)}")
            return None

    def _take_over(self) -> None:
        if posix.getpid() != 1 and not adopt_orphans():
            self.voice.warn("neither PID 1 nor allowed to adopt orphans: some may be left behind")
        if self.settings.parent_death_signal is not None:
            die_with_parent(self.settings.parent_death_signal)

    def _tell_followers(self) -> None:
        try:
            self.dialect.claimed(self)
        except OSError as failure:
            self.voice.warn(f"cannot write {failure.filename}: {reason(failure)}")

    # Before the program

    def _wait_for_more(self, waiting: "Waiting") -> None:
        if waiting.failure is None and self.not_again is None:
            try:
                waiting.add(self.dialect.awaited(self))
            except (OSError, UsageError) as failure:
                waiting.fail(self.dialect.unprepared_status, f"{failure}")
            # That may have told of files for the output.
            self.tees = self.tees or self._tees()
            self.loop.run(lambda: waiting.done or self.not_again is not None)

    def _wait(self) -> int | None:
        settings = self.settings
        if not (settings.after or settings.wait_file or settings.mesh or settings.pause_before):
            return self.not_again
        from ._waiting import Waiting

        waiting = Waiting(settings, self.loop, self.voice, self.base)
        waiting.begin()
        self.loop.run(lambda: waiting.done or self.not_again is not None)
        self._wait_for_more(waiting)
        if settings.pause_before is not None and waiting.failure is None:
            waiting.pause(settings.pause_before)
            self.loop.run(lambda: waiting.done or self.not_again is not None)
        waiting.end()
        if self.not_again is not None:
            return self.not_again
        if waiting.failure is not None:
            self.voice.warn(f"not started: {waiting.failure.text}")
            self.record.note(skipped=waiting.failure.text)
            return waiting.failure.status
        if waiting.message is not None and settings.wait_file_variable is not None:
            self.environment = {
                **self.environment,
                settings.wait_file_variable: waiting.message.rstrip("\n").replace("\0", ""),
            }
        return None
