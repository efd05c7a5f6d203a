"""For development: uvicorn's own reloader, around the application in its middleware."""

import json
import os
from typing import Any, Final

import uvicorn

from lifecycle.runtime import EarlySignals
from lifecycle.server._load import load_application, with_middleware

TARGET: Final = "RELOADED_BY_LIFECYCLE"
"""The variable that tells a new process what to serve: the reloader passes on a name, and nothing beside it."""


def serve_and_reload(
    target: str, early: EarlySignals, *, factory: bool = False, **options: Any
) -> int:
    """Serve `target`, anew whenever a file changes, until a signal comes; `options` are `uvicorn.run`'s."""
    early.give_back()
    if early.noted_at is not None:
        return 0
    os.environ[TARGET] = json.dumps([target, factory])
    uvicorn.run(f"{__name__}:application", factory=True, reload=True, **options)
    return 0


def application() -> Any:
    """What a new process of the reloader serves."""
    target, factory = json.loads(os.environ[TARGET])
    return with_middleware(*load_application(target, factory=factory))
