"""How HTTP sees it: the middleware, its endpoints, and what becomes of streams and WebSockets."""

from lifecycle.asgi._middleware import LifecycleMiddleware
from lifecycle.asgi._server import SERVER_EXTENSION

__all__ = [
    "LifecycleMiddleware",
    "SERVER_EXTENSION",
]
