"""Running an application that may have to be told, in the middle, that its client is not worth waiting for."""

import random
from typing import Final, cast

import anyio

from lifecycle.asgi._http import App, Message, Receive, Scope
from lifecycle.runtime import Engine, Work

LAST_WORDS: Final = 0.5
"""Seconds for the end of a message after the budget is used up: less than what cancelled work gets to clean up."""


CLOSES_PER_SECOND: Final = 2000.0
"""Clients come back as fast as they are sent away, to the replicas that stay: not all at once, then. A few hundred are
gone before anybody notices; 10,000 take five seconds."""
MOST_OF_DRAIN: Final = 1 / 3
"""The part of the drain over which closes are spread at most: the rest is for what they still have to do."""


class Interruptible:
    """One call of the application, whose `receive` we can answer ourselves."""

    def __init__(self, receive: Receive) -> None:
        self.interrupted = False
        self.told = False
        """The application has heard of it: what it does from here on is its cleaning up, and within the budget."""
        self.cancelled = False
        self.request: Scope = {}
        self._receive = receive
        self._waiting: anyio.CancelScope | None = None
        self._scope = anyio.CancelScope()

    async def when_draining(self) -> None:
        """What to do once the drain has begun; cancelled when the application is through."""

    def interruption(self) -> Message:
        """What the application receives then."""
        raise AssertionError("a subclass says it")  # pragma: no cover - every subclass does

    async def send(self, message: Message) -> None:
        """Pass a message on, and take notice of it."""

    async def finish(self) -> None:
        """Say what the application has left unsaid."""

    async def run(self, app: App, work: Work, engine: Engine, scope: Scope) -> None:
        """Call `app` to its end, or to ours."""
        failure: BaseException | None = None
        self.request = scope
        work.cancel = self.cancel
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch, engine)
            with self._scope:
                try:
                    await app(scope, self.receive, self.send)
                except Exception as error:  # noqa: BLE001 - raised again below, outside the task group that would wrap it
                    failure = error
            group.cancel_scope.cancel()
        self.cancelled = self._scope.cancelled_caught
        if failure is not None and not (self.interrupted and is_departure(failure)):
            raise failure
        # A client that does not read must not hold the last words for longer than the budget, or, beyond it, for long.
        with anyio.move_on_after(LAST_WORDS if work.cut else None) as self._scope:
            await self.finish()

    async def receive(self) -> Message:
        if not self.interrupted:
            waiting = self._waiting = anyio.CancelScope()
            try:
                with waiting:
                    return await self._receive()
            finally:
                self._waiting = None
        self.told = True
        return self.interruption()

    def interrupt(self) -> None:
        """Let the application receive the interruption, now if it is waiting."""
        self.interrupted = True
        if self._waiting is not None:
            self._waiting.cancel()

    def cancel(self) -> None:
        self._scope.cancel()

    async def _watch(self, engine: Engine) -> None:
        await engine.draining.wait()
        window = min(
            len(engine.works) / CLOSES_PER_SECOND, engine.purse.budget.drain * MOST_OF_DRAIN
        )
        await anyio.sleep(random.uniform(0, window))  # noqa: S311 - jitter, not a secret
        await self.when_draining()


def is_departure(failure: object) -> bool:
    """Whether an application that was told that its client has gone says only that it heard."""
    if isinstance(failure, BaseExceptionGroup):
        return all(
            is_departure(part)
            for part in cast("BaseExceptionGroup[BaseException]", failure).exceptions
        )
    return isinstance(failure, OSError) or type(failure).__name__ in (
        "ClientDisconnect",
        "WebSocketDisconnect",
    )
