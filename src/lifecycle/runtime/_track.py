"""Functions whose every call is work in flight."""

import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ParamSpec, TypeVar

from lifecycle.core import RegistrationError

P = ParamSpec("P")
R = TypeVar("R")


def tracked(
    function: Callable[P, R], in_flight: Callable[[str], AbstractContextManager[None]]
) -> Callable[P, R]:
    """`function`, sync or async, each call of it inside `in_flight(its name)`.

    Raises:
        RegistrationError: It is no function, or one whose calls have no end of their own.
    """
    name = getattr(function, "__qualname__", repr(function))
    if not callable(function):
        raise RegistrationError(
            f"@life.track was given {name}, which is not a function: inside one, use life.in_flight(name)"
        )
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise RegistrationError(
            f"@life.track was given the generator function {name}: use life.in_flight inside it"
        )
    called = getattr(function, "__call__", None)  # noqa: B004 - an object may have an async one: it is looked at
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called):

        @functools.wraps(function)
        async def tracked_coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
            with in_flight(name):
                result: Any = function(*args, **kwargs)
                return await result

        return tracked_coroutine  # type: ignore[return-value] # a coroutine function again: R is its coroutine

    @functools.wraps(function)
    def tracked_function(*args: P.args, **kwargs: P.kwargs) -> R:
        with in_flight(name):
            return function(*args, **kwargs)

    return tracked_function
