"""What may stop or signal a program from outside, while it runs: other containers, and files that are written."""

from time import sleep

from . import _conditions, _markers
from ._errors import UsageError
from ._loop import Answer, Loop
from ._settings import Settings
from ._signals import number_of
from ._specs import Condition
from ._statuses import INTERNAL, SYSTEM
from ._system import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


# A worker that could not be started, or that somebody killed, has not seen anything.
BROKEN = (INTERNAL, SYSTEM)


class Watches:
    def __init__(
        self,
        settings: Settings,
        loop: Loop,
        base: str,
        stop: "Callable[[str], None]",
        cancel: "Callable[[str], None]",
        send: "Callable[[int, str], None]",
    ) -> None:
        self._settings = settings
        self._loop = loop
        self._base = base
        self._stop = stop
        self._cancel = cancel
        self._send = send
        self._open = 0
        self._workers: set[int] = set()

    def begin(self) -> None:
        self.follow()
        self._await_cancellation()
        self._await_signal_file()

    def follow(self) -> None:
        """Those whose end is ours."""
        self._open = len(self._settings.until)
        for condition in self._settings.until:
            self._watch(condition)

    def _await_cancellation(self) -> None:
        path = self._settings.cancel_file

        def written(answer: Answer) -> None:
            if answer.status in BROKEN:
                self._await_cancellation()
            else:
                self._cancel(f"{path} was written")

        if path is not None:
            self._ask(lambda: _when_filled(path), written)

    def _watch(self, condition: Condition) -> None:
        # A file is looked for, a neighbour's death is told by its lock: that costs no polling.
        self._ask(
            lambda: _conditions.wait(condition, self._base, _conditions.WATCH_PERIOD),
            lambda answer: self._came_true(condition, answer),
        )

    def _came_true(self, condition: Condition, answer: Answer) -> None:
        if answer.status in BROKEN:
            self._watch(condition)
            return
        self._open -= 1
        if self._open == 0 or not self._settings.until_all:
            self._stop(f"--until {condition.text}: {answer.text or 'came true'}")

    def _await_signal_file(self) -> None:
        path = self._settings.signal_file
        if path is not None:
            self._ask(lambda: _signal_from(path), self._signal_written)

    def _signal_written(self, answer: Answer) -> None:
        if answer.status == 0:
            self._send(int(answer.text), f"{self._settings.signal_file}")
        self._await_signal_file()

    def _ask(self, work: "Callable[[], Answer]", ended: "Callable[[Answer], None]") -> None:
        self._workers.add(self._loop.ask(work, ended))

    def end(self) -> None:
        for pid in self._workers:
            self._loop.dismiss(pid)


def _when_filled(path: str) -> Answer:
    while not _markers.is_there(path, content=True):
        sleep(_conditions.WATCH_PERIOD)
    return Answer(0)


def _signal_from(path: str) -> Answer:
    """What is no signal stays where it is until it is written anew."""
    seen: bytes | None = None
    while True:
        content = _markers.read(path, 100)
        if content and content != seen:
            seen = content
            try:
                number = number_of(content.decode("ascii", "replace"))
            except UsageError:
                pass
            else:
                _markers.remove(path)
                return Answer(0, str(number))
        elif not content:
            seen = None
        sleep(_conditions.WATCH_PERIOD)
