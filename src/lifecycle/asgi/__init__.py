"""How HTTP sees it: the middleware, its endpoints, and what becomes of streams and WebSockets."""

from lifecycle.asgi._http import App, Message, Receive, Scope, Send
from lifecycle.asgi._middleware import LifecycleMiddleware
from lifecycle.asgi._server import BEGUN, SERVER_EXTENSION, OurServer

__all__ = [
    "App",
    "BEGUN",
    "LifecycleMiddleware",
    "Message",
    "OurServer",
    "Receive",
    "SERVER_EXTENSION",
    "Scope",
    "Send",
]
