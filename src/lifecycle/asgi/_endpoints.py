"""The endpoints that the platform calls: probes, and the HTTP forms of the two hooks."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import anyio

from lifecycle.asgi._drop import drop_connection
from lifecycle.asgi._http import Receive, Scope, Send, respond
from lifecycle.asgi._peers import near_addresses
from lifecycle.asgi._workers import Workers
from lifecycle.core import Guard, Promises, StopSource
from lifecycle.runtime import Engine, Lifecycle

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("lifecycle")

ANSWER_SLACK: Final = 0.1
"""Seconds past the deadline after which `/shutdown` answers in any case, with what is known by then."""
REFUSALS_PER_LINE: Final = 1000
"""Refused calls of `/shutdown` for each line in the log after the first: strangers must not fill the disk either."""

Answer = Callable[[Scope, Receive, Send], Awaitable[None]]


class EndpointAnswers:
    """Answers on the lifecycle's own paths. They are neither refused nor counted as work in flight."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle
        paths = lifecycle.endpoints
        self._by_path: dict[str, Answer] = {
            path: answer
            for path, answer in (
                (paths.shutdown, self._shutdown),
                (paths.post_start, self._post_start),
                (paths.livez, self._probe(lambda promises: promises.live)),
                (paths.readyz, self._probe(lambda promises: promises.ready, others=True)),
                (paths.startupz, self._probe(lambda promises: promises.started)),
            )
            if path is not None
        }
        self.paths: frozenset[str] = frozenset(self._by_path)
        self._guard: Guard | None = None
        self._refusals = 0
        self.waiting_for: Callable[[], str | None] = lambda: None
        """What beside this process must be ready before it may say so; set by the lifespan."""
        self.workers: Workers | None = None
        """The server's other workers; set by the lifespan."""
        self._answering = 0
        self._answered = anyio.Event()

    @property
    def _engine(self) -> Engine | None:
        return self._lifecycle._engine  # noqa: SLF001 - one library, two layers

    async def __call__(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        await self._by_path[path](scope, receive, send)

    def _probe(self, promised: Callable[[Promises], bool], *, others: bool = False) -> Answer:
        async def probe(scope: Scope, _receive: Receive, send: Send) -> None:
            if scope["method"] not in ("GET", "HEAD"):
                await respond(
                    scope, send, 405, b"method not allowed\n", headers=((b"allow", b"GET, HEAD"),)
                )
                return
            engine = self._engine
            reason = "not started" if engine is None else engine.waiting_for
            good = engine is not None and promised(engine.promises)
            if good and others and (missing := self.waiting_for()) is not None:
                good, reason = False, missing
            closes = engine is None or engine.promises.closes
            await respond(scope, send, 200 if good else 503, f"{reason}\n".encode(), close=closes)

        return probe

    async def _post_start(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer when READY. The kubelet takes any status for success, so a failed start must not be answered at all."""
        if scope["method"] != "GET":
            await respond(scope, send, 405, b"method not allowed\n", headers=((b"allow", b"GET"),))
            return
        engine = self._engine
        if engine is not None:
            await engine.settled.wait()
        if engine is not None and engine.ready.is_set():
            await respond(scope, send, 200, b"ready\n", close=engine.promises.closes)
        else:
            await drop_connection(scope, send)

    async def _shutdown(self, scope: Scope, _receive: Receive, send: Send) -> None:
        engine = self._engine
        client = scope.get("client")
        verdict = self._judge().judge(client[0] if client else None, scope["headers"])
        if not verdict.allowed:
            self._log_refusal(verdict.reason)
            await respond(scope, send, 403, b"forbidden\n")
            return
        if scope["method"] not in ("GET", "POST"):
            await respond(
                scope, send, 405, b"method not allowed\n", headers=((b"allow", b"GET, POST"),)
            )
            return
        if engine is None:
            await respond(scope, send, 503, b"not started\n", close=True)
            return
        with self._waiting():
            engine.stop(f"{scope['method']} {scope['path']} (preStop)", StopSource.ENDPOINT)
            with anyio.move_on_after(engine.purse.remaining + ANSWER_SLACK):
                if self.workers is not None:
                    await self.workers.stop_all()
                await engine.over.wait()
            report = engine.record.report
            good = report.exit_status == 0 and all(
                other.get("exit_status") == 0 for other in report.workers
            )
            await respond(
                scope,
                send,
                200 if good else 500,
                report.to_json().encode() + b"\n",
                content_type=b"application/json",
                close=True,
            )

    async def wait_until_answered(self) -> None:
        """Return when no caller of `/shutdown` waits any more."""
        while self._answering:
            await self._answered.wait()

    @contextmanager
    def _waiting(self) -> "Iterator[None]":
        self._answering += 1
        try:
            yield
        finally:
            self._answering -= 1
            if not self._answering:
                answered, self._answered = self._answered, anyio.Event()
                answered.set()

    def _judge(self) -> Guard:
        if self._guard is None:
            settings = self._lifecycle.settings
            self._guard = Guard(
                token=settings.shutdown_token,
                allow=settings.allow,
                near=near_addresses(settings.host_ip),
            )
        return self._guard

    def _log_refusal(self, reason: str) -> None:
        self._refusals += 1
        if self._refusals % REFUSALS_PER_LINE == 1:
            logger.warning(
                "a call of the shutdown endpoint was refused",
                extra={"reason": reason, "refused_so_far": self._refusals},
            )
