"""What is to be run when, who registered it, and in which order."""

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from types import FrameType
from typing import Any, Final

from lifecycle.core._errors import HookOrderError, RegistrationError
from lifecycle.core._settings import LONGEST

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


def in_order(hooks: Sequence[Hook]) -> list[Hook]:
    """`hooks` in their given order, but each behind those that its `after` names.

    Raises:
        HookOrderError: A name is unknown, or the names go in a circle (which is in the message).
    """
    named: dict[str, list[Hook]] = {}
    for hook in hooks:
        named.setdefault(hook.name, []).append(hook)
    behind: dict[Hook, list[Hook]] = {}
    for hook in hooks:
        behind[hook] = []
        for name in hook.after:
            if name not in named:
                known = ", ".join(sorted(named)) or "none"
                raise HookOrderError(
                    f"{hook} is to run after {name!r}, but no {hook.kind} hook has that name: known are {known}"
                )
            behind[hook] += named[name]
    return _sorted(behind)


def _sorted(behind: Mapping[Hook, Sequence[Hook]]) -> list[Hook]:
    """The keys, in their order as far as each can stand behind its values."""
    sorter: TopologicalSorter[Hook] = TopologicalSorter(behind)
    try:
        sorter.prepare()
    except CycleError as error:
        circle: list[Hook] = error.args[1]
        path = " → ".join(f"{hook.name!r}" for hook in reversed(circle))
        places = "; ".join(f"{hook.name!r} at {hook.where}" for hook in circle[1:])
        raise HookOrderError(
            f"after= goes in a circle: {path} ({places}): take one of them out"
        ) from None
    place = {hook: index for index, hook in enumerate(behind)}
    ready: list[Hook] = list(sorter.get_ready())
    result: list[Hook] = []
    while ready:
        ready.sort(key=place.__getitem__)
        hook = ready.pop(0)
        result.append(hook)
        sorter.done(hook)
        ready += sorter.get_ready()
    return result


def side_by_side(hooks: Sequence[Hook]) -> Iterable[list[Hook]]:
    """Cut ordered `hooks` into batches: neighbours that asked for it and do not wait for each other run together."""
    batch: list[Hook] = []
    for hook in hooks:
        joins = (
            hook.concurrent
            and batch
            and batch[-1].concurrent
            and not {h.name for h in batch} & set(hook.after)
        )
        if batch and not joins:
            yield batch
            batch = []
        batch.append(hook)
    if batch:
        yield batch


def armed(shutdown: Hook, registered: Sequence[Hook], started: Iterable[Hook]) -> bool:
    """Whether a shutdown hook has something to shut down.

    With a startup hook of the same given name: when that one has started. Otherwise when every startup hook that was
    registered before it has started, as a stack unwinds: `registered` is all hooks in order of registration.
    """
    running = set(started)
    startups = [hook for hook in registered if hook.kind in (Kind.STARTUP, Kind.RESOURCE)]
    if shutdown.paired:
        halves = [hook for hook in startups if hook.paired and hook.name == shutdown.name]
        if halves:
            return all(half in running for half in halves)
    before = registered[: registered.index(shutdown)]
    return all(hook in running for hook in before if hook.kind in (Kind.STARTUP, Kind.RESOURCE))


def shutdown_order(registered: Sequence[Hook], started: Sequence[Hook]) -> list[Hook]:
    """The resources to close and the armed shutdown hooks to run, last started first.

    `started` is in the order in which they finished starting. A shutdown hook takes the place of its other half, else
    that of the startup hook registered last before it. `after=` among shutdown hooks is kept.
    """
    position = {hook: index for index, hook in enumerate(started)}
    steps: list[tuple[float, int, Hook]] = [
        (position[hook], registered.index(hook), hook)
        for hook in started
        if hook.kind is Kind.RESOURCE
    ]
    for index, hook in enumerate(registered):
        if hook.kind is not Kind.SHUTDOWN or not armed(hook, registered, started):
            continue
        halves = [
            h
            for h in started
            if hook.paired and h.paired and h.name == hook.name and h.kind is not Kind.SHUTDOWN
        ]
        before = [h for h in registered[:index] if h in position]
        place = max((position[h] for h in halves or before), default=-1)
        steps.append((place + 0.5, index, hook))
    steps.sort(key=lambda step: step[:2], reverse=True)
    order = [hook for _, _, hook in steps]
    # The `after` of a resource is for its start. Here it would close what others still stand on.
    last = [hook for hook in order if hook.kind is Kind.SHUTDOWN]
    return _sorted(
        {
            hook: [other for other in last if other.name in hook.after]
            if hook.kind is Kind.SHUTDOWN
            else []
            for hook in order
        }
    )
