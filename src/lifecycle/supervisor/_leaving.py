"""The end: everything that others wait for is written, then they are told, then we are gone."""

from time import monotonic, sleep

from . import _markers
from ._errors import reason
from ._numbers import whole
from ._record import TERMINATION_LOG, leave_message
from ._statuses import CANNOT_WRITE, SKIPPED
from ._system import TYPE_CHECKING, posix
from ._tree import is_there

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._supervise import Supervision


# `supervisor stop` looks every 10 ms whether we are done.
HOOK_PATIENCE = 0.5
HOOK_PERIOD = 0.002


class Leaving:
    def __init__(self, supervision: "Supervision") -> None:
        self._run = supervision
        self._settings = supervision.settings
        self._loop = supervision.loop
        self._voice = supervision.voice
        self._unwritten = False

    def remove_old_markers(self) -> None:
        """A container that restarts must not be taken for its predecessor."""
        settings = self._settings
        if settings.post_file is not None:
            _markers.remove(settings.post_file)
            _markers.remove(settings.post_file + _markers.FAILED)
            self._show_that_we_live(settings.post_file + _markers.LIVING)
        if settings.ready_file is not None:
            _markers.remove(settings.ready_file)

    def _show_that_we_live(self, path: str) -> None:
        """Locked before it is there: whoever finds it unlocked knows that its holder is dead."""
        from fcntl import LOCK_EX, flock

        aside = f"{path}.{posix.getpid()}"
        try:
            _markers.make_folders(_markers.parent(path))
            lock = posix.open(aside, posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC, 0o644)
            self._loop.private.add(lock)
            flock(lock, LOCK_EX)
            posix.rename(aside, path)
        except OSError:
            _markers.remove(aside)  # The marker itself will fail in the same way, and say so.

    def leave(self, status: int) -> int:
        settings = self._settings
        self._run.published.no_longer_ready()
        status = self._pause(status)
        if settings.remap:
            status = dict(settings.remap).get(status, status)
        self._write_markers(status)
        self._bid_farewell(status)
        if self._run.hooks:
            self._let_hooks_return()
        status_shown = self._run.dialect.shown(self._run, status)
        shown = 0 if settings.always_zero or settings.on_error == "continue" else status_shown
        if self._unwritten and shown == 0:
            return CANNOT_WRITE
        return shown

    def _pause(self, status: int) -> int:
        settings = self._settings
        if status != 0 and settings.pause_on_failure is not None:
            self._await_file(settings.pause_on_failure, "failed")
            found = whole((_markers.read(settings.pause_on_failure) or b"").strip(), 255)
            if found is not None:
                return found
        if settings.pause_after is not None:
            self._await_file(settings.pause_after, "ended")
        return status

    def _await_file(self, path: str, what: str) -> None:
        run = self._run
        if run.stopping.asked or run.not_again is not None:
            return  # Who asked for the end does not want to debug.
        from ._conditions import wait
        from ._specs import condition

        self._voice.warn(f"the program {what}; paused until {path} is there")
        there: list[bool] = []
        worker = self._loop.ask(
            lambda: wait(condition(f"file:{path}"), ""), lambda answer: there.append(True)
        )
        self._loop.run(lambda: bool(there) or run.not_again is not None)
        self._loop.dismiss(worker)

    def _write_markers(self, status: int) -> None:
        run, settings = self._run, self._settings
        failed = status != 0 and settings.on_error != "continue"
        if settings.post_file is not None:
            path = settings.post_file + (_markers.FAILED if failed else "")
            try:
                _markers.make_folders(_markers.parent(path))
                _markers.write(path, f"{status}\n")
            except (OSError, ValueError) as failure:
                self._cannot(path, failure)
        try:
            run.dialect.ended(run, status)
        except OSError as failure:
            self._cannot(failure.filename or "what followers read", failure)
        self._write_record(status)

    def _write_record(self, status: int) -> None:
        run, state = self._run, self._run.published.state
        path = self._settings.termination_path
        if state is None and path is None and not _markers.is_there(TERMINATION_LOG):
            return  # Nobody would read it.
        stopping = run.stopping
        if stopping.began is not None and (stopping.asked or run.record.killed):
            run.record.note(
                stop=stopping.reason or "the program left processes behind",
                grace=self._settings.grace_period,
                used=round(stopping.used, 3),
            )
        run.record.finish(status=status, warnings=self._voice.said)
        if state is not None:
            from ._state import ENDED

            try:
                _markers.write(f"{state.folder}/record.json", run.record.text() + "\n")
                _markers.write(f"{state.folder}/exitcode", f"{run.dialect.shown(run, status)}\n")
            except OSError as failure:
                self._cannot(state.folder, failure)
            run.published.write(
                phase=ENDED, ready=False, exit_status=status, skipped=status == SKIPPED
            )
        try:
            leave_message(path or TERMINATION_LOG, self._run.record.text(4096))
        except OSError as failure:
            if path is not None:
                self._cannot(path, failure)

    def _cannot(self, path: str, failure: Exception) -> None:
        self._unwritten = True
        why = reason(failure) if isinstance(failure, OSError) else failure
        self._voice.warn(f"cannot write {path}: {why}")

    def _bid_farewell(self, status: int) -> None:
        """Peers that serve only this program are told to go: all at once, and not for long."""
        settings = self._settings
        urls = list(settings.peer_quit)
        if settings.mesh is not None:
            from ._mesh import farewell_of

            urls.append(farewell_of(settings.mesh))
        if not urls or (status != 0 and settings.peers_on_success):
            return
        answered: list[int] = []
        workers = [self._post(url, answered.append) for url in urls]
        over: list[bool] = []
        self._loop.call_after(settings.peer_timeout, lambda: over.append(True))
        self._loop.run(lambda: bool(over) or len(answered) == len(workers))
        for worker in workers:
            self._loop.dismiss(worker)

    def _let_hooks_return(self) -> None:
        """PID 1 takes every process of its namespace along: a hook that waits for us would be seen to fail."""
        until = monotonic() + HOOK_PATIENCE
        while any(is_there(pid) for pid in self._run.hooks) and monotonic() < until:
            sleep(HOOK_PERIOD)

    def _post(self, url: str, ended: "Callable[[int], None]") -> int:
        from ._commands import get

        timeout = self._settings.peer_timeout
        return self._loop.fork(lambda: get("POST", url, timeout), ended)
