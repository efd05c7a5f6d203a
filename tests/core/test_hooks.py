"""What may be a hook, how it is called, and who registered it."""

import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from lifecycle.core import (
    Kind,
    RegistrationError,
    caller,
    make_hook,
)
from tests.support.ids import named

WHERE = "app.py:7"
TAKES_ARGUMENT = (Kind.POST_START, Kind.PRE_STOP)
TAKES_NOTHING = tuple(kind for kind in Kind if kind not in TAKES_ARGUMENT)
every_kind = pytest.mark.parametrize("kind", list(Kind))
kinds_with_an_argument = pytest.mark.parametrize("kind", TAKES_ARGUMENT)


class Pool:
    def close(self) -> None: ...

    async def aclose(self) -> None: ...

    async def on_stop(self, request: object) -> None: ...


class Called:
    def __call__(self) -> None: ...


class CalledAsync:
    async def __call__(self) -> None: ...


def plain() -> None: ...


async def coroutine() -> None: ...


def one(argument: object) -> None: ...


def one_or_none(argument: object = None) -> None: ...


def two(first: object, second: object) -> None: ...


def one_and_a_default(first: object, second: object = None) -> None: ...


def positional(argument: object, /) -> None: ...


def keyword(*, argument: object) -> None: ...


def keyword_with_default(*, argument: object = None) -> None: ...


def anything(*args: object, **kwargs: object) -> None: ...


def one_and_anything(argument: object, *args: object, **kwargs: object) -> None: ...


# What may be a hook.


@every_kind
@pytest.mark.parametrize(
    "function",
    [
        plain,
        coroutine,
        one_or_none,
        keyword_with_default,
        anything,
        lambda: None,
        functools.partial(one, 1),
        functools.partial(two, 1, second=2),
        functools.partial(functools.partial(two, 1), 2),
        Pool().close,
        Pool().aclose,
        Called(),
        CalledAsync(),
        Called,
        [].clear,
        dict,
        print,
        Mock(),
        AsyncMock(),
    ],
    ids=named,
)
def test_what_can_be_called_bare_is_called_bare(kind: Kind, function: Callable[..., Any]) -> None:
    made = make_hook(kind, function, WHERE)
    assert made.function is function
    assert not made.takes_argument


@kinds_with_an_argument
@pytest.mark.parametrize(
    "function",
    [
        one,
        positional,
        one_and_a_default,
        one_and_anything,
        lambda request: None,
        functools.partial(two, 1),
        Pool().on_stop,
    ],
    ids=named,
)
def test_the_argument_goes_to_whoever_asks_for_it(kind: Kind, function: Callable[..., Any]) -> None:
    assert make_hook(kind, function, WHERE).takes_argument


@pytest.mark.parametrize("kind", TAKES_NOTHING)
@pytest.mark.parametrize(
    "function", [one, two, positional, keyword, one_and_anything, Pool.close, lambda x: None]
)
def test_where_there_is_no_argument_none_may_be_asked_for(
    kind: Kind, function: Callable[..., Any]
) -> None:
    with pytest.raises(
        RegistrationError,
        match=rf"^@life\.{kind} at app\.py:7: {re.escape(function.__name__)}\(.*\).* cannot be called: "
        "such a hook takes no argument$",
    ):
        make_hook(kind, function, WHERE)


@pytest.mark.parametrize(
    ("kind", "argument"),
    [(Kind.POST_START, "trigger: Trigger"), (Kind.PRE_STOP, "request: StopRequest")],
)
@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (two, "two(first: object, second: object) -> None"),
        (keyword, "keyword(*, argument: object) -> None"),
    ],
)
def test_a_wrong_signature_is_refused_with_its_place_and_what_would_be_right(
    kind: Kind, argument: str, function: Callable[..., Any], signature: str
) -> None:
    with pytest.raises(
        RegistrationError,
        match=re.escape(
            f"@life.{kind} at app.py:7: {signature} cannot be called: such a hook takes nothing or exactly one "
            f"argument ({argument})"
        ),
    ):
        make_hook(kind, function, WHERE)


