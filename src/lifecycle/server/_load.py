"""Finding the application, and its lifecycle, by name: `module:attribute`."""

import importlib
import inspect
import sys
from types import ModuleType
from typing import Any, Final

from lifecycle.asgi import LifecycleMiddleware
from lifecycle.core import SettingsError
from lifecycle.runtime import Lifecycle

TAKES: Final = {
    3: None,
    0: "takes no arguments: it makes the application; add --factory, or factory=True",
    2: "takes two arguments, as WSGI applications do: wrap it, say in a2wsgi.WSGIMiddleware",
    1: "takes the scope alone, as in ASGI 2: wrap it in asgiref.compatibility.guarantee_single_callable",
}
"""What is wrong with an application that can be called with so many arguments; `None`: nothing."""


def load_application(target: str, *, factory: bool = False) -> tuple[Any, Lifecycle]:
    """The application at `target`, and the lifecycle that its middleware, or else its module, has.

    Raises:
        SettingsError: Nothing is there; the message says what was looked for, and where.
    """
    module, app = load_object(target)
    if factory:
        app = app()
    refuse(target, app)
    return app, lifecycle_of(app, module)


def refuse(target: str, app: object) -> None:
    """Tell what is no ASGI application by the arguments that it takes.

    Raises:
        SettingsError: With what it is instead, as far as that can be seen.
    """
    if not callable(app):
        raise SettingsError(f"{target!r} is no ASGI application: it is {app!r}")
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return  # Written in C, it does not say.
    for count, what in TAKES.items():
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        if what is not None:
            raise SettingsError(f"{target!r} {what}")
        return


def load_object(target: str) -> tuple[ModuleType, Any]:
    """The module of `target`, imported, and what it has under the name behind the colon.

    Raises:
        SettingsError: Nothing is there; the message says what was looked for, and where.
    """
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        raise SettingsError(f"{target!r} names no application: write it like package.module:app")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise
        looked = ", ".join(path or "." for path in sys.path[:3])
        raise SettingsError(
            f"there is no module {error.name!r} for {target!r}: looked in {looked} and further; set --app-dir, or start"
            " where the module is"
        ) from None
    app: Any = module
    for part in attribute.split("."):
        try:
            app = getattr(app, part)
        except AttributeError:
            callables = sorted(
                name
                for name, value in vars(module).items()
                if (callable(value) or isinstance(value, Lifecycle)) and not name.startswith("_")
            )
            raise SettingsError(
                f"module {module_name!r} has no {attribute!r}: it has {', '.join(callables) or 'nothing callable'}"
            ) from None
    return module, app


def with_middleware(app: Any, life: Lifecycle) -> Any:
    """`app`, with the middleware around it unless it has it already."""
    return app if in_middleware(app) else LifecycleMiddleware(app, life)


def in_middleware(app: Any) -> Lifecycle | None:
    """The lifecycle of the application's middleware."""
    if isinstance(app, LifecycleMiddleware):
        return app.lifecycle
    for middleware in getattr(app, "user_middleware", ()):
        if getattr(middleware, "cls", None) is LifecycleMiddleware:
            found = middleware.kwargs.get("lifecycle") or next(iter(middleware.args), None)
            if isinstance(found, Lifecycle):
                return found
    return None


def lifecycle_of(app: Any, module: object = None) -> Lifecycle:
    """The lifecycle of the application's middleware; else the only one in its module; else a new one.

    Raises:
        SettingsError: The module has several, and the application uses none of them.
    """
    if found := in_middleware(app):
        return found
    lives = (
        {
            id(value): value
            for value in vars(module or object()).values()
            if isinstance(value, Lifecycle)
        }
        if module
        else {}
    )
    if len(lives) > 1:
        raise SettingsError(
            f"{module!r} has {len(lives)} Lifecycles: put LifecycleMiddleware(app, life) around the application, so that"
            " it is clear which one is meant"
        )
    return next(iter(lives.values()), None) or Lifecycle()
