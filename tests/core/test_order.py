"""In which order hooks run, and which of them have something to shut down."""

import itertools
import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.core import (
    Hook,
    HookOrderError,
    Kind,
    armed,
    in_order,
    make_hook,
    shutdown_order,
    side_by_side,
)


def hook(name: str, kind: Kind = Kind.STARTUP, *, unnamed: bool = False, **options: Any) -> Hook:
    """A hook called `name`: a name that was given, or with `unnamed` that of its function."""

    def function() -> None: ...

    function.__name__ = name
    given = None if unnamed else name
    return make_hook(kind, function, f"{name}.py:1", name=given, **options)


def names(hooks: Iterable[Hook]) -> str:
    return " ".join(hook.name for hook in hooks)


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
