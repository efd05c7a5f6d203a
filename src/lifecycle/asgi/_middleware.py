"""The middleware: everything that a web application needs of its lifecycle, in one line.

Pure ASGI. While the process is READY a request costs a look at its path, one small object and one set operation each
way; `send` is wrapped only from the lame duck on, and on routes that asked for `end`.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import anyio

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
from lifecycle.runtime import Engine, Lifecycle, Work

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
        self._defaults = {
            "http": as_end(http, "LifecycleMiddleware: http"),
            "websocket": as_end(websocket, "LifecycleMiddleware: websocket"),
        }
        self._routes = None if routes is None else RoutePolicies(routes)
        self._answers = EndpointAnswers(lifecycle)
        self._paths = self._answers.paths
        self._works = lifecycle._works  # noqa: SLF001 - one library: the register is what a request costs
        self._engine: Engine | None = None
        self._shared: dict[str, Any] = {}
        self._unstarted_was_told = False
        self._at_first_request: Callable[[], object] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # All in one frame: another one would cost as much as a few of these questions, and be passed at every wait.
        kind = scope["type"]
        if kind not in self._defaults:
            await (self._live if kind == "lifespan" else self.app)(scope, receive, send)
            return
        path = route_path(scope)
        if path in self._paths and kind == "http":
            await self._answers(path, scope, receive, send)
            return
        if self._at_first_request is not None:
            # Now the server runs its loop for good, and will not take its wake-up descriptor back any more.
            self._at_first_request()
            self._at_first_request = None
        engine = self._engine
        if engine is None or not (
            (promises := engine.record.promises).accepts or scope.get(BEGUN) in self._works.works
        ):
            await self._refuse(scope, receive, send, engine)
            return
        if "lifecycle" not in (scope.get("state") or ()):
            # The server does not carry the lifespan's state over to requests.
            scope["state"] = {**(scope.get("state") or {}), **self._shared}
        if promises.closes and kind == "http" and is_http1(scope):
            send = closing(send)
        default = self._defaults[kind]
        end = default if self._routes is None else self._routes.end(path, default)
        task = None
        work = Work(scope, engine.loop.now())
        self._works.works.add(work)
        try:
            if end is None and kind == "http" and engine.loop.is_asyncio:
                # A cancel scope for each request would cost more than the rest together; the task is there anyway. Asked
                # for by its loop: Python 3.11 makes a system call to find out which loop runs.
                task = asyncio.current_task(engine.loop.native)
                assert task is not None, "requests run in the loop that the lifespan ran in"  # noqa: S101 - true of every server on asyncio
                work.cancel = task.cancel
                await self.app(scope, receive, send)
            else:
                await self._serve(end, work, engine, scope, receive, send)
        except asyncio.CancelledError:
            if task is None or not work.cut:
                raise
            task.uncancel()
            await cut_short(scope, send)
        finally:
            self._works.end(work)

    async def _serve(
        self,
        end: End | None,
        work: Work,
        engine: Engine,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Run what its task alone cannot end: WebSockets, streams that are told to, and everything on trio."""
        if scope["type"] == "websocket":
            await Connection(end, receive, send).run(self.app, work, engine, scope)
        elif end is not None:
            await EndingStream(end, receive, send).run(self.app, work, engine, scope)
        else:
            with anyio.CancelScope() as cancel_scope:
                work.cancel = cancel_scope.cancel
                await self.app(scope, receive, send)
            if cancel_scope.cancelled_caught:
                await cut_short(scope, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        lifespan = Lifespan(self.app, self.lifecycle, self._answers, scope)
        try:
            async with lifespan.open() as host:
                self._engine, self._shared = host.engine, lifespan.state
                self._works = host.engine.works
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
