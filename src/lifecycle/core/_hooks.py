"""What is to be run when, and who registered it."""

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from types import FrameType
from typing import Any, Final

from lifecycle.core._errors import RegistrationError
from lifecycle.core._values import LONGEST

Function = Callable[..., Any]


class Kind(StrEnum):
    """When a hook runs."""

    STARTUP = "on_startup"
    POST_START = "on_post_start"
    PRE_STOP = "on_pre_stop"
    SHUTDOWN = "on_shutdown"
    RESOURCE = "resource"
    SIGNAL = "on_signal"
    TASK = "task"


ARGUMENT: Final = {Kind.POST_START: "trigger: Trigger", Kind.PRE_STOP: "request: StopRequest"}
"""The one argument that a hook of a kind may take; the other kinds take none."""


@dataclass(frozen=True, slots=True, eq=False)
class Hook:
    """A function of the user's, with its options."""

    kind: Kind
    function: Function
    name: str
    where: str
    """Where it was registered, `file:line`."""
    timeout: float | None = None
    after: tuple[str, ...] = ()
    takes_argument: bool = False
    is_async: bool = False
    concurrent: bool = False
    essential: bool = False
    finish: bool = True
    signal: int | None = None
    paired: bool = field(default=False)
    """The name was given, so that a startup and a shutdown hook of the same name are two halves of one thing."""

    def __str__(self) -> str:
        return f"{self.kind} hook {self.name!r} ({self.where})"


def make_hook(
    kind: Kind, function: object, where: str, *, name: str | None = None, **options: Any
) -> Hook:
    """Check `function` and its options.

    Raises:
        RegistrationError: It cannot be called as a hook of this kind is called.
    """
    if not callable(function):
        raise RegistrationError(
            f"@life.{kind} at {where} was given {function!r}, which is not a function"
        )
    label: object = name if name is not None else _name_of(function)
    if not isinstance(label, str) or not label:
        raise RegistrationError(
            f"@life.{kind}(name={name!r}) at {where}: a name is a non-empty string"
        )
    _check_options(kind, where, options)
    return Hook(
        kind=kind,
        function=function,
        name=label,
        where=where,
        takes_argument=_takes_argument(kind, function, where),
        is_async=_is_async(function),
        paired=name is not None,
        **options,
    )


def _name_of(function: object) -> str:
    while isinstance(function, functools.partial):
        function = function.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - what the user passed is of any type
    return str(getattr(function, "__name__", type(function).__name__))


def _is_async(function: object) -> bool:
    # Not unwrapped: a plain wrapper around a coroutine function may well run it to its end, in a loop of its own.
    while isinstance(function, functools.partial):
        function = function.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - what the user passed is of any type
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(type(function), "__call__", None)  # noqa: B004 - the method is looked at, not tested for
    )


def _check_options(kind: Kind, where: str, options: dict[str, Any]) -> None:
    timeout = options.get("timeout")
    if timeout is not None and (
        isinstance(timeout, bool)
        or not isinstance(timeout, (int, float))
        or not 0 < timeout <= LONGEST
    ):
        raise RegistrationError(
            f"@life.{kind}(timeout={timeout!r}) at {where}: a timeout is seconds above 0 and up to a week"
            f" ({LONGEST:.0f}), or None"
        )
    for flag in ("concurrent", "essential", "finish"):
        if not isinstance(options.get(flag, False), bool):
            raise RegistrationError(
                f"@life.{kind}({flag}={options[flag]!r}) at {where}: write True or False"
            )
    after = options.get("after", ())
    if isinstance(after, str):
        raise RegistrationError(
            f"@life.{kind}(after={after!r}) at {where}: write a tuple, after=({after!r},)"
        )
    try:
        options["after"] = tuple(after)
    except TypeError:
        raise RegistrationError(
            f"@life.{kind}(after={after!r}) at {where}: write a tuple of hook names"
        ) from None
    if not all(isinstance(name, str) for name in options["after"]):
        raise RegistrationError(
            f"@life.{kind}(after={after!r}) at {where}: write names, not functions"
        )


def _takes_argument(kind: Kind, function: Function, where: str) -> bool:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return False  # A builtin without a signature, such as `list.clear` of some object: call it bare.
    argument = ARGUMENT.get(kind)
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in signature.parameters.values() if p.default is p.empty]
    needed = [p for p in needed if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not needed:
        # A default is the user's own: the argument goes only to who asks for it.
        return False
    if argument is not None and len(needed) == 1 and needed[0].kind in positional:
        return True
    takes = f"nothing or exactly one argument ({argument})" if argument else "no argument"
    raise RegistrationError(
        f"@life.{kind} at {where}: {_name_of(function)}{signature} cannot be called: such a hook takes {takes}"
    )


def caller(frame: FrameType | None = None) -> str:
    """`file:line` of the first frame outside this library.

    See https://docs.python.org/3/library/sys.html#sys._getframe: CPython has it, and every Python that anyio supports.
    """
    frame = frame or sys._getframe(1)  # noqa: SLF001 - the documented way to the caller's line without reading the source
    while (
        frame.f_back is not None
        and str(frame.f_globals.get("__name__", "")).partition(".")[0] == "lifecycle"
    ):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
