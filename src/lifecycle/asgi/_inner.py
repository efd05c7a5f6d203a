"""The wrapped application's own lifespan, driven as if it were one more resource: started last, shut down first."""

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import anyio

from lifecycle.asgi._http import App, Message, Scope
from lifecycle.core import Hook, Kind, StartError, make_hook
from lifecycle.runtime import Engine, Lifecycle

logger = logging.getLogger("lifecycle")

INNER: Final = "lifespan of the application"


class InnerLifespan:
    """Speaks the server's side of the lifespan protocol to the application.

    See https://asgi.readthedocs.io/en/latest/specs/lifespan.html
    """

    def __init__(self, app: App, scope: Scope, life: Lifecycle) -> None:
        self._app = app
        self._scope = scope
        self._life = life
        self._asked_to_stop = anyio.Event()
        self._started = anyio.Event()
        self._stopped = anyio.Event()
        self._received = 0
        self._up = False
        self._failure: BaseException | None = None

    @property
    def _engine(self) -> Engine:
        engine = self._life._engine  # noqa: SLF001 - one library, two layers
        assert engine is not None, "the inner lifespan runs inside an engine"  # noqa: S101 - a defect of ours
        return engine

    def hook(self) -> Hook:
        """The hook that starts and shuts down the application."""
        return make_hook(Kind.RESOURCE, self._run, "the ASGI application", name=INNER)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as group:
            group.start_soon(self._call)
            await self._started.wait()
            if self._failure is None:
                yield
                self._asked_to_stop.set()
                await self._stopped.wait()
            group.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure

    async def _run(self) -> AbstractAsyncContextManager[None]:
        # A coroutine function, though it awaits nothing: any other would be called in a worker thread.
        self._scope["state"].update(self._life.state.items())
        return self._open()

    async def _call(self) -> None:
        scope = {**self._scope, "type": "lifespan"}
        try:
            await self._app(scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001 - any exception before the first answer means: no lifespan here
            self._ended(error)
        else:
            self._ended(None)

    def _ended(self, error: Exception | None) -> None:
        if self._up and not self._stopped.is_set() and error is not None:
            if self._asked_to_stop.is_set():
                self._failure = error
            else:
                self._engine.crash(
                    "the lifespan of the application ended while it was serving", error
                )
        elif not self._up and self._failure is None:
            logger.debug("the application has no lifespan of its own", exc_info=error)
        self._started.set()
        self._stopped.set()

    async def _receive(self) -> Message:
        self._received += 1
        if self._received == 1:
            return {"type": "lifespan.startup"}
        await self._asked_to_stop.wait()
        if self._received > 2:  # noqa: PLR2004 - after startup and shutdown there is nothing more to be told
            await anyio.sleep_forever()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self._up = True
            self._started.set()
        elif kind == "lifespan.startup.failed":
            self._failure = StartError(f"the application's own start failed: {_last_line(message)}")
            self._started.set()
        elif kind == "lifespan.shutdown.complete":
            self._stopped.set()
        elif kind == "lifespan.shutdown.failed":
            self._failure = RuntimeError(
                f"the application's own shutdown failed: {_last_line(message)}"
            )
            self._stopped.set()


def _last_line(message: Message) -> str:
    # Starlette sends the whole traceback; its last line is the error.
    lines = str(message.get("message", "")).strip().splitlines()
    return lines[-1] if lines else "it gave no reason"
