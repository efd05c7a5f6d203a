"""What may be a hook, in which order hooks run, and which of them have something to shut down."""

import functools
import inspect
import itertools
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.core import (
    Hook,
    HookOrderError,
    Kind,
    RegistrationError,
    armed,
    caller,
    in_order,
    make_hook,
    shutdown_order,
    side_by_side,
)
from tests.support.ids import named

WHERE = "app.py:7"
TAKES_ARGUMENT = (Kind.POST_START, Kind.PRE_STOP)
TAKES_NOTHING = tuple(kind for kind in Kind if kind not in TAKES_ARGUMENT)
every_kind = pytest.mark.parametrize("kind", list(Kind))
kinds_with_an_argument = pytest.mark.parametrize("kind", TAKES_ARGUMENT)


def hook(name: str, kind: Kind = Kind.STARTUP, *, unnamed: bool = False, **options: Any) -> Hook:
    """A hook called `name`: a name that was given, or with `unnamed` that of its function."""

    def function() -> None: ...

    function.__name__ = name
    given = None if unnamed else name
    return make_hook(kind, function, f"{name}.py:1", name=given, **options)


def names(hooks: Iterable[Hook]) -> str:
    return " ".join(hook.name for hook in hooks)


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


# Their order.


def test_without_after_the_order_is_that_of_registration() -> None:
    assert names(in_order([hook("c"), hook("a"), hook("b")])) == "c a b"


def test_a_hook_runs_behind_those_it_names_and_the_others_keep_their_places() -> None:
    hooks = [
        hook("web", after=("db", "cache")),
        hook("log"),
        hook("cache", after=("db",)),
        hook("db"),
    ]
    assert names(in_order(hooks)) == "log db cache web"


def test_a_name_that_several_bear_means_all_of_them() -> None:
    hooks = [hook("last", after=("open",)), hook("open", unnamed=True), hook("open", unnamed=True)]
    assert names(in_order(hooks)) == "open open last"


def test_naming_the_same_hook_twice_is_harmless() -> None:
    assert names(in_order([hook("b", after=("a", "a")), hook("a")])) == "a b"


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(
        HookOrderError,
        match=r"^on_startup hook 'web' \(web\.py:1\) is to run after 'bd', but no on_startup hook has that name: "
        r"known are db, web$",
    ):
        in_order([hook("web", after=("bd",)), hook("db")])


def test_a_circle_is_refused_and_drawn_with_every_place_in_it() -> None:
    hooks = [hook("a", after=("b",)), hook("b", after=("c",)), hook("c", after=("a",)), hook("x")]
    with pytest.raises(HookOrderError) as refused:
        in_order(hooks)
    message = str(refused.value)
    found = re.match(r"after= goes in a circle: (.*) \((.*)\): take one of them out$", message)
    assert found, message
    circle = [name.strip("'") for name in found[1].split(" → ")]
    after = {"a": "b", "b": "c", "c": "a"}
    assert circle[0] == circle[-1]
    assert [after[name] for name in circle[:-1]] == circle[1:], "each arrow is an after="
    assert sorted(found[2].split("; ")) == ["'a' at a.py:1", "'b' at b.py:1", "'c' at c.py:1"]


def test_a_hook_after_itself_is_a_circle_of_one() -> None:
    with pytest.raises(
        HookOrderError, match=r"^after= goes in a circle: 'a' → 'a' \('a' at a\.py:1\): take one"
    ):
        in_order([hook("a", after=("a",))])


NAMES = "abcdef"
graphs = st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES)), min_size=1)


@given(graphs)
def test_every_order_is_either_kept_or_refused(graph: dict[str, set[str]]) -> None:
    hooks = [hook(name, after=tuple(sorted(after & graph.keys()))) for name, after in graph.items()]
    try:
        ordered = in_order(hooks)
    except HookOrderError as refused:
        circle = re.findall(r"'(\w)'", str(refused).partition(" (")[0])
        assert len(circle) > 1
        assert all(later in graph[one] for one, later in itertools.pairwise(circle))
        return
    assert sorted(names(ordered)) == sorted(names(hooks))
    seen: set[str] = set()
    for each in ordered:
        assert seen >= set(each.after)
        seen.add(each.name)


