"""Whether the program is ready: at once, when a condition came true, or when it says so itself."""

from . import _markers
from ._errors import Voice, reason
from ._loop import Answer, Loop
from ._settings import Settings
from ._system import TYPE_CHECKING

if TYPE_CHECKING:
    from ._state import State


class Published:
    """Our state as others see it. Where it cannot be written, the program is served all the same."""

    def __init__(self, settings: Settings, loop: Loop, voice: Voice, base: str) -> None:
        self._settings = settings
        self._loop = loop
        self._voice = voice
        self._base = base
        self.state: State | None = None
        self.ready = False
        # From when it has started until it is told to stop, or has ended: only then can it be ready.
        self._serves = False
        self._looking = 0

    def write(self, **changes: object) -> None:
        if self.state is None:
            return
        try:
            self.state.write(**changes)
        except OSError as failure:
            self._voice.warn(f"cannot write {self.state.folder}/status.json: {reason(failure)}")

    def started(self, pid: int, phase: str) -> None:
        settings = self._settings
        self._serves = True
        if settings.ready_when is not None:
            from . import _conditions

            wanted = settings.ready_when
            self._looking = self._loop.ask(
                lambda: _conditions.wait(wanted, self._base), self._answered
            )
        at_once = settings.ready_when is None and not settings.notify
        if at_once:
            self._mark_ready()
        self.write(phase=phase, program_pid=pid, ready=at_once)

    def _answered(self, answer: Answer) -> None:
        if answer.status == 0:
            self.became_ready()

    def became_ready(self) -> None:
        if self._serves and not self.ready:
            self._mark_ready()
            self.write(ready=True)

    def _mark_ready(self) -> None:
        self.ready = True
        path = self._settings.ready_file
        if path is not None:
            try:
                _markers.make_folders(_markers.parent(path))
                _markers.write(path, "ready\n")
            except OSError as failure:
                self._voice.warn(f"cannot write {path}: {reason(failure)}")

    def no_longer_ready(self) -> None:
        self._serves = self.ready = False
        self._loop.dismiss(self._looking)
        if self._settings.ready_file is not None:
            _markers.remove(self._settings.ready_file)
