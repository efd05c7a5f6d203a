"""Everything that comes before the program: the others, the files, the permission of whoever debugs."""

from . import _conditions, _markers
from ._errors import Voice
from ._loop import Answer, Loop
from ._mesh import readiness_of
from ._numbers import whole
from ._settings import Settings
from ._specs import Condition, condition
from ._statuses import UNAVAILABLE
from ._system import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

REMINDER = 10.0
MESSAGE_LIMIT = 500


class Waiting:
    """All conditions at once, each in a worker of its own, so that one that can no longer come true is seen."""

    def __init__(self, settings: Settings, loop: Loop, voice: Voice, base: str) -> None:
        self._settings = settings
        self._loop = loop
        self._voice = voice
        self._base = base
        self._pending: dict[int, str] = {}
        self.failure: Answer | None = None
        self.message: str | None = None

    @property
    def done(self) -> bool:
        return self.failure is not None or not self._pending

    def begin(self) -> None:
        settings = self._settings
        conditions = list(settings.after)
        if settings.mesh is not None:
            conditions.append(condition(readiness_of(settings.mesh)))
        for wanted in conditions:
            self._await(wanted)
        paths = [path for paths in settings.wait_file for path in paths.split(",") if path]
        if paths:
            since = _conditions.started_at() if settings.wait_file_fresh else 0.0
            self._ask(
                ", ".join(paths),
                lambda: _conditions.wait_for_files(
                    paths,
                    content=settings.wait_file_content,
                    since=since,
                    go_on_after_failure=settings.debugging,
                ),
                self._read,
            )
        if self._pending:
            if settings.wait_timeout:
                self._loop.call_after(settings.wait_timeout, self._out_of_time)
            self._loop.call_after(REMINDER, self._remind)
            # That may still come, so it is no error; but whoever mistyped a path need not wait for the reminder.
            for what in self._pending.values():
                missing = _no_folder(what)
                if missing:
                    self._voice.warn(f"waiting for {what}{missing}")

    def add(self, conditions: list[Condition]) -> None:
        for wanted in conditions:
            self._await(wanted)

    def fail(self, status: int, why: str) -> None:
        self.failure = Answer(status, why)

    def pause(self, path: str) -> None:
        """Wait for one more file: whoever debugs puts it there."""
        self._voice.warn(
            f"paused before the start, until {path} is there, or {path}{_markers.FAILED} to give up"
        )
        self._ask(path, lambda: _conditions.wait_for_files([path], content=False, since=0.0))

    def _await(self, wanted: Condition) -> None:
        self._ask(wanted.text, lambda: _conditions.wait(wanted, self._base))

    def _ask(
        self,
        what: str,
        work: "Callable[[], Answer]",
        read: "Callable[[str], None]" = lambda text: None,
    ) -> None:
        def ended(answer: Answer) -> None:
            self._pending.pop(pid, None)
            if answer.status == 0:
                self._voice.tell(f"{what}: there{' (' + answer.text + ')' if answer.text else ''}")
                read(answer.text)
            elif self.failure is None:
                self.failure = answer

        pid = self._loop.ask(work, ended)
        self._pending[pid] = what

    def _read(self, message: str) -> None:
        self.message = message
        settings = self._settings
        # What goes to the program need not be said. What `--post-file` left is a status, and no message.
        if settings.wait_file_variable is None and settings.tells_message:
            words = " ".join(message.split())[:MESSAGE_LIMIT]
            if words and whole(words) is None:
                path = settings.wait_file[-1].rpartition(",")[2]
                self._voice.say(f"{path} says: {''.join(map(_visible, words))}")

    def _out_of_time(self) -> None:
        if self._pending:
            waited = f"{self._settings.wait_timeout:g} s"
            text = f"not there after {waited}: {self._missing(', ')}"
            if self._settings.on_wait_timeout == "start":
                self._voice.warn(f"{text}; starting all the same")
                self.end()
            else:
                self.failure = Answer(UNAVAILABLE, text)

    def _remind(self) -> None:
        if self._pending:
            self._voice.warn(f"still waiting for {self._missing('; ')}")
            self._loop.call_after(REMINDER, self._remind)

    def _missing(self, between: str) -> str:
        return between.join(f"{what}{_no_folder(what)}" for what in self._pending.values())

    def end(self) -> None:
        for pid in self._pending:
            self._loop.dismiss(pid)
        self._pending.clear()


def _visible(letter: str) -> str:
    return letter if letter.isprintable() else "\ufffd"


def _no_folder(what: str) -> str:
    path = what.removeprefix("file:").removesuffix(":content").partition(", ")[0]
    folder = _markers.parent(path)
    if path.startswith("/") and folder and not _markers.is_folder(folder):
        return f" (there is no directory {folder})"
    return ""
