"""What happened so far: the phase, its history, and the report that grows out of them."""

import logging
from collections.abc import Iterable
from typing import Final

import anyio

from lifecycle.core import (
    PROMISES,
    TABLE,
    Event,
    ExitStatus,
    Hook,
    HookRecord,
    Phase,
    PhaseChange,
    PhaseRecord,
    Report,
    StopRequest,
    move,
)
from lifecycle.runtime._loop import Loop

logger = logging.getLogger("lifecycle")

WORST_FIRST: Final = (
    ExitStatus.FORCED,
    ExitStatus.START_FAILED,
    ExitStatus.TASK_CRASHED,
    ExitStatus.WORK_ABANDONED,
    ExitStatus.HOOK_FAILED,
)
"""Where several things went wrong, the first of these is the exit status."""


class Record:
    """The state machine at work. Moves are made here, and only here."""

    def __init__(self, loop: Loop, granted: float) -> None:
        self.phase = Phase.STARTING
        self.promises = PROMISES[self.phase]
        self.report = Report(granted=granted)
        self.report.phases.append(PhaseRecord(self.phase.value, 0.0))
        self.history: list[PhaseChange] = []
        self.changed = anyio.Event()
        self.errors: list[BaseException] = []
        self.statuses: set[ExitStatus] = set()
        self.stuck = False
        """Something ignored its cancellation: leaving the event loop would wait for it for ever."""
        self._loop = loop
        self._began = loop.now()

    def move(self, event: Event) -> None:
        before, after = self.phase, move(self.phase, event)
        if before is after:
            return
        now = self._loop.now() - self._began
        self.phase, self.promises = after, PROMISES[after]
        self.report.phases[-1].ended = now
        self.report.phases.append(
            PhaseRecord(after.value, now, now if self.promises.over else None)
        )
        self.history.append(PhaseChange(before, after, event, now))
        changed, self.changed = self.changed, anyio.Event()
        changed.set()
        logger.info(
            "phase changed",
            extra={"before": before.value, "after": after.value, "cause": event.value},
        )

    def requested(self, request: StopRequest) -> None:
        report = self.report
        report.reason, report.source, report.requested_at = (
            request.reason,
            request.source.value,
            request.requested_at,
        )
        report.signal = None if request.signal is None else request.signal.name

    def fail(
        self, status: ExitStatus, what: str, error: BaseException | None = None, **fields: object
    ) -> None:
        """Something went wrong: it goes into the exit status, the report and the log. `what` is constant."""
        self.statuses.add(status)
        if error is not None and not any(error is known for known in self.errors):
            self.errors.append(error)
        logger.error(what, extra={"status": status.name, **fields}, exc_info=error)

    def note(self, record: HookRecord) -> None:
        self.stuck = self.stuck or record.outcome == "stuck"
        self.report.hooks.append(record)

    def not_run(self, hooks: Iterable[Hook]) -> None:
        self.report.hooks += [HookRecord(h.kind.value, h.name, h.where, "not run") for h in hooks]

    def close(self, *, exit_code: int, used: float, finished: int, refused: int) -> None:
        """Judge, and make the last move."""
        status = next((known for known in WORST_FIRST if known in self.statuses), None)
        report = self.report
        report.exit_status = exit_code if status is None else int(status)
        report.used, report.finished, report.refused = used, finished, refused
        report.failures += [f"{type(error).__name__}: {error}" for error in self.errors]
        if report.late:
            logger.warning(
                "requests came too late and were refused: the delay is too short by %.1f s",
                report.late,
            )
        clean = report.exit_status == 0
        last = Event.SHUT_DOWN if clean else Event.SHUT_DOWN_UNCLEAN
        self.move(Event.ROLLED_BACK if Event.ROLLED_BACK in TABLE[self.phase] else last)
        logger.log(
            logging.INFO if clean else logging.ERROR,
            "lifecycle is over",
            extra={"report": report.to_dict()},
        )

    @property
    def failure(self) -> BaseExceptionGroup[BaseException] | None:
        """All that went wrong, as one; `None` if nothing did."""
        if not self.errors:
            return None
        return BaseExceptionGroup("the life of this process went wrong", self.errors)
