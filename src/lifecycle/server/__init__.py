"""Who listens: uvicorn for HTTP, the lifecycle for listening, signals and leaving."""

from lifecycle.server._serve import serve, serve_async

__all__ = [
    "serve",
    "serve_async",
]
