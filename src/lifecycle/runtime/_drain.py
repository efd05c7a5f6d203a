"""Finishing what is in flight: waited for within the budget, then cut off, named, and waited for a last time."""

import logging
from typing import Final

import anyio

from lifecycle.core import Abandoned, Event, ExitStatus
from lifecycle.runtime._attempt import Attempt
from lifecycle.runtime._in_flight import InFlight
from lifecycle.runtime._purse import Purse
from lifecycle.runtime._record import Record
from lifecycle.runtime._threads import any_busy, busy_threads

logger = logging.getLogger("lifecycle")

CUT_PATIENCE: Final = 1.0
"""Seconds for cancelled work to clean up before the shutdown hooks close what it uses; out of the hooks' reserve."""


class Drain:
    """The drain of one life. `tasks` are those that the lifecycle owns; they are begun when it is READY."""

    def __init__(self, works: InFlight, tasks: list[Attempt], record: Record, purse: Purse) -> None:
        self._tasks = tasks
        self._works = works
        self._record = record
        self._purse = purse

    async def run(self, drain_timeout: float | None) -> Event:
        """What became of it. Nothing new comes in any more."""
        for task in self._tasks:
            if not task.hook.finish:
                task.cancel()
        with self._purse.until(self._purse.drain_ends_at(drain_timeout)):
            await self._wait_for_work()
        left = self._abandon()
        if not left:
            return Event.DRAINED
        self._record.report.abandoned += left
        self._record.fail(
            ExitStatus.WORK_ABANDONED,
            "work was abandoned",
            abandoned=[work.name for work in left],
        )
        with anyio.move_on_after(CUT_PATIENCE):
            # Nothing may use a pool that is being closed.
            await self._wait_for_work()
            await _wait_for_threads()
        self._name_what_goes_on()
        return Event.DRAIN_TIMED_OUT

    async def _wait_for_work(self) -> None:
        await self._works.wait_until_idle()
        for task in self._tasks:
            await task.done.wait()
        await self._works.wait_until_idle()

    def _abandon(self) -> list[Abandoned]:
        left = self._works.abandon()
        for task in self._tasks:
            if not task.gone:
                left.append(Abandoned(f"task {task.hook.name}", task.seconds))
                task.cancel()
        return left

    def _name_what_goes_on(self) -> None:
        record, report = self._record, self._record.report
        for task in self._tasks:
            if not task.gone:
                record.note(task.record())
        for work in self._works.forget():
            record.stuck = True
            report.failures.append(f"{work.name} goes on although it was cut off")
        # Nothing can cancel a thread: say at least where it is.
        report.stacks = busy_threads()
        # The interpreter would wait for them at its end.
        record.stuck = record.stuck or bool(report.stacks)
        for name, stack in report.stacks.items():
            logger.error("a thread goes on although its work was cut off: %s\n%s", name, stack)


async def _wait_for_threads(*, poll_interval: float = 0.02) -> None:
    """Return when no pool's thread is at work: asyncio cancels who waits for a thread, and the thread goes on."""
    while any_busy():  # noqa: ASYNC110 - a thread that is through tells nobody
        await anyio.sleep(poll_interval)
