"""The server's lifespan and ours: when the server may listen, and how it is made to leave.

Waiting for the drain inside `lifespan.shutdown` would be too late: a server sends it when its port is closed already.
So the stop is taken from the signal itself, or from `/shutdown`, and the server learns of it when all is done.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio

from lifecycle.asgi._endpoints import EndpointAnswers
from lifecycle.asgi._http import App, Receive, Scope, Send
from lifecycle.asgi._inner import INNER, InnerLifespan
from lifecycle.asgi._server import SERVER_EXTENSION, OurServer, ServerLink, is_served
from lifecycle.asgi._workers import Workers
from lifecycle.core import StopSource
from lifecycle.runtime import Host, Lifecycle

logger = logging.getLogger("lifecycle")

ANSWER_PATIENCE: Final = 1.0
"""Seconds for answers of `/shutdown` that are ready to reach their callers, before the server is told to leave."""


class Lifespan:
    """One run of the middleware under a server. `state` is what requests shall see in `scope["state"]`."""

    def __init__(
        self, app: App, lifecycle: Lifecycle, answers: EndpointAnswers, scope: Scope
    ) -> None:
        self.state: dict[str, Any] = scope.setdefault("state", {})
        self.state["lifecycle"] = lifecycle
        self.failure: BaseException | None = None
        """Why the start failed, if the server has to be told so."""
        self._lifecycle = lifecycle
        self._answers = answers
        self._ours: OurServer | None = scope.get("extensions", {}).get(
            SERVER_EXTENSION, lifecycle.server
        )
        self._inner = InnerLifespan(app, scope, lifecycle)
        self.last_word: str | None = None
        """What the server still waits to hear. Said when all else is done, because hypercorn cancels who has said it."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Host]:
        """The running host; the signals are ours from here on."""
        owns_process = is_served() if self._ours is None else self._ours.owns_process
        host = Host(
            self._lifecycle, owns_process=owns_process, routed=True, inner=[self._inner.hook()]
        )
        async with host.open():
            yield host

    async def speak(self, host: Host, receive: Receive, send: Send) -> None:
        """The protocol, from `lifespan.startup` to the end."""
        engine = host.engine
        await receive()
        ours = self._ours
        link = ServerLink(host, ours)
        if ours is not None:
            self._answers.waiting_for = ours.waiting_for
            host.path = host.path if ours.writes_report else None
        if link.stopped_already():
            engine.stop("SIGTERM before the start", StopSource.SIGNAL)
        await _first(engine.start.listening, engine.settled)
        if engine.start.error is not None and not engine.start.listening.is_set():
            await engine.over.wait()
            self.failure = engine.start.error
            return
        self.state.update(
            {name: value for name, value in self._lifecycle.state.items().items() if name != INNER}
        )
        if not link.hears_signals:
            logger.warning(link.remark)
        if engine.request is not None:
            # Cut short: the server has to come up before it can leave in good order.
            await engine.over.wait()
        async with (
            anyio.create_task_group() as group,
            Workers(self._lifecycle, link.parent).open() as workers,
        ):
            self._answers.workers = workers
            group.start_soon(self._leave, host, link)
            await send({"type": "lifespan.startup.complete"})
            group.start_soon(host.interpose_again)
            await receive()
            engine.stop("lifespan.shutdown", StopSource.SERVER)
            await engine.over.wait()
            group.cancel_scope.cancel()
        link.leave_behind(engine.record.report.exit_status or 0)
        self.last_word = "lifespan.shutdown.complete"

    async def _leave(self, host: Host, link: ServerLink) -> None:
        await host.engine.over.wait()
        with anyio.move_on_after(ANSWER_PATIENCE):
            await self._answers.wait_until_answered()
        await link.leave()


async def _first(*events: anyio.Event) -> None:
    async with anyio.create_task_group() as group:

        async def one(event: anyio.Event) -> None:
            await event.wait()
            group.cancel_scope.cancel()

        for event in events:
            group.start_soon(one, event)