@pytest.mark.parametrize("given", [None, 3, "open_pool", b"", Pool(), ["plain"]])
def test_what_cannot_be_called_is_no_hook(given: object) -> None:
    with pytest.raises(
        RegistrationError,
        match=rf"^@life\.on_startup at app\.py:7 was given {re.escape(repr(given))}, which is not a function$",
    ):
        make_hook(Kind.STARTUP, given, WHERE)


def test_a_coroutine_in_place_of_its_function_is_no_hook() -> None:
    given = coroutine()
    with pytest.raises(RegistrationError, match=r"was given <coroutine object .*not a function"):
        make_hook(Kind.STARTUP, given, WHERE)
    given.close()


def test_a_function_whose_signature_lies_is_called_bare() -> None:
    def liar() -> None: ...

    liar.__signature__ = 42  # type: ignore[attr-defined] # what a careless decorator leaves behind
    assert not make_hook(Kind.PRE_STOP, liar, WHERE).takes_argument


# Its name.


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (plain, "plain"),
        (functools.partial(functools.partial(two, 1), 2), "two"),
        (Pool().aclose, "aclose"),
        (CalledAsync(), "CalledAsync"),
        (lambda: None, "<lambda>"),
        ([].clear, "clear"),
        (Mock(), "Mock"),
    ],
)
def test_a_hook_is_called_after_its_function(function: Callable[..., Any], name: str) -> None:
    made = make_hook(Kind.STARTUP, function, WHERE)
    assert made.name == name
    assert not made.paired


def test_a_given_name_pairs_hooks() -> None:
    made = make_hook(Kind.SHUTDOWN, plain, WHERE, name="database")
    assert (made.name, made.paired) == ("database", True)


def test_a_hook_is_told_by_kind_name_and_place() -> None:
    assert str(make_hook(Kind.PRE_STOP, plain, WHERE)) == "on_pre_stop hook 'plain' (app.py:7)"


@pytest.mark.parametrize("name", ["", 3, b"database", ("database",), True])
def test_a_name_is_a_non_empty_string(name: Any) -> None:
    with pytest.raises(
        RegistrationError,
        match=rf"^@life\.resource\(name={re.escape(repr(name))}\) at app\.py:7: a name is a non-empty string$",
    ):
        make_hook(Kind.RESOURCE, plain, WHERE, name=name)


# Sync or async.


