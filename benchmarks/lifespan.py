"""A server's part without a server: the lifespan, and one request after the other in the same task."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from lifecycle.asgi._http import App, Message, Scope


class Served:
    """An application that is up; `stop` begins its end and does not wait for it."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self._told = anyio.Event()

    def stop(self) -> None:
        self._told.set()

    def scope(self, path: str, *, root_path: str = "") -> Scope:
        """The scope of a request, as uvicorn makes it."""
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": root_path + path,
            "raw_path": (root_path + path).encode(),
            "query_string": b"",
            "root_path": root_path,
            "headers": [(b"host", b"127.0.0.1:8000"), (b"accept", b"*/*")],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
            "state": self.state.copy(),
        }

    async def live(self, app: App, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        messages = iter(("lifespan.startup", "lifespan.shutdown"))

        async def receive() -> Message:
            message = next(messages)
            if message == "lifespan.shutdown":
                await self._told.wait()
            return {"type": message}

        async def send(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                task_status.started()
            elif message["type"] != "lifespan.shutdown.complete":
                raise RuntimeError(f"{message['type']}: {message.get('message')}")

        await app(
            {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self.state}, receive, send
        )


@asynccontextmanager
async def served(app: App) -> AsyncIterator[Served]:
    """The application between its start and its end."""
    server = Served()
    async with anyio.create_task_group() as group:
        await group.start(_live, server, app)
        yield server
        server.stop()


async def _live(server: Served, app: App, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    await server.live(app, task_status=task_status)


async def receive() -> Message:
    """A request without a body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_message: Message) -> None:
    """An answer that nobody reads."""
