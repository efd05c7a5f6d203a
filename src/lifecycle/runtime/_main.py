"""The main function of a program without HTTP: what can be one, and where it can run."""

import functools
import inspect
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Literal, get_args

from lifecycle.core import (
    AlreadyStartedError,
    Hook,
    Kind,
    RegistrationError,
    SettingsError,
    make_hook,
)
from lifecycle.runtime._loop import in_task

Backend = Literal["asyncio", "trio"]


def main_hook(life: object, main: Callable[..., Any], where: str) -> Hook:
    """`main`, to be run as an essential task: it takes nothing or `life`.

    Raises:
        RegistrationError: It cannot be called so.
    """
    function = functools.partial(main, life) if _required(main) else main
    try:
        hook = make_hook(Kind.TASK, function, where, essential=True)
    except RegistrationError:
        hook = None
    if hook is None or not (hook.is_async or inspect.iscoroutinefunction(inspect.unwrap(main))):
        name = getattr(main, "__name__", repr(main))
        raise RegistrationError(
            f"life.run({name}) at {where}: the main function is a coroutine function (async def) that takes nothing"
            " or the lifecycle; run a blocking one with anyio.to_thread.run_sync inside it"
        )
    return hook


def refuse_to_run(hook: Hook, backend: str) -> None:
    """Raise if no event loop of that kind can be run here.

    Raises:
        SettingsError: There is no such backend.
        AlreadyStartedError: An event loop runs here already.
    """
    if backend not in get_args(Backend) or find_spec(backend) is None:
        raise SettingsError(
            f"life.run(backend={backend!r}): write 'asyncio', or 'trio' where trio is installed"
        )
    if in_task():
        raise AlreadyStartedError(
            f"life.run({hook.name}) inside an event loop that runs already: await life.run_async({hook.name}) there"
        )


def _required(function: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [
        p.name
        for p in parameters
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