def passing_on(function: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    @functools.wraps(function)
    def wrapper() -> Awaitable[None]:
        return function()

    return wrapper


@pytest.mark.parametrize(
    "function",
    [
        coroutine,
        Pool().aclose,
        CalledAsync(),
        AsyncMock(),
        functools.partial(coroutine),
        functools.partial(functools.partial(CalledAsync())),
    ],
    ids=named,
)
def test_a_coroutine_function_is_known_in_every_dress(function: Callable[..., Any]) -> None:
    assert make_hook(Kind.SHUTDOWN, function, WHERE).is_async


@pytest.mark.parametrize(
    "function",
    [
        plain,
        Pool().close,
        Called(),
        CalledAsync,  # makes an object, and awaits nothing
        [].clear,
        Mock(),
        lambda: coroutine(),  # noqa: PLW0108 - it is this form that is tested
        passing_on(coroutine),
    ],
    ids=named,
)
def test_what_only_its_call_could_tell_is_taken_for_sync(function: Callable[..., Any]) -> None:
    assert not make_hook(Kind.SHUTDOWN, function, WHERE).is_async


# Its options.


@every_kind
@pytest.mark.parametrize(
    "timeout",
    [0, -1, -0.5, float("nan"), float("inf"), float("-inf"), True, "3", b"3", [3], 604801, 10**400],
)
def test_a_timeout_is_seconds_above_zero(kind: Kind, timeout: object) -> None:
    with pytest.raises(
        RegistrationError,
        match=rf"^@life\.{kind}\(timeout={re.escape(repr(timeout))}\) at app\.py:7: a timeout is seconds above 0 "
        r"and up to a week \(604800\), or None$",
    ):
        make_hook(kind, plain, WHERE, timeout=timeout)


@pytest.mark.parametrize("timeout", [None, 1, 0.25, 604800])
def test_a_usable_timeout_is_kept(timeout: float | None) -> None:
    assert make_hook(Kind.STARTUP, plain, WHERE, timeout=timeout).timeout == timeout


@pytest.mark.parametrize("flag", ["concurrent", "essential", "finish"])
@pytest.mark.parametrize("value", [None, 0, 1, "no", "true", plain])
def test_a_flag_is_true_or_false(flag: str, value: object) -> None:
    wrong: dict[str, Any] = {flag: value}
    right: dict[str, Any] = {flag: True}
    with pytest.raises(
        RegistrationError,
        match=rf"^@life\.task\({flag}={re.escape(repr(value))}\) at app\.py:7: write True or False$",
    ):
        make_hook(Kind.TASK, plain, WHERE, **wrong)
    assert getattr(make_hook(Kind.TASK, plain, WHERE, **right), flag) is True


def test_a_bare_name_in_after_is_refused_with_the_tuple_that_was_meant() -> None:
    with pytest.raises(
        RegistrationError,
        match=r"^@life\.on_startup\(after='db'\) at app\.py:7: write a tuple, after=\('db',\)$",
    ):
        make_hook(Kind.STARTUP, plain, WHERE, after="db")


@pytest.mark.parametrize(
    ("after", "advice"),
    [
        (3, "write a tuple of hook names"),
        (None, "write a tuple of hook names"),
        (plain, "write a tuple of hook names"),
        ((plain,), "write names, not functions"),
        (b"db", "write names, not functions"),
        ([None], "write names, not functions"),
    ],
)
def test_after_is_a_tuple_of_names(after: object, advice: str) -> None:
    with pytest.raises(
        RegistrationError,
        match=rf"^@life\.on_startup\(after={re.escape(repr(after))}\) at app\.py:7: {advice}$",
    ):
        make_hook(Kind.STARTUP, plain, WHERE, after=after)


@pytest.mark.parametrize("after", [["db", "cache"], ("db", "cache"), iter(["db", "cache"])])
def test_any_iterable_of_names_will_do_for_after(after: Iterable[str]) -> None:
    assert make_hook(Kind.STARTUP, plain, WHERE, after=after).after == ("db", "cache")


# Where it was registered.


def in_module(name: str, source: str) -> dict[str, Any]:
    """Run `source` as the module `name`, in a file of that name."""
    module: dict[str, Any] = {"__name__": name, "caller": caller}
    exec(compile(source, f"/srv/{name}.py", "exec"), module)
    return module


def test_a_registration_is_told_by_the_line_outside_of_this_library() -> None:
    library = in_module(
        "lifecycle.runtime._x", "def outer(): return inner()\ndef inner(): return caller()"
    )
    app = in_module("shop", "\n\ndef register(f): return f()")
    assert app["register"](library["outer"]) == "/srv/shop.py:3"


@pytest.mark.parametrize("name", ["lifecycle_of_a_shop", "my.lifecycle"])
def test_a_module_with_a_similar_name_is_not_taken_for_this_library(name: str) -> None:
    library = in_module("lifecycle", "def inner(): return caller()")
    app = in_module(name, "def register(f): return f()")
    assert app["register"](library["inner"]) == f"/srv/{name}.py:1"


def test_a_frame_may_be_given() -> None:
    frame = inspect.currentframe()
    assert frame is not None
    assert re.fullmatch(rf"{re.escape(__file__)}:\d+", caller(frame))


def test_where_there_is_nobody_outside_the_outermost_frame_is_told() -> None:
    library = in_module("lifecycle", "import sys\ndef alone(): return sys._getframe()")

    class Outermost:
        f_globals = library
        f_back = None
        f_code = library["alone"].__code__
        f_lineno = 5

    frame: Any = Outermost()
    assert caller(frame) == "/srv/lifecycle.py:5"
