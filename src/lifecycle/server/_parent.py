"""Several workers on one port: started, watched, replaced, and stopped together within one budget.

The parent binds, and serves nothing itself. Each worker is a process of its own that lives its own life; what makes
them one is here: ready when all are ready, one grace period for all, one report, one exit status.
"""

import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from signal import SIG_BLOCK, SIG_SETMASK, Signals, pthread_sigmask
from typing import Any, Final

import anyio
import anyio.abc

from lifecycle.core import ExitStatus, Report, Settings
from lifecycle.runtime import EarlySignals, SignalRelay, report_path, write_report
from lifecycle.server._child import WAITING_SIGNALS, Worker, describe, until_gone
from lifecycle.server._control import Channel
from lifecycle.server._silence import announce_silence

logger = logging.getLogger("lifecycle")

KILL_AFTER: Final = 0.3
"""Seconds after the deadline at which workers that are still there are killed: their own watchdogs, which say why, come
first, and the margin of the budget is a second at least."""
LAST_WORDS_PATIENCE: Final = 0.5
"""Seconds for the report of a worker that has ended to arrive; a child that it left behind may hold the line open."""
BACK_OFF: Final = (0.5, 30.0)
"""Seconds before a worker that has crashed is replaced: at first, doubled each time, and at most."""
STEADY_AFTER: Final = 60.0
"""Seconds of readiness after which a crash counts as the first one again."""
TRIES: Final = 5
"""Starts in a row that may fail before the parent gives up."""
READY_PATIENCE: Final = 120.0
"""Seconds for a replacement to become ready before a rolling restart is called off: the old ones go on."""


