"""The program's runs: one, or with `--retry` several, each until nothing is left of it."""

from time import monotonic

from ._errors import VERBOSE, reason
from ._program import describe
from ._signals import SUSPENDING
from ._statuses import BY_SIGNAL, SYSTEM, TIMED_OUT
from ._system import TYPE_CHECKING, posix
from ._tree import has_children

if TYPE_CHECKING:
    from ._supervise import Supervision

RUNNING = "running"
BACKOFF_FACTOR = 2


class Attempts:
    def __init__(self, supervision: "Supervision") -> None:
        self._run = supervision
        self._settings = supervision.settings
        self._loop = supervision.loop
        self._voice = supervision.voice
        self._program = supervision.program
        self._stopping = supervision.stopping
        # Whether the program has ended and something of it was seen to live on.
        self._survived = False

    def serve(self) -> int:
        """The status of the last run."""
        settings, failures = self._settings, 0
        while True:
            began = monotonic()
            status = self._run_once()
            if not settings.retry or not self._retryable(status):
                return status
            if monotonic() - began > settings.retry_limit:
                failures = 0
            if failures >= settings.retry:
                return status
            delay = settings.retry_delay * BACKOFF_FACTOR**failures
            failures += 1
            self._pause(min(delay, settings.retry_limit), status, failures)
            if self._run.not_again is not None:
                return status

    def _retryable(self, status: int) -> bool:
        listed = self._settings.retry_on
        if self._stopping.asked or self._run.verdict is not None:
            return False
        return status != 0 if listed is None else status in listed

    def _pause(self, delay: float, status: int, retry: int) -> None:
        self._voice.warn(
            f"the program ended with {status}: retry {retry} of {self._settings.retry} in {delay:g} s"
        )
        self._stopping.start_anew()
        self._run.published.write(ready=False)
        over: list[bool] = []
        self._loop.call_after(delay, lambda: over.append(True))
        self._loop.run(lambda: bool(over) or self._run.not_again is not None)

    def _run_once(self) -> int:
        run, settings = self._run, self._settings
        try:
            if run.tees is not None:
                run.launch.redirect = run.tees.open(
                    {
                        1: (settings.stdout_path, settings.combined_path),
                        2: (settings.stderr_path, settings.combined_path),
                    }
                )
            self._program.start(dict(run.environment))
        except OSError as failure:
            self._voice.warn(f"cannot start a process: {reason(failure)}")
            return SYSTEM
        finally:
            if run.tees is not None:
                run.tees.close()
        self._began()
        timer = None
        if settings.timeout:
            timer = self._loop.call_after(settings.timeout, self._out_of_time)
        self._loop.run(self._over)
        if timer is not None:
            self._loop.cancel(timer)
        self._stopping.over()
        if run.notifications is not None:
            run.notifications.end()
        if run.tees is not None:
            run.tees.drain(self._stopping.kill_at if self._stopping.asked else None)
        if run.verdict is not None:
            return run.verdict
        if self._program.status is None:
            return BY_SIGNAL + 9  # Not even SIGKILL helped; the kubelet will not do better.
        code = posix.waitstatus_to_exitcode(self._program.status)
        return code if code >= 0 else BY_SIGNAL - code

    def _began(self) -> None:
        """Tell whoever wants to know."""
        run, settings = self._run, self._settings
        run.requests.expect()
        if not settings.retry:
            self._let_go()
        self._voice.tell(f"started {settings.command[0]} as process {self._program.pid}")
        run.published.started(self._program.pid, RUNNING)
        if run.notifications is not None:
            run.notifications.expect()
        try:
            run.dialect.started(run)
        except OSError as failure:
            self._voice.warn(f"cannot write {failure.filename}: {reason(failure)}")

    def _let_go(self) -> None:
        """Pipes that the launcher handed to the program must not be held open by us.

        And a working directory must not keep a volume from being unmounted.
        """
        for descriptor in self._run.launch.inherited:
            try:
                posix.close(descriptor)
            except OSError:
                continue
        posix.chdir("/")

    def _over(self) -> bool:
        if self._stopping.gave_up:
            return True
        if self._program.status is None:
            return False
        if self._settings.survivors == "leave" and not self._stopping.asked:
            return True
        if self._stopping.commands:
            return False
        if self._loop.childless or not has_children(without=self._loop.workers):
            return True
        if not self._survived:
            self._survived = True
            if self._settings.survivors == "stop":
                self._stopping.start_purse()
                self._program.stop_survivors()
            self._run.published.write(ready=False)
        return False

    def _out_of_time(self) -> None:
        if self._program.running:
            self._run.verdict = TIMED_OUT
            self._run.requests.ask_to_stop(f"--timeout {self._settings.timeout:g} s")

    def ended(self, pid: int, status: int) -> None:
        """A process that is no worker of ours has ended, or was suspended."""
        if posix.WIFSTOPPED(status):
            if pid == self._program.pid and posix.WSTOPSIG(status) in SUSPENDING:
                # ^Z reached the program, which has the terminal. The shell above waits for us.
                self._run.requests.suspend_ourselves()
            return
        if pid != self._program.pid:
            self._tell(f"reaped process {pid}, which", status)
            return
        self._loop.at_once.clear()
        self._program.status = status
        self._run.published.no_longer_ready()
        self._survived = False
        self._tell("the program", status)

    def _tell(self, who: str, status: int) -> None:
        if self._voice.level == VERBOSE:
            self._voice.tell(f"{who} {describe(status)}")
