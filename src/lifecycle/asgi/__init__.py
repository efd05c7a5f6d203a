"""How HTTP sees it: the middleware, its endpoints, and what becomes of streams and WebSockets."""

from lifecycle.asgi._middleware import LifecycleMiddleware

__all__ = [
    "LifecycleMiddleware",
]
