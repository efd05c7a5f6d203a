"""Serving an application: one process, one uvicorn, the lifecycle in charge."""

import asyncio
import logging
import math
import os
import socket
import sys
from collections.abc import MutableMapping
from typing import Any

import anyio
import uvicorn

from lifecycle.asgi import SERVER_EXTENSION, LifecycleMiddleware
from lifecycle.core import ExitStatus, Settings, SettingsError, StopSource, read_settings
from lifecycle.runtime import EarlySignals, Lifecycle
from lifecycle.server._arrivals import Arrivals
from lifecycle.server._load import load_application
from lifecycle.server._parent import Parent
from lifecycle.server._uvicorn import Server, missing

logger = logging.getLogger("lifecycle")


def with_middleware(app: Any, life: Lifecycle) -> Any:
    """`app`, with the middleware around it unless it has it already."""
    if isinstance(app, LifecycleMiddleware):
        return app
    for middleware in getattr(app, "user_middleware", ()):
        if getattr(middleware, "cls", None) is LifecycleMiddleware:
            return app
    return LifecycleMiddleware(app, life)


class Seat:
    """What the middleware finds in its lifespan scope: the server that it runs under, and its place among others."""

    parent: int | None = None
    """The process that would replace this one if it ended by itself."""
    writes_report = True

    def __init__(self) -> None:
        self.server: Server | None = None
        self.replaced = False
        self._life: Lifecycle | None = None

    def waiting_for(self) -> str | None:
        """What else has to be ready before this process may say that it is; `None`: nothing."""
        return None

    def leave(self) -> None:
        """All is done: stop listening and return."""
        if self.server is not None:
            self.server.leave()

    async def follow(self, life: Lifecycle) -> None:
        """Watch the lifecycle, which runs now."""
        self._life = life

    def leave_to_others(self) -> None:
        """Another process has taken over: accept nothing new, let every connection end, and go."""
        if self._life is None or self.server is None:
            return
        engine = self._life._engine  # noqa: SLF001
        if engine is None or engine.request is not None:
            return
        self.replaced = True
        self.server.stop_listening()
        engine.purse.delay = min(
            self.server.config.timeout_keep_alive + 1.0, engine.purse.budget.drain / 2
        )
        engine.stop("replaced by a new worker", StopSource.CALL)

    def orphaned(self) -> None:
        """The parent has died: nobody else would ever ask this process to stop."""
        if self._life is not None and self._life._engine is not None:  # noqa: SLF001
            self._life._engine.stop("the parent process has died", StopSource.CALL)  # noqa: SLF001


class LifespanDriver:
    """The server's side of the lifespan protocol, beside a server that listens already."""

    def __init__(self, app: Any, seat: Seat) -> None:
        self._app = app
        self._seat = seat
        self.listening = asyncio.Event()
        """The application is there to refuse: requests may come in."""
        self._ended = asyncio.Event()
        self._received = 0
        self.failed = ""

    async def run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": {},
            "extensions": {SERVER_EXTENSION: self._seat},
        }
        try:
            await self._app(scope, self._receive, self._send)
        finally:
            self.listening.set()
            self._seat.leave()

    def server_has_gone(self) -> None:
        self._ended.set()

    async def _receive(self) -> MutableMapping[str, Any]:
        self._received += 1
        if self._received == 1:
            self.listening.set()
            return {"type": "lifespan.startup"}
        await self._ended.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "lifespan.startup.failed":
            self.failed = message.get("message", "")
            logger.error("the start failed: %s", self.failed)


async def serve_async(
    life: Lifecycle,
    app: Any,
    *,
    sockets: list[socket.socket] | None = None,
    seat: Seat | None = None,
    **options: Any,
) -> int:
    """Serve `app` until the lifecycle is over; returns the exit status. `options` are `uvicorn.Config`'s.

    Raises:
        SettingsError: An option is not uvicorn's, or is ours to set.
    """
    seat = seat or Seat()
    app = with_middleware(app, life)
    counting = _Counting(app, life)
    config = make_config(counting, **options)
    names = missing()
    if names:
        logger.warning("this uvicorn lacks %s: serving without what needs them", ", ".join(names))
        return await _serve_plainly(life, config, sockets)
    config.load()
    sockets = sockets or [config.bind_socket()]
    for sock in sockets:
        sock.listen(config.backlog)
    driver = LifespanDriver(app, seat)
    lifespan = asyncio.create_task(driver.run())
    await driver.listening.wait()
    server = seat.server = Server(config, life.remaining)
    arrivals = Arrivals(asyncio.get_running_loop().time)
    counting.arrivals = arrivals
    config.http_protocol_class = _watched(config.http_protocol_class, server, arrivals)
    watches = [
        asyncio.create_task(_watch_routers(life, seat, arrivals)),
        asyncio.create_task(_close_idle(life, server)),
        asyncio.create_task(seat.follow(life)),
    ]
    if lifespan.done():
        server.leave()
    await server.serve(sockets=sockets)
    for watch in watches:
        watch.cancel()
    driver.server_has_gone()
    await lifespan
    return (
        life.report.exit_status if life.report.exit_status is not None else ExitStatus.START_FAILED
    )