class Parent:
    """`count` workers that serve `target` on `sockets`. `options` are for the workers' servers."""

    def __init__(
        self,
        target: str,
        sockets: Sequence[socket.socket],
        count: int,
        settings: Settings,
        options: dict[str, Any],
        early: EarlySignals,
    ) -> None:
        self._early = early
        self._target = target
        self._sockets = sockets
        self._count = count
        self._settings = settings
        self._options = options
        self._workers: list[Worker] = []
        self._reports: list[dict[str, Any]] = []
        self._report = Report(granted=settings.grace_period)
        self._stopping = anyio.Event()
        self._stop_at: float | None = None
        self._interrupted = False
        self._ever_ready = False
        self._complete = False
        """All were ready at the same time: from then on each answers for itself, so that a crash of one does not take
        the others out of the service too."""
        self._failed_starts = 0
        """In a row."""
        self._crashes = 0
        """Of workers that had not been steady, since the last one that had."""
        self._routers_watched = False
        self._status = 0
        self._restarting = anyio.Lock()
        self._relay = SignalRelay([Signals.SIGHUP])
        self._group: anyio.abc.TaskGroup | None = None

    async def run(self) -> int:
        """Until all workers have gone; the exit status of all of them as one."""
        self._relay.install()
        try:
            async with anyio.create_task_group() as group:
                self._group = group
                group.start_soon(self._listen)
                if self._early.noted_at is not None:
                    self._stop("SIGTERM before the start", Signals.SIGTERM)
                await self._fill_up()
                await self._stopping.wait()
                await self._wait_for_all()
                group.cancel_scope.cancel()
        finally:
            self._relay.restore(deaf_to_sigterm=True)
            self._relay.close()
        return self._conclude()

    async def _start(self) -> Worker:
        ours, theirs = socket.socketpair()
        descriptors = [sock.fileno() for sock in self._sockets]
        order = {
            "target": self._target,
            "sockets": descriptors,
            "of": self._count,
            "serving": self._serving(),
            "options": self._options,
        }
        arguments = [str(theirs.fileno()), json.dumps(order)]
        before = pthread_sigmask(SIG_BLOCK, WAITING_SIGNALS)
        try:
            process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own interpreter; it starts in a millisecond
                [sys.executable, "-m", "lifecycle.server._worker", *arguments],
                pass_fds=[*descriptors, theirs.fileno()],
                # A Ctrl-C in the terminal is for the parent, which passes it on: twice would mean that it is urgent.
                process_group=0,
            )
        finally:
            pthread_sigmask(SIG_SETMASK, before)
        theirs.close()
        worker = Worker(process, Channel(ours))
        self._workers.append(worker)
        assert self._group is not None, "workers are started by `run`"  # noqa: S101 - a defect of ours
        self._group.start_soon(self._hear, worker)
        self._group.start_soon(self._watch, worker)
        if self._stopping.is_set():
            worker.stop(Signals.SIGTERM)
        logger.info("worker started", extra={"pid": worker.pid})
        return worker

    async def _hear(self, worker: Worker) -> None:
        with worker.hearing:
            async for message in worker.channel.messages():
                await self._take(worker, message)
        worker.silent.set()

    async def _take(self, worker: Worker, message: dict[str, Any]) -> None:
        worker.heard = True
        if "report" in message:
            worker.report = message["report"]
        if "stopped" in message:
            worker.stopped = message["stopped"]
            self._watch_routers()
        if "arrived" in message and worker.stopped is not None:
            worker.stopped["past"]["last"] = message["arrived"]
        if "worn_out" in message:
            assert self._group is not None, "workers are heard inside `run`"  # noqa: S101 - a defect of ours
            self._group.start_soon(self._relieve, worker)
        if "ready" in message:
            worker.ready = message["ready"]
            if worker.ready:
                worker.ready_at = time.monotonic()
                self._ever_ready, self._failed_starts = True, 0
                worker.became_ready.set()
            await self._tell_all()

    def _watch_routers(self) -> None:
        if not self._routers_watched:
            self._routers_watched = True
            assert self._group is not None, "workers are heard inside `run`"  # noqa: S101 - a defect of ours
            self._group.start_soon(announce_silence, self._workers)

    def _serving(self) -> int:
        return sum(worker.ready for worker in self._workers)

    async def _tell_all(self) -> None:
        serving = self._serving()
        self._complete = self._complete or serving >= self._count
        ready = self._count if self._complete else serving
        for worker in list(self._workers):
            await worker.channel.tell(ready_workers=ready, serving=serving)

    async def _watch(self, worker: Worker) -> None:
        await until_gone(worker.process)
        with anyio.move_on_after(LAST_WORDS_PATIENCE):
            await worker.silent.wait()
        worker.hearing.cancel()
        await worker.silent.wait()
        worker.gone.set()
        worker.became_ready.set()
        worker.ready = False
        worker.channel.close()
        self._workers.remove(worker)
        status = worker.process.returncode
        report = worker.report or {"exit_status": worker.status, "outcome": describe(status)}
        if self._stopping.is_set():
            self._reports.append({"pid": worker.pid, **report})
            return
        if worker.replaced:
            logger.info("worker replaced", extra={"pid": worker.pid, "exit_status": status})
            return
        await self._tell_all()
        logger.error("worker ended by itself", extra={"pid": worker.pid, "exit_status": status})
        await self._replace(worker, status)

    def _enough(self) -> bool:
        # One that is started beside the old ones, to take the place of one of them, is one more than that.
        return sum(not worker.replaced for worker in self._workers) >= self._count

    async def _replace(self, worker: Worker, status: int) -> None:
        if self._enough():
            return
        if worker.ready_at is None:
            self._failed_starts += 1
        elif time.monotonic() - worker.ready_at > STEADY_AFTER:
            self._crashes = 0
        if (worker.ready_at is None and not self._ever_ready) or self._failed_starts >= TRIES:
            self._status = int(ExitStatus.START_FAILED)
            self._stop(f"workers cannot start (exit status {status})", None)
            return
        first, most = BACK_OFF
        pause = min(most, first * 2**self._crashes)
        self._crashes += 1
        with anyio.move_on_after(pause):
            await self._stopping.wait()
        await self._fill_up()

    async def _fill_up(self) -> None:
        while not (self._stopping.is_set() or self._enough()):
            await self._start()

    async def _listen(self) -> None:
        while True:
            await anyio.wait_readable(self._relay.fileno())
            for which, _ in self._relay.take():
                if which is Signals.SIGHUP:
                    assert self._group is not None, "signals are heard inside `run`"  # noqa: S101 - a defect of ours
                    self._group.start_soon(self._restart_all)
                elif which is Signals.SIGQUIT or (which is Signals.SIGINT and self._interrupted):
                    self._stop(f"{which.name} forced the stop", which)
                    for worker in self._workers:
                        worker.send(Signals.SIGQUIT)
                else:
                    self._interrupted = self._interrupted or which is Signals.SIGINT
                    self._stop(which.name, which)

    def _stop(self, reason: str, which: Signals | None) -> None:
        if self._stop_at is not None:
            return
        self._stop_at = anyio.current_time()
        self._report.reason, self._report.source = reason, "call" if which is None else "signal"
        self._report.signal = None if which is None else which.name
        self._report.requested_at = time.time()
        for worker in self._workers:
            worker.stop(which)
        # The workers hold the port as long as one of them serves, and not a moment longer: a connection that nobody
        # will accept is better refused.
        for sock in self._sockets:
            sock.close()
        self._stopping.set()

    async def _wait_for_all(self) -> None:
        assert self._stop_at is not None, "waited for after the stop was asked for"  # noqa: S101 - a defect of ours
        until = self._stop_at + self._settings.budget.deadline + KILL_AFTER
        with anyio.CancelScope(deadline=until):
            while self._workers:
                await self._workers[0].gone.wait()
        for worker in list(self._workers):
            logger.error("worker killed: its grace period is over", extra={"pid": worker.pid})
            self._report.failures.append(f"worker {worker.pid} was killed at the deadline")
            worker.killed = True
            worker.send(Signals.SIGKILL)
        while self._workers:
            await self._workers[0].gone.wait()

    async def _restart_all(self) -> None:
        """SIGHUP: a new worker for each old one."""
        async with self._restarting:
            for old in list(self._workers):
                if not await self._renew(old):
                    return

    async def _relieve(self, worn_out: Worker) -> None:
        async with self._restarting:
            await self._renew(worn_out)

    async def _renew(self, old: Worker) -> bool:
        """A new worker, ready before the old one goes. False: there is none, and the old one goes on."""
        if self._stopping.is_set() or old.gone.is_set():
            return not self._stopping.is_set()
        new = await self._start()
        with anyio.move_on_after(READY_PATIENCE):
            await new.became_ready.wait()
        if new.ready:
            old.replaced = True
            await old.channel.tell(leave=True)
            await old.gone.wait()
        elif not self._stopping.is_set():
            logger.error(
                "rolling restart called off: the new worker does not become ready",
                extra={"pid": new.pid},
            )
            new.replaced = True
            new.send(Signals.SIGTERM)
        # Meanwhile another one may have crashed, and found that there were enough.
        await self._fill_up()
        return new.ready

    def _conclude(self) -> int:
        report, began = self._report, self._stop_at or 0.0
        statuses = [int(other.get("exit_status") or 0) for other in self._reports]
        report.exit_status = self._status or max(statuses, default=0)
        report.used = anyio.current_time() - began
        report.workers = self._reports
        report.finished = sum(int(other.get("finished", 0)) for other in self._reports)
        report.refused = sum(int(other.get("refused", 0)) for other in self._reports)
        report.late = max((float(other.get("late", 0)) for other in self._reports), default=0.0)
        error = write_report(report, report_path(self._settings.report_file))
        if error is not None:
            logger.warning("the report could not be written", exc_info=error)
        logger.info("all workers have gone", extra={"report": report.to_dict()})
        return report.exit_status
