"""A web application that is served inside a test, without a socket; the platform's part is played, the server's too."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import anyio.abc
import anyio.lowlevel

from lifecycle.asgi import SERVER_EXTENSION, App, Message, Scope
from lifecycle.core import TOKEN_HEADER, NotRunningError, StopSource
from lifecycle.runtime import Lifecycle
from lifecycle.testing._exchange import Answer, Exchange, Headers, Socket, make_scope
from lifecycle.testing._running import Running, as_in_a_pod, engine_of, renew

KUBELET: Final = (("User-Agent", "kube-lifecycle/1.36"), ("Accept", "*/*"))
"""What the kubelet sends with an `httpGet` hook."""


class Serving(Running):
    """An application that is being served. `serving` makes one. Its requests need no socket, and take no real time."""

    parent: int | None = None
    owns_process = False

    def __init__(self, app: App, life: Lifecycle, group: anyio.abc.TaskGroup) -> None:
        super().__init__(life)
        self.app = app
        self.writes_report = life.settings.report_file is not None
        self._group = group
        self._state: dict[str, Any] = {}
        self._received = 0
        self._leaving = anyio.Event()
        self._gone = anyio.Event()
        self._begun = anyio.Event()

    # Clients.

    async def get(self, path: str, *, headers: Headers = (), **scope: Any) -> Answer:
        """The whole answer to a GET."""
        return await self.request("GET", path, headers=headers, **scope)

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Headers = (),
        body: bytes | None = b"",
        **scope: Any,
    ) -> Answer:
        """The whole answer to a request."""
        return await self.begin(path, method=method, headers=headers, body=body, **scope).answer()

    def begin(
        self, path: str, *, method: str = "GET", body: bytes | None = b"", **scope: Any
    ) -> Exchange:
        """A request that is under way: look at what it has got so far, hang up, or await its `answer()`."""
        exchange = Exchange(
            make_scope("http", path, state=self._state, method=method, **scope), body
        )
        self._group.start_soon(exchange.run, self.app)
        return exchange

    def connect(self, path: str, **scope: Any) -> Socket:
        """A WebSocket."""
        socket = Socket(make_scope("websocket", path, state=self._state, **scope))
        self._group.start_soon(socket.run, self.app)
        return socket

    # What the platform does.

    async def pre_stop(self) -> Answer:
        """The preStop `httpGet` hook: `/shutdown`, as the kubelet calls it. Answers when all is done.

        Raises:
            NotRunningError: The endpoint is switched off.
        """
        path = self.life.endpoints.shutdown
        if path is None:
            raise NotRunningError(
                "pre_stop(): this application's Endpoints(shutdown=None) has it switched off"
            )
        token = self.life.settings.shutdown_token
        headers = [*KUBELET, *([(TOKEN_HEADER.decode(), token)] if token else [])]
        return await self.get(path, headers=headers)

    def _pre_stop(self) -> Callable[[], Awaitable[object]] | None:
        return None if self.life.endpoints.shutdown is None else self.pre_stop

    # What the server does.

    def waiting_for(self) -> str | None:
        return None

    def leave(self) -> None:
        """All is done: the port is closed, and the lifespan ends."""
        self._leaving.set()

    async def live(self) -> None:
        scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self._state,
            "extensions": {SERVER_EXTENSION: self},
        }
        try:
            await self.app(scope, self._receive, self._send)
        except Exception:
            # After its message an application may raise, too; before, it is for the test to see.
            if not self._begun.is_set():
                raise
        finally:
            self._begun.set()
            self._gone.set()

    async def _receive(self) -> Message:
        self._received += 1
        if self._received == 1:
            return {"type": "lifespan.startup"}
        await self._leaving.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, _message: Message) -> None:
        await anyio.lowlevel.checkpoint()
        self._begun.set()

    async def begun(self) -> None:
        """Until the application runs its life, or has failed to."""
        while engine_of(self.life) is None and not self._begun.is_set():
            await anyio.lowlevel.checkpoint()
        if engine_of(self.life) is None:
            raise NotRunningError(
                "serving(app, life): the application did not start this life: put"
                " LifecycleMiddleware(app, life) around the application, with the same life"
            )

    async def end(self) -> None:
        self.leave()
        await self._gone.wait()

    def cut_off(self) -> None:
        """The test failed: nobody waits for a drain."""
        engine = engine_of(self.life)
        if engine is not None:
            engine.force("the test failed", StopSource.CALL)
        self.leave()


@asynccontextmanager
async def serving(
    app: App, life: Lifecycle, *, wait: bool = True, in_kubernetes: bool = True
) -> AsyncIterator[Serving]:
    """`app` under a server without sockets that knows the lifecycle, as `life.serve(app)` would serve it.

    The block begins when the life is READY; with `wait=False`, or where a trigger file is awaited, as soon as it has
    started. Leaving the block stops what still runs. `in_kubernetes` says whether there is a lame duck, for routers to
    forget the address: not the environment of the test run. A life that is over already is reset.

    Raises:
        NotRunningError: The application has no middleware of this life.
        AssertionError: It did not become ready.
    """
    renew(life)
    failure: Exception | None = None
    play: Serving | None = None
    with as_in_a_pod(life, in_kubernetes=in_kubernetes):
        try:
            async with anyio.create_task_group() as group:
                play = Serving(app, life, group)
                group.start_soon(play.live)
                try:
                    await play.begun()
                    if wait and life.settings.post_start_file is None:
                        await play.ready()
                    yield play
                    await play.end()
                except Exception as error:  # noqa: BLE001 - raised again below, where no task group wraps it
                    failure = error
                    play.cut_off()
                    await play.end()
                group.cancel_scope.cancel()
        finally:
            if play is not None:
                play.forget_trigger()
    if failure is not None:
        raise failure
