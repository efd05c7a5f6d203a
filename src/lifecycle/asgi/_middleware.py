"""The middleware: everything that a web application needs of its lifecycle, in one line.

Pure ASGI. While the process is READY a request costs a look at its path and an entry in a dictionary (on trio, which
has no other way to cut off a request, a cancel scope too); `send` is wrapped only from the lame duck on, and on routes
that asked for `end`.
"""

import logging
from asyncio import CancelledError, current_task
from collections.abc import Callable, Mapping
from typing import Any, Final

from lifecycle.asgi._endpoints import EndpointAnswers
from lifecycle.asgi._http import (
    App,
    Receive,
    Scope,
    Send,
    closing,
    cut_short,
    is_http1,
    refuse,
    route_path,
)
from lifecycle.asgi._lifespan import Lifespan
from lifecycle.asgi._policies import RoutePolicies
from lifecycle.asgi._server import BEGUN
from lifecycle.asgi._streams import EndingStream
from lifecycle.asgi._websockets import Connection
from lifecycle.core import (
    PROMISES,
    AlreadyStartedError,
    End,
    Endpoints,
    Phase,
    Policy,
    SettingsError,
    as_end,
)
from lifecycle.runtime import Engine, InFlight, Lifecycle

logger = logging.getLogger("lifecycle")

USUAL: Final = PROMISES[Phase.READY]

Seat = tuple[Engine, InFlight, dict[Any, tuple[Scope, float]], Any, Callable[[], float]]
"""Where requests are put down: looked up once, as each of them needs it. A plain tuple is what is read fastest."""