# Side by side.


def batches(*hooks: Hook) -> list[str]:
    return [names(batch) for batch in side_by_side(hooks)]


def test_nothing_runs_side_by_side_unless_it_asked_for_it() -> None:
    assert batches() == []
    assert batches(hook("a"), hook("b"), hook("c")) == ["a", "b", "c"]


def test_neighbours_that_asked_for_it_run_side_by_side() -> None:
    assert batches(
        hook("a"),
        hook("b", concurrent=True),
        hook("c", concurrent=True),
        hook("d"),
        hook("e", concurrent=True),
        hook("f"),
    ) == ["a", "b c", "d", "e", "f"]


def test_a_hook_does_not_run_beside_one_that_it_waits_for() -> None:
    assert batches(
        hook("a", concurrent=True),
        hook("b", concurrent=True),
        hook("c", after=("a",), concurrent=True),
        hook("d", concurrent=True),
        hook("e", after=("a",), concurrent=True),
    ) == ["a b", "c d e"]


# What has something to shut down.


def test_a_shutdown_hook_is_armed_when_all_startup_hooks_before_it_have_started() -> None:
    a, b = hook("a", unnamed=True), hook("b", Kind.RESOURCE, unnamed=True)
    close = hook("close", Kind.SHUTDOWN, unnamed=True)
    later = hook("later", unnamed=True)
    registered = [a, b, close, later]
    assert armed(close, registered, [a, b])
    assert armed(close, registered, [b, a, later])
    assert not armed(close, registered, [a])
    assert not armed(close, registered, [later, b])


def test_a_shutdown_hook_before_everything_is_always_armed() -> None:
    close = hook("close", Kind.SHUTDOWN, unnamed=True)
    assert armed(close, [close, hook("a")], [])


def test_hooks_of_other_kinds_do_not_disarm() -> None:
    others = [hook(kind.value, kind) for kind in (Kind.POST_START, Kind.PRE_STOP, Kind.TASK)]
    close = hook("close", Kind.SHUTDOWN)
    assert armed(close, [*others, close], [])


@pytest.mark.parametrize("half", [Kind.STARTUP, Kind.RESOURCE])
def test_two_halves_of_the_same_given_name_belong_together(half: Kind) -> None:
    first, db = hook("first"), hook("db", half)
    close = hook("db", Kind.SHUTDOWN)
    for registered in ([first, db, close], [close, first, db]):
        assert armed(close, registered, [db]), "whatever else has started"
        assert not armed(close, registered, [first])


def test_a_name_that_was_not_given_to_both_pairs_nothing() -> None:
    first = hook("first")
    for unnamed in (True, False):
        db = hook("db", unnamed=unnamed)
        close = hook("db", Kind.SHUTDOWN, unnamed=not unnamed)
        assert not armed(close, [first, db, close], [db]), "`first` stands before it"


def test_a_resource_and_a_startup_hook_of_one_name_must_both_stand() -> None:
    pool, warm = hook("db", Kind.RESOURCE), hook("db")
    close = hook("db", Kind.SHUTDOWN)
    assert not armed(close, [pool, warm, close], [pool])
    assert armed(close, [pool, warm, close], [warm, pool])


# The way down.


def test_what_started_last_is_shut_down_first() -> None:
    db, cache = hook("db", Kind.RESOURCE), hook("cache", Kind.RESOURCE)
    assert names(shutdown_order([db, cache], [db, cache])) == "cache db"
    assert names(shutdown_order([cache, db], [db, cache])) == "cache db"


def test_shutdown_hooks_of_one_place_run_last_registered_first() -> None:
    closing = [hook(name, Kind.SHUTDOWN) for name in "abc"]
    assert names(shutdown_order(closing, [])) == "c b a"


