"""Who listens: uvicorn for HTTP, the lifecycle for listening, signals and leaving."""

from lifecycle.server._adapters import ShutdownTrigger
from lifecycle.server._serve import run_application, serve, serve_async

__all__ = [
    "ShutdownTrigger",
    "run_application",
    "serve",
    "serve_async",
]
