"""The place of an application under our own server: what its middleware finds there, and who talks lifespan to it."""

import asyncio
import logging
from collections.abc import MutableMapping
from typing import Any

from lifecycle.asgi import SERVER_EXTENSION
from lifecycle.core import AlreadyStartedError, StopSource
from lifecycle.runtime import Lifecycle
from lifecycle.server._arrivals import Arrivals
from lifecycle.server._uvicorn import Server

logger = logging.getLogger("lifecycle")


class Seat:
    """What the middleware finds in its lifespan scope: the server that it runs under, and its place among others."""

    parent: int | None = None
    """The process that would replace this one if it ended by itself."""
    writes_report = True

    def __init__(self, *, owns_process: bool = True) -> None:
        self.owns_process = owns_process
        self.server: Server | None = None
        self.left = False
        self.replaced = False
        self._life: Lifecycle | None = None
        self._orphaned = False

    def waiting_for(self) -> str | None:
        """What else has to be ready before this process may say that it is; `None`: nothing."""
        return None

    def leave(self) -> None:
        """All is done: stop listening and return."""
        self.left = True
        if self.server is not None:
            self.server.leave()

    async def wait_for_silence(self, arrivals: Arrivals, within: float) -> None:
        """Return when the routers have provably let go, at a stop whose delay is `within`."""
        await arrivals.wait_for_silence(within)

    async def before_listening(self) -> bool:
        """Wait as long as others serve better than this process would. False: it has ended, and listens no more."""
        return True

    async def follow(self, life: Lifecycle) -> None:
        """Watch the lifecycle, which runs now."""
        self._life = life
        if self._orphaned:
            self.orphaned()

    def worn_out(self) -> None:
        """It has served as many requests as it may (`limit_max_requests`): stop as for any other reason."""
        self._stop("as many requests have come as limit_max_requests allows")

    async def leave_to_others(self) -> None:
        """Another process has taken over: accept nothing new, let every connection end, and go."""
        if self._life is None or self.server is None:
            return
        engine = self._life._engine  # noqa: SLF001 - a server of our own: it knows the engine
        if engine is None or engine.request is not None:
            return
        self.replaced = True
        await self.server.stop_listening()
        engine.purse.delay = min(
            self.server.config.timeout_keep_alive + 1.0, engine.purse.budget.drain / 2
        )
        engine.stop("replaced by a new worker", StopSource.CALL)

    def orphaned(self) -> None:
        """The parent has died: nobody else would ever ask this process to stop."""
        self._orphaned = True
        self._stop("the parent process has died")

    def _stop(self, reason: str) -> None:
        if self._life is not None and self._life._engine is not None:  # noqa: SLF001 - see above
            self._life._engine.stop(reason, StopSource.CALL)  # noqa: SLF001 - see above


class LifespanDriver:
    """The server's side of the lifespan protocol, beside a server that listens already."""

    def __init__(self, app: Any, seat: Seat) -> None:
        self._app = app
        self._seat = seat
        self.listening = asyncio.Event()
        """The application is there to refuse: requests may come in."""
        self.state: dict[str, Any] = {}
        """What the application has for its requests."""
        self._ended = asyncio.Event()
        self._received = 0
        self.mistake: AlreadyStartedError | None = None

    async def run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
            "extensions": {SERVER_EXTENSION: self._seat},
        }
        try:
            await self._app(scope, self._receive, self._send)
        except AlreadyStartedError as error:
            self.mistake = error
        except Exception:
            logger.debug("the lifespan ended with an error", exc_info=True)
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
            logger.error("the start failed: %s", message.get("message", ""))
