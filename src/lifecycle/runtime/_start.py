"""The way up: startup hooks in order, the trigger beside them, then the post-start hooks; and what of it stands."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

import anyio
import anyio.lowlevel

from lifecycle.core import (
    ExitStatus,
    Hook,
    Kind,
    Settings,
    StartError,
    Trigger,
    in_order,
    side_by_side,
)
from lifecycle.runtime._attempt import Attempt, Resource
from lifecycle.runtime._purse import Purse
from lifecycle.runtime._record import Record
from lifecycle.runtime._state import State
from lifecycle.runtime._trigger import TriggerWatch

logger = logging.getLogger("lifecycle")

NOTICE_INTERVAL: Final = 10.0
"""Seconds between two warnings about a postStart trigger that has not come."""
SYNC_PATIENCE: Final = 5.0
"""Seconds that a startup hook in a thread gets to end when the start is cut short: it cannot be cancelled, and only
its end tells whether there is something to shut down."""


class Start:
    """One start. `started` and `resources` hold exactly what has to be shut down again."""

    def __init__(
        self,
        hooks: Sequence[Hook],
        settings: Settings,
        record: Record,
        purse: Purse,
        state: State,
        spawn: Callable[..., None],
        lost: Callable[[Resource], object],
    ) -> None:
        self.started: list[Hook] = []
        self.resources: dict[Hook, Resource] = {}
        self.listening = anyio.Event()
        """The startup hooks are done: a server may listen."""
        self.error: BaseException | None = None
        self.waiting_for = "startup hooks are running"
        self._hooks = hooks
        self._settings = settings
        self._record = record
        self._purse = purse
        self._state = state
        self._spawn = spawn
        self._lost = lost
        self._scope = anyio.CancelScope()
        self._watching = anyio.CancelScope()
        self._watch: TriggerWatch | None = None
        self._trigger: Trigger | None = None
        self._triggered = anyio.Event()

    def cut_short(self) -> None:
        """Leave off: the process is to stop before it is ready. May come before `run`."""
        self._scope.cancel()

    def reason(self, now: float) -> str:
        """What is being waited for, in one line."""
        if self.listening.is_set() and self._watch is not None and not self._triggered.is_set():
            return self._watch.reason(now)
        return self.waiting_for

    async def run(self) -> bool:
        """True: all has started. False: it was cut short, or `error` says what went wrong."""
        timeout = self._settings.startup_timeout
        try:
            with self._scope:
                with anyio.fail_after(timeout):
                    await self._climb()
                return True
        except TimeoutError:
            self.error = StartError(
                f"the start took longer than startup_timeout (LIFECYCLE_STARTUP_TIMEOUT) {timeout:g} s"
                f" ({self.waiting_for}): find out what is slow, or give it more"
            )
        except Exception as error:  # noqa: BLE001 - whatever it was, what has started must be shut down
            self.error = error
        finally:
            self._watching.cancel()
        return False

    async def _climb(self) -> None:
        await anyio.lowlevel.checkpoint()
        file = self._settings.post_start_file
        if file is not None:
            self._watch = TriggerWatch(
                file,
                timeout=self._settings.post_start_timeout,
                fresh=self._settings.post_start_fresh,
            )
            self._spawn(self._await_trigger, self._watch)
        for batch in side_by_side(
            in_order([h for h in self._hooks if h.kind in (Kind.STARTUP, Kind.RESOURCE)])
        ):
            await self._run_batch(batch)
        self.listening.set()
        after = in_order([hook for hook in self._hooks if hook.kind is Kind.POST_START])
        if self._watch is not None:
            self.waiting_for = f"waiting for {file}"
            await self._triggered.wait()
            for hook in after:
                await self._run(hook, self._trigger)
        elif after:
            logger.warning(
                "no post_start_file is set: post-start hooks are not run",
                extra={"hooks": [str(hook) for hook in after]},
            )
            self._record.not_run(after)
        await anyio.lowlevel.checkpoint()

    async def _await_trigger(self, watch: TriggerWatch) -> None:
        with self._watching:
            await self._await_trigger_and_say_so(watch)

    async def _await_trigger_and_say_so(self, watch: TriggerWatch) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self._notice, watch)
            try:
                self._trigger = await watch.wait()
            except Exception as error:  # noqa: BLE001 - it fails the start, whatever it is
                self.error = error
                self._scope.cancel()
            else:
                logger.info(
                    "postStart trigger received",
                    extra={
                        "path": str(self._trigger.path),
                        "trigger_message": self._trigger.message,
                    },
                )
                self._triggered.set()
            group.cancel_scope.cancel()

    async def _notice(self, watch: TriggerWatch) -> None:
        logger.info(
            "waiting for the postStart trigger", extra={"path": str(self._settings.post_start_file)}
        )
        while True:
            await anyio.sleep(NOTICE_INTERVAL)
            logger.warning("still not ready", extra={"reason": watch.reason(anyio.current_time())})

    async def _run_batch(self, batch: Sequence[Hook]) -> None:
        self.waiting_for = f"startup: {', '.join(hook.name for hook in batch)}"
        if len(batch) == 1:
            await self._run(batch[0])
            return
        failures: list[StartError] = []

        async def one(hook: Hook) -> None:
            try:
                await self._run(hook)
            except StartError as error:
                failures.append(error)
                group.cancel_scope.cancel()

        try:
            async with anyio.create_task_group() as group:
                for hook in batch:
                    group.start_soon(one, hook)
        finally:
            # Also when the start is being cut short: what failed before that has failed.
            if failures:
                raise failures[0]

    async def _run(self, hook: Hook, argument: object = None) -> None:
        if hook.kind is Kind.POST_START:
            self.waiting_for = f"post-start: {hook.name}"
        attempt = Resource(hook) if hook.kind is Kind.RESOURCE else Attempt(hook, argument)
        self._spawn(attempt.run)
        try:
            record = await (attempt.enter if isinstance(attempt, Resource) else attempt.settle)(
                hook.timeout
            )
        except anyio.get_cancelled_exc_class():
            await self._cut(attempt)
            raise
        self._record.note(record)
        if record.outcome != "ok" or (isinstance(attempt, Resource) and not attempt.there):
            error = attempt.error or RuntimeError("it ended before it was asked to")
            raise StartError(f"{hook} failed: {type(error).__name__}: {error}") from error
        self._stands(attempt)

    async def _cut(self, attempt: Attempt) -> None:
        """The start was cut short in the middle of a hook: what finishes all the same is shut down with the rest."""
        with anyio.CancelScope(shield=True):
            if attempt.in_thread:
                with self._purse.until(anyio.current_time() + SYNC_PATIENCE):
                    await (
                        attempt.entered if isinstance(attempt, Resource) else attempt.done
                    ).wait()
            if isinstance(attempt, Resource) and attempt.there:
                record, stands = attempt.record(), True
            else:
                record = await attempt.cut()
                stands = record.outcome == "ok" and not isinstance(attempt, Resource)
            if stands:
                self._stands(attempt)
            self._record.note(record)
            if record.outcome in ("failed", "stuck"):
                self._record.fail(ExitStatus.HOOK_FAILED, "hook failed", attempt.error)

    def _stands(self, attempt: Attempt) -> None:
        if attempt.hook.kind is not Kind.POST_START:
            self.started.append(attempt.hook)
        if isinstance(attempt, Resource):
            self.resources[attempt.hook] = attempt
            self._state.put(attempt.hook.name, attempt.value)
            self._spawn(self._watch_over, attempt)

    async def _watch_over(self, resource: Resource) -> None:
        await resource.done.wait()
        if not resource.leaving:
            self._lost(resource)