def test_a_shutdown_hook_runs_where_its_startup_hook_would_be_undone() -> None:
    start_db, db = hook("db"), hook("db", Kind.SHUTDOWN)
    pool = hook("pool", Kind.RESOURCE)
    start_queue, queue = hook("queue"), hook("queue", Kind.SHUTDOWN)
    registered = [queue, db, start_db, pool, start_queue]
    assert names(shutdown_order(registered, [start_db, pool, start_queue])) == "queue pool db"
    assert names(shutdown_order(registered, [start_queue, pool, start_db])) == "db pool queue"


def test_a_shutdown_hook_of_its_own_runs_before_what_stood_when_it_was_registered() -> None:
    pool, say = hook("pool", Kind.RESOURCE), hook("say", Kind.SHUTDOWN)
    later = hook("later", Kind.RESOURCE)
    assert names(shutdown_order([pool, say, later], [pool, later])) == "later say pool"


def test_what_never_started_is_not_shut_down() -> None:
    a, b = hook("a"), hook("b", Kind.RESOURCE)
    close_a, close_b = hook("a", Kind.SHUTDOWN), hook("close_b", Kind.SHUTDOWN)
    registered = [a, close_a, b, close_b]
    assert names(shutdown_order(registered, [])) == ""
    assert names(shutdown_order(registered, [a])) == "a"
    assert names(shutdown_order(registered, [a, b])) == "close_b b a"


def test_after_among_shutdown_hooks_is_kept() -> None:
    a = hook("a", Kind.SHUTDOWN)
    b = hook("b", Kind.SHUTDOWN, after=("a",))
    assert names(shutdown_order([a, b], [])) == "a b"


def test_after_among_shutdown_hooks_does_not_wait_for_one_that_is_not_armed() -> None:
    start = hook("a")
    a = hook("a", Kind.SHUTDOWN)
    b = hook("b", Kind.SHUTDOWN, after=("a",), unnamed=True)
    assert names(shutdown_order([b, start, a], [])) == "b"


def test_a_resource_that_started_after_another_is_closed_before_it() -> None:
    db = hook("db", Kind.RESOURCE)
    cache = hook("cache", Kind.RESOURCE, after=("db",))
    assert names(shutdown_order([cache, db], [db, cache])) == "cache db"


def test_a_resource_that_started_after_a_startup_hook_can_be_closed() -> None:
    connect, pool = hook("connect"), hook("pool", Kind.RESOURCE, after=("connect",))
    assert names(shutdown_order([connect, pool], [connect, pool])) == "pool"


def test_after_means_the_shutdown_hook_of_that_name_and_not_the_resource() -> None:
    pool = hook("db", Kind.RESOURCE)
    drop = hook("db", Kind.SHUTDOWN)
    say = hook("say", Kind.SHUTDOWN, after=("db",))
    assert names(shutdown_order([pool, drop, say], [pool])) == "db say db"


@st.composite
def stacks(draw: st.DrawFn) -> tuple[list[Hook], list[Hook]]:
    """Hooks as they are registered, and those that started: a beginning of the startup order."""
    registered: list[Hook] = []
    known: list[str] = []
    for index in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from([Kind.STARTUP, Kind.RESOURCE]))
        after = draw(st.sets(st.sampled_from(known), max_size=2)) if known else set()
        registered.append(hook(f"h{index}", kind, after=tuple(sorted(after))))
        known.append(f"h{index}")
        if kind is Kind.STARTUP:
            registered.append(hook(f"h{index}", Kind.SHUTDOWN))
    registered = draw(st.permutations(registered))
    climb = in_order([hook for hook in registered if hook.kind is not Kind.SHUTDOWN])
    return registered, climb[: draw(st.integers(0, len(climb)))]


@given(stacks())
def test_the_way_down_is_the_way_up_in_reverse_and_nothing_more(
    life: tuple[list[Hook], list[Hook]],
) -> None:
    registered, started = life
    assert names(shutdown_order(registered, started)) == names(reversed(started))