def serve(
    life: Lifecycle, app: Any, *, workers: int = 1, app_dir: str | None = None, **options: Any
) -> int:
    """Serve `app` in one process, or in several; returns the exit status. See `Lifecycle.serve`."""
    if type(workers) is not int or workers < 1:
        raise SettingsError(f"serve(workers={workers!r}): a whole number, 1 or more")
    if workers > 1:
        if not isinstance(app, str):
            raise SettingsError(
                "serve(workers=…) starts new processes, which have to import the application: name it, like"
                " serve('main:app')"
            )
        return _serve_with_workers(app, workers, life.settings, app_dir, options)
    if isinstance(app, str):
        sys.path.insert(0, app_dir or "")
        app, _ = load_application(app, factory=options.pop("factory", False))
    with asyncio.Runner(loop_factory=make_config(app, **options).get_loop_factory()) as runner:
        return runner.run(serve_async(life, app, **options))


def run_application(
    target: str,
    early: EarlySignals,
    *,
    workers: int = 1,
    app_dir: str = "",
    reload: bool = False,
    factory: bool = False,
    **options: Any,
) -> int:
    """What `lifecycle serve` does: the application by name, and the lifecycle that it has."""
    if reload:
        # For development: uvicorn's own reloader, and the middleware's own way of leaving.
        uvicorn.run(target, reload=True, app_dir=app_dir, factory=factory, **options)
        return 0
    if workers > 1:
        return _serve_with_workers(
            target, workers, read_settings({}, os.environ), app_dir, {**options, "factory": factory}
        )
    sys.path.insert(0, app_dir)
    app, life = load_application(target, factory=factory)
    life.heed(early)
    return serve(life, app, **options)


def _serve_with_workers(
    target: str, workers: int, settings: Settings, app_dir: str | None, options: dict[str, Any]
) -> int:
    config = make_config(target, **options)
    sock = config.bind_socket()
    sock.listen(config.backlog)
    return anyio.run(Parent(target, [sock], workers, settings, {**options, "app_dir": app_dir}).run)


def make_config(app: Any, **options: Any) -> uvicorn.Config:
    for taken in ("lifespan", "timeout_graceful_shutdown"):
        if taken in options:
            raise SettingsError(
                f"serve({taken}=…) is the lifecycle's own to set: use its settings (drain_timeout, …)"
            )
    try:
        return uvicorn.Config(app, lifespan="off", **options)
    except TypeError as error:
        raise SettingsError(f"serve(): {error}: the options are those of uvicorn.Config") from None


async def _serve_plainly(
    life: Lifecycle, config: uvicorn.Config, sockets: list[socket.socket] | None
) -> int:
    config.lifespan = "on"
    await uvicorn.Server(config).serve(sockets=sockets)
    return life.report.exit_status or 0


class _Counting:
    """Tells the arrivals of every request for the application that is the first of its connection."""

    def __init__(self, app: Any, life: Lifecycle) -> None:
        self._app = app
        self._exempt = {
            getattr(life.endpoints, name)
            for name in ("shutdown", "post_start", "livez", "readyz", "startupz")
        }
        self.arrivals: Arrivals | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        arrivals = self.arrivals
        if arrivals is not None:
            peer = scope.get("client")
            if (peer is None or peer in arrivals.fresh) and scope["path"] not in self._exempt:
                arrivals.note(peer)
        await self._app(scope, receive, send)


def _watched(
    protocol: type[asyncio.Protocol], server: Server, arrivals: Arrivals
) -> type[asyncio.Protocol]:
    class Watched(protocol):  # type: ignore[valid-type, misc]
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            arrivals.opened(self.client)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            arrivals.closed(self.client)
            server.connection_ended.set()

    return Watched


async def _watch_routers(life: Lifecycle, seat: Seat, arrivals: Arrivals) -> None:
    """End the lame duck as soon as the routers have provably let go."""
    await life.stop_requested.wait()
    engine = life._engine  # noqa: SLF001
    assert engine is not None, "a stop is requested of a running engine"  # noqa: S101
    loop = asyncio.get_running_loop()
    if seat.replaced:
        while seat.server is not None and seat.server.server_state.connections:
            seat.server.connection_ended.clear()
            await seat.server.connection_ended.wait()
        engine.routes_withdrawn.set()
        return
    stopped_at = loop.time()
    needed = arrivals.silence_needed(stopped_at)
    logger.debug("silence needed", extra={"seconds": needed})
    while math.isfinite(needed):
        moment = arrivals.silent_at(stopped_at, needed)
        if loop.time() >= moment:
            engine.routes_withdrawn.set()
            return
        await asyncio.sleep(moment - loop.time())


async def _close_idle(life: Lifecycle, server: Server) -> None:
    """From the drain on a kept connection has no use: close it, rather than refuse its next request."""
    await life.stop_requested.wait()
    engine = life._engine  # noqa: SLF001
    assert engine is not None, "a stop is requested of a running engine"  # noqa: S101
    await engine.draining.wait()
    for connection in list(server.server_state.connections):
        connection.shutdown()
