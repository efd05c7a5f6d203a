"""Who listens: uvicorn for HTTP, the lifecycle for listening, signals and leaving."""

from lifecycle.server._adapters import ShutdownTrigger
from lifecycle.server._load import in_middleware, lifecycle_of, load_object
from lifecycle.server._serve import run_application, serve, serve_async

__all__ = [
    "ShutdownTrigger",
    "in_middleware",
    "lifecycle_of",
    "load_object",
    "run_application",
    "serve",
    "serve_async",
]