class LifecycleMiddleware:
    """Give an ASGI application a lifecycle: `app = LifecycleMiddleware(app, life)`.

    Also `app.add_middleware(LifecycleMiddleware, lifecycle=life)` in Starlette and FastAPI. `http` and `websocket` say
    what happens to requests that are still under way when the drain begins; `routes` says so for single paths
    (`fnmatch` patterns, the first that matches).

    Raises:
        SettingsError: A policy or an endpoint is malformed.
    """

    def __init__(
        self,
        app: App,
        lifecycle: Lifecycle,
        *,
        endpoints: Endpoints | None = None,
        http: Policy = "finish",
        websocket: Policy = "end",
        routes: Mapping[str, Policy] | None = None,
    ) -> None:
        if not callable(app):
            raise SettingsError(
                f"LifecycleMiddleware(app={app!r}): the first argument is the ASGI application"
            )
        if not isinstance(lifecycle, Lifecycle):
            raise SettingsError(
                f"LifecycleMiddleware(lifecycle={lifecycle!r}): give it the Lifecycle that the hooks are registered on"
            )
        self.app = app
        self.lifecycle = lifecycle
        if endpoints is not None:
            if not isinstance(endpoints, Endpoints):
                raise SettingsError(
                    f"LifecycleMiddleware: endpoints={endpoints!r}: write Endpoints(shutdown='/bye'), for example"
                )
            lifecycle.endpoints = endpoints
        self._http = as_end(http, "LifecycleMiddleware: http")
        self._websocket = as_end(websocket, "LifecycleMiddleware: websocket")
        self._routes = None if routes is None else RoutePolicies(routes)
        self._answers = EndpointAnswers(lifecycle)
        self._paths = self._answers.paths
        self._has_policies = self._http is not None or routes is not None
        self._engine: Engine | None = None
        self._seat: Seat | None = None
        self._shared: dict[str, Any] = {}
        self._unstarted_was_told = False
        self._at_first_request: Callable[[], object] | None = None

    async def __call__(  # noqa: C901, PLR0912 - all that each request goes through, in one frame: another would cost as much as these questions
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        seat = self._seat
        if (
            seat is None
            or scope["type"] != "http"
            or seat[0].record.promises is not USUAL
            or scope["path"] in self._paths
            or scope.get("root_path")
            or self._has_policies
        ):
            left = await self._look_closer(scope, receive, send)
            if left is None:
                return
            seat, send = left
        engine, works, requests, loop, now = seat
        try:
            scope["state"]["lifecycle"]
        except (KeyError, TypeError):
            self._share(scope)
        # What it can be cut off by. On asyncio its task is there anyway. Asked for by its loop: Python 3.11 makes a
        # system call to find out which loop runs.
        by: Any = engine.loop.cancel_scope() if loop is None else current_task(loop)
        if by is None or by in requests:
            # In the task of another request, which the application sends to itself: it ends with that one. Or in no task
            # at all, where nothing can end it.
            await self._serve(None, engine, scope, receive, send)
            return
        requests[by] = scope, now()
        try:
            if loop is not None:
                await self.app(scope, receive, send)
            else:
                with by:
                    await self.app(scope, receive, send)
                if by.cancelled_caught:
                    await cut_short(scope, send)
        except CancelledError:
            if by not in works.cut:
                raise
            by.uncancel()
            await cut_short(scope, send)
        finally:
            if requests.pop(by, None) is None:
                works.end_cut(by)
            else:
                works.finished += 1
            if works.waiter is not None:
                works.wake()

    async def _look_closer(
        self, scope: Scope, receive: Receive, send: Send
    ) -> tuple[Seat, Send] | None:
        """Serve what is no plain request; one that turns out to be plain is left to do, with what is its `send` then."""
        kind = scope["type"]
        if kind == "http":
            path, end = route_path(scope), self._http
            if path in self._paths:
                await self._answers(path, scope, receive, send)
                return None
        elif kind == "websocket":
            path, end = route_path(scope), self._websocket
        else:
            await (self._live if kind == "lifespan" else self.app)(scope, receive, send)
            return None
        if self._seat is None and self._engine is not None:
            self._sit_down(self._engine)
        seat = self._seat
        if seat is None or not (
            (promises := seat[0].promises).accepts or scope.get(BEGUN) in seat[1].works
        ):
            await self._refuse(scope, receive, send, self._engine)
            return None
        if promises.closes and kind == "http" and is_http1(scope):
            send = closing(send)
        if self._routes is not None:
            end = self._routes.end(path, end)
        if end is None and kind == "http":
            return seat, send
        self._share(scope)
        await self._serve(end, seat[0], scope, receive, send)
        return None

    def _sit_down(self, engine: Engine) -> None:
        if self._at_first_request is not None:
            # Now the server runs its loop for good, and will not take its wake-up descriptor back any more.
            self._at_first_request()
        works, loop = engine.works, engine.loop
        self._seat = (
            engine,
            works,
            works.requests,
            loop.native if loop.is_asyncio else None,
            loop.now,
        )

    def _share(self, scope: Scope) -> None:
        """Give requests what the lifespan has for them, if the server does not carry it over."""
        state = scope.get("state")
        if not state or "lifecycle" not in state:
            scope["state"] = {**(state or {}), **self._shared}

    async def _serve(
        self, end: End | None, engine: Engine, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Run what takes more than to be cut off: WebSockets, and streams that are told."""
        work = engine.works.begin(scope)
        try:
            if scope["type"] == "websocket":
                await Connection(end, receive, send).run(self.app, work, engine, scope)
            elif end is not None:
                await EndingStream(end, receive, send).run(self.app, work, engine, scope)
            else:
                await self.app(scope, receive, send)
        finally:
            engine.works.end(work)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        lifespan = Lifespan(self.app, self.lifecycle, self._answers, scope)
        try:
            async with lifespan.open() as host:
                self._engine, self._shared, self._seat = host.engine, lifespan.state, None
                self._at_first_request = host.relay.interpose
                await lifespan.speak(host, receive, send)
            if lifespan.last_word is not None:
                await send({"type": lifespan.last_word})
        except AlreadyStartedError as error:
            # Without the message it would look to the server like an application without a lifespan, which it serves.
            logger.critical(
                "the lifecycle cannot be started", extra={"reason": str(error)}, exc_info=error
            )
            await receive()
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        if lifespan.failure is not None:
            # uvicorn exits with 3 then, which is our own number for it. Outside all task groups: hypercorn's `send`
            # raises here, and would not know its own exception again in a group.
            await send({"type": "lifespan.startup.failed", "message": str(lifespan.failure)})
            # As Starlette does after its message: a test client, which serves on, learns of it by this alone.
            raise lifespan.failure

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, engine: Engine | None
    ) -> None:
        if engine is not None:
            engine.refuse()
            # Only the phase: the reason, with its paths and names, is for the probes.
            await refuse(scope, receive, send, f"the process is {engine.record.phase}")
            return
        if not self._unstarted_was_told:
            self._unstarted_was_told = True
            logger.error(
                "a request came, but the server has sent no lifespan.startup: run it with its lifespan on"
                " (uvicorn --lifespan on); in tests use the client as a context manager (with TestClient(app) as client)"
            )
        await refuse(
            scope, receive, send, "the application has not been started (no lifespan.startup)"
        )
