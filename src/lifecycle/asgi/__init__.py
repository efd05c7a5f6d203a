"""How HTTP sees it: the middleware, its endpoints, and what becomes of streams and WebSockets."""

from lifecycle.asgi._middleware import LifecycleMiddleware
from lifecycle.asgi._server import BEGUN, SERVER_EXTENSION

__all__ = [
    "BEGUN",
    "LifecycleMiddleware",
    "SERVER_EXTENSION",
]
