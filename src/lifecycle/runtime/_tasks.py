"""Background work that the lifecycle owns, from READY on. The main function of a program is one of them."""

import logging
from collections.abc import Callable
from typing import Protocol

from lifecycle.core import Hook
from lifecycle.runtime._attempt import Attempt
from lifecycle.runtime._record import Record

logger = logging.getLogger("lifecycle")


class Crash(Protocol):
    """How something essential is reported gone."""

    def __call__(self, what: str, error: BaseException | None) -> None: ...


class Tasks:
    """The tasks of one life, each an attempt at its hook. `leave` asks for the stop, with a reason and a status."""

    def __init__(self, record: Record, crash: Crash, leave: Callable[[str, int], None]) -> None:
        self.attempts: list[Attempt] = []
        self._record = record
        self._crash = crash
        self._leave = leave

    def add(self, hook: Hook) -> Attempt:
        """A task to be run."""
        attempt = Attempt(hook)
        self.attempts.append(attempt)
        return attempt

    async def run(self, attempt: Attempt, *, is_main: bool) -> None:
        """The task's whole life, and what follows from its end."""
        await attempt.run()
        hook, error = attempt.hook, attempt.error
        if isinstance(error, SystemExit):
            self._exit(hook, error.code)
        elif error is not None:
            self._record.note(attempt.record())
            if hook.essential:
                self._crash(f"{hook} crashed: {type(error).__name__}: {error}", error)
            else:
                logger.error("task crashed", extra={"task": str(hook)}, exc_info=error)
        elif is_main and not attempt.cancelled:
            self._leave(f"{hook.name} returned", 0)

    def _exit(self, hook: Hook, code: object) -> None:
        """`sys.exit` asks for the stop, with that status; a text is told, and stands for 1, as the interpreter has it."""
        status = 0 if code is None else 1
        if isinstance(code, int):
            status = code & 0xFF
        elif code is not None:
            logger.error("the program gives up: %s", code, extra={"hook": str(hook)})
        self._leave(f"{hook.name} called sys.exit({code!r})", status)
