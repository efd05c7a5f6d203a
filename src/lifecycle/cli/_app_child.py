"""The process that imports somebody's application to look at its lifecycle, so that only this process can be harmed.

`python -m lifecycle.cli._app_child BEGUN RESULT APP_DIR FACTORY module:life` writes one JSON object to RESULT. It closes
the descriptor BEGUN when it begins to import the application; SIGABRT makes it say where it is, and end.
"""

import dataclasses
import faulthandler
import inspect
import json
import os
import resource
import sys
import traceback
from pathlib import Path
from typing import Any

from lifecycle.asgi import LifecycleMiddleware
from lifecycle.core import Endpoints, LifecycleError, SettingsError
from lifecycle.kube import describe
from lifecycle.runtime import Lifecycle
from lifecycle.server import in_middleware, lifecycle_of, load_object

ASGI_ARGUMENTS = 3
"""scope, receive, send."""


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("LIFECYCLE_")}


def facts_of(target: str, *, factory: bool) -> dict[str, Any]:
    """All that `AppFacts` wants to know, as JSON has it.

    Raises:
        SettingsError: There is no lifecycle at this name.
    """
    before = _variables()
    module, found = load_object(target)
    if factory:
        found = found()
    life, serves, endpoints = _life_of(target, found, module)
    after = _variables()
    # The token is a secret: that there is one is told with the arguments, or known from the pod's own environment.
    own = {name: value for name, value in after.items() if before.get(name) != value}
    own.pop("LIFECYCLE_SHUTDOWN_TOKEN", None)
    return {
        "arguments": describe(life.settings),
        "variables": own,
        "endpoints": dataclasses.asdict(endpoints),
        "serves": serves,
        "hooks": [
            {
                "kind": hook.kind.value,
                "name": hook.name,
                "where": hook.where,
                "timeout": hook.timeout,
            }
            for hook in life._hooks  # noqa: SLF001 - its own command line: there is no other reader
        ],
    }


def _life_of(target: str, found: Any, module: object) -> tuple[Lifecycle, bool, Endpoints]:
    if isinstance(found, Lifecycle):
        endpoints = _served(found)
        return found, endpoints is not None, endpoints or found.endpoints
    if not callable(found) or not _takes(found, ASGI_ARGUMENTS):
        if callable(found) and _takes(found, 0):
            raise SettingsError(
                f"{target} is a function that has to be called first: add --factory, or name what it returns"
            )
        raise SettingsError(
            f"{target} is {_kind(found)}, and neither a Lifecycle nor an ASGI application: name one of these"
        )
    life = lifecycle_of(found, module)
    # An application without the middleware gets it from `lifecycle serve`.
    return life, True, _served(life) or life.endpoints


def _served(life: Lifecycle) -> Endpoints | None:
    """The endpoints of the middleware that has this lifecycle, in whatever module; None where there is none."""
    for module in tuple(sys.modules.values()):
        for value in tuple(getattr(module, "__dict__", {}).values()):
            if type(value) is LifecycleMiddleware and value.lifecycle is life:
                return life.endpoints
            if "user_middleware" in getattr(value, "__dict__", ()) and in_middleware(value) is life:
                return _endpoints(value) or life.endpoints
    return None


def _endpoints(app: Any) -> Endpoints | None:
    """Those that a Starlette application is to have: it makes its middleware with the first request."""
    for middleware in app.user_middleware:
        if middleware.cls is LifecycleMiddleware:
            endpoints: Endpoints | None = middleware.kwargs.get("endpoints")
            return endpoints
    return None


def _takes(function: Any, count: int) -> bool:
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:
        return True  # It has no signature: no reason to doubt it.
    return True


def _kind(found: object) -> str:
    name = type(found).__name__
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def _told(target: str, error: BaseException) -> str:
    if isinstance(error, SettingsError) and not _in_their_code(error):
        return str(error)
    module = target.partition(":")[0]
    where = _in_their_code(error)
    place = f" ({where})" if where else ""
    if isinstance(error, SystemExit):
        return (
            f"{module} called sys.exit({error.code!r}) while it was imported{place}: what runs the program belongs under"
            ' if __name__ == "__main__"'
        )
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, LifecycleError):
        return f"{module} could not be imported{place}: {text}"
    return f"{module} could not be imported{place}: {text}. Try it: python -c 'import {module}'"


def _in_their_code(error: BaseException) -> str | None:
    """`file:line` of the innermost frame that is neither ours nor the import system's."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "importlib" not in frame.filename and not Path(frame.filename).is_relative_to(OURS)
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


OURS = Path(__file__).parents[1]


def main() -> None:
    """Look, write what was found, and go without a further word: what the import has started is nobody's business."""
    begun, result, app_dir, factory, target = sys.argv[1:]
    sys.path.insert(0, app_dir)
    sys.argv = [target.partition(":")[0]]  # Some programs parse it while they are imported.
    os.close(int(begun))
    try:
        answer = facts_of(target, factory=factory == "factory")
    except BaseException as error:  # noqa: BLE001 - whatever the application throws is told to the user, and not to Python
        answer = {"error": _told(target, error)}
    Path(result).write_text(json.dumps(answer), encoding="utf-8")
    os._exit(0)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    main()
