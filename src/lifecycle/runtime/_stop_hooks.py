"""The way down: pre-stop and shutdown hooks, one after another, each within its turn, none at another's cost."""

import math
from collections.abc import Callable, Sequence

from lifecycle.core import ExitStatus, HookRecord, Turns
from lifecycle.runtime._attempt import PATIENCE, Attempt, Resource
from lifecycle.runtime._loop import Loop
from lifecycle.runtime._purse import Purse
from lifecycle.runtime._record import Record


class StopHooks:
    """Runs hooks to their ends; what goes wrong with one is put on record, and the next one is run."""

    def __init__(
        self, record: Record, purse: Purse, loop: Loop, spawn: Callable[..., None]
    ) -> None:
        self._record = record
        self._purse = purse
        self._loop = loop
        self._spawn = spawn

    async def run(self, attempts: Sequence[Attempt], ends_at: Callable[[], float]) -> None:
        """Run them in this order; `ends_at` is asked for the moment by which all must be through."""
        turns = Turns.of(ends_at() - self._loop.now(), len(attempts))
        for index, attempt in enumerate(attempts):
            await self._run(attempt, ends_at, turns, len(attempts) - index)

    async def _run(
        self, attempt: Attempt, ends_at: Callable[[], float], turns: Turns, waiting: int
    ) -> None:
        if isinstance(attempt, Resource):
            attempt.leave()
        else:
            self._spawn(attempt.run)
        record = None
        if not self._purse.forced.is_set():
            with self._purse.until(math.inf):
                record = await self._settle(
                    attempt, turns.share(ends_at() - self._loop.now(), waiting)
                )
        if record is None:
            # Forced, now or before: what is left is less.
            record = await self._settle(attempt, turns.share(ends_at() - self._loop.now(), waiting))
        self._record.note(record)
        if record.outcome != "ok":
            if attempt.error is not None:
                attempt.error.add_note(
                    f"{attempt.hook} {record.outcome} after {record.seconds:.2f} s"
                )
            self._record.fail(
                ExitStatus.HOOK_FAILED,
                "hook failed",
                attempt.error,
                hook=str(attempt.hook),
                outcome=record.outcome,
                seconds=round(record.seconds, 3),
            )

    async def _settle(self, attempt: Attempt, allowance: float) -> HookRecord:
        # Cleaning up after the cancellation is paid out of the hook's own share, else it would cost the next one its turn.
        patience = min(PATIENCE, allowance / 4)
        allowance -= patience
        if allowance <= 0 and self._purse.forced.is_set():
            return await attempt.cut()
        if attempt.hook.timeout is not None:
            allowance = min(allowance, attempt.hook.timeout)
        return await attempt.settle(allowance, patience)
