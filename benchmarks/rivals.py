"""What is compared: an application alone, behind a middleware that does nothing, and behind ours.

`uvicorn benchmarks.rivals:bare` and so on are the same applications under a server.
"""

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lifecycle import Lifecycle, LifecycleMiddleware
from lifecycle.asgi._http import App, Receive, Scope, Send


async def fast(_request: Request) -> Response:
    return PlainTextResponse("done")


async def slow(_request: Request) -> Response:
    await anyio.sleep(0.5)
    return PlainTextResponse("done at last")


def service() -> App:
    """What people write: a framework, a route, a short text."""
    return Starlette(routes=[Route("/fast", fast), Route("/slow", slow)])


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """The least that an application can do: here a middleware weighs most."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class NoOp:
    """A middleware in pure ASGI that passes everything on: what any middleware costs."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


bare = service()
ours = LifecycleMiddleware(service(), Lifecycle())
