"""The middleware: everything that a web application needs of its lifecycle, in one line.

Pure ASGI. While the process is READY a request costs a look at its path and an entry in a dictionary (on trio, which
has no other way to cut off a request, a cancel scope too); `send` is wrapped only from the lame duck on, and on routes
that asked for `end`.
"""

import logging
from asyncio import CancelledError, current_task
from collections.abc import Callable, Mapping
from typing import Any

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
from lifecycle.core import AlreadyStartedError, End, Endpoints, Policy, SettingsError, as_end
from lifecycle.runtime import Engine, Lifecycle

logger = logging.getLogger("lifecycle")


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
        self._engine: Engine | None = None
        self._shared: dict[str, Any] = {}
        self._unstarted_was_told = False
        self._at_first_request: Callable[[], object] | None = None

    async def __call__(  # noqa: C901, PLR0912 - all in one frame: another one would cost as much as a few of these questions, and be passed at every wait
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        kind = scope["type"]
        if kind == "http":
            path = route_path(scope) if scope.get("root_path") else scope["path"]
            if path in self._paths:
                await self._answers(path, scope, receive, send)
                return
            end = self._http
        elif kind == "websocket":
            path, end = route_path(scope), self._websocket
        else:
            await (self._live if kind == "lifespan" else self.app)(scope, receive, send)
            return
        if self._at_first_request is not None:
            # Now the server runs its loop for good, and will not take its wake-up descriptor back any more.
            self._at_first_request()
            self._at_first_request = None
        engine = self._engine
        if engine is None or not (
            (promises := engine.record.promises).accepts or scope.get(BEGUN) in engine.works.works
        ):
            await self._refuse(scope, receive, send, engine)
            return
        state = scope.get("state")
        if not state or "lifecycle" not in state:
            # The server does not carry the lifespan's state over to requests.
            scope["state"] = {**(state or {}), **self._shared}
        if promises.closes and kind == "http" and is_http1(scope):
            send = closing(send)
        if self._routes is not None:
            end = self._routes.end(path, end)
        works, loop = engine.works, engine.loop
        requests = works.requests
        # What it can be cut off by. On asyncio its task is there anyway. Asked for by its loop: Python 3.11 makes a
        # system call to find out which loop runs.
        by: Any = current_task(loop.native) if loop.is_asyncio else loop.cancel_scope()
        if end is not None or kind != "http" or by is None or by in requests:
            await self._serve(end, engine, scope, receive, send)
            return
        requests[by] = scope, loop.now()
        try:
            if loop.is_asyncio:
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
                # In the task of another request, which the application sends to itself: it ends with that one. Or in
                # no task at all, where nothing can end it.
                await self.app(scope, receive, send)
        finally:
            engine.works.end(work)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        lifespan = Lifespan(self.app, self.lifecycle, self._answers, scope)
        try:
            async with lifespan.open() as host:
                self._engine, self._shared = host.engine, lifespan.state
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
