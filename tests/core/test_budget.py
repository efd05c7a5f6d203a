"""One purse: what its parts add up to, and that following the advice of an error helps."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lifecycle.core import HOOKS_RESERVE, Budget, BudgetError, SettingsError, Turns, divide

graces = st.floats(0.001, 7 * 24 * 3600)
durations = st.floats(0, 7 * 24 * 3600)


@pytest.mark.parametrize(
    ("grace", "budget"),
    [
        (30, Budget(grace=30, margin=1.5, delay=5, drain=18.5, hooks=5)),
        (60, Budget(grace=60, margin=3, delay=5, drain=47, hooks=5)),
        (12, Budget(grace=12, margin=1, delay=2, drain=4, hooks=5)),
    ],
)
def test_in_kubernetes_the_routers_get_up_to_5_s_and_a_sixth(grace: float, budget: Budget) -> None:
    assert divide(grace=grace, in_kubernetes=True) == budget


def test_elsewhere_no_router_has_to_forget_us() -> None:
    assert divide(grace=30, in_kubernetes=False) == Budget(
        grace=30, margin=1.5, delay=0, drain=23.5, hooks=5
    )


def test_a_given_delay_counts_everywhere() -> None:
    for in_kubernetes in (True, False):
        assert divide(delay=7, in_kubernetes=in_kubernetes).delay == 7


def test_what_a_given_drain_does_not_need_goes_to_the_hooks() -> None:
    assert divide(grace=30, delay=5, drain=10) == Budget(
        grace=30, margin=1.5, delay=5, drain=10, hooks=13.5
    )


def test_a_drain_of_nothing_is_a_budget_too() -> None:
    assert divide(grace=30, drain=0).drain == 0


def test_the_margin_is_a_second_at_least_and_a_twentieth_else() -> None:
    assert divide(grace=10).margin == 1
    assert divide(grace=20).margin == 1
    assert divide(grace=100).margin == 5


def test_the_moments_are_counted_from_the_first_request() -> None:
    budget = divide(grace=30, delay=4, drain=10)
    assert (budget.hooks_begin, budget.deadline) == (14, 28.5)


def test_a_budget_does_not_change() -> None:
    with pytest.raises(AttributeError):
        divide().grace = 60  # type: ignore[misc] # that is what is tried


def test_parts_that_leave_nothing_for_the_drain_are_refused_with_the_sum() -> None:
    with pytest.raises(
        BudgetError,
        match=r"^shutdown_delay 25 s \+ 5 s reserved for shutdown hooks \+ margin 1\.5 s = 31\.5 s leave nothing of a "
        r"grace period of 30 s for requests in flight: set terminationGracePeriodSeconds and grace_period "
        r"\(LIFECYCLE_GRACE_PERIOD\) to 32 or more, or shorten shutdown_delay \(LIFECYCLE_SHUTDOWN_DELAY\)$",
    ):
        divide(grace=30, delay=25)


def test_a_drain_that_does_not_fit_is_refused_with_the_sum() -> None:
    with pytest.raises(
        BudgetError,
        match=r"^shutdown_delay 5 s \+ drain_timeout 20 s \+ 5 s reserved for shutdown hooks \+ margin 1\.5 s = 31\.5 s "
        r"do not fit into a grace period of 30 s: set terminationGracePeriodSeconds and grace_period "
        r"\(LIFECYCLE_GRACE_PERIOD\) to 32 or more, or drain_timeout \(LIFECYCLE_DRAIN_TIMEOUT\) to 18\.5 or less$",
    ):
        divide(grace=30, drain=20)


def test_a_grace_period_too_short_for_anything_is_refused_though_nothing_else_was_set() -> None:
    with pytest.raises(
        BudgetError, match=r"= 7 s leave nothing of a grace period of 6 s .* to 8 or more"
    ):
        divide(grace=6)
    with pytest.raises(
        BudgetError, match=r"= 6 s leave nothing of a grace period of 5 s .* to 7 or more"
    ):
        divide(grace=5, in_kubernetes=False)


def test_a_contradiction_is_an_error_in_the_settings() -> None:
    assert issubclass(BudgetError, SettingsError)


@given(grace=graces, delay=st.none() | durations, drain=st.none() | durations, kube=st.booleans())
def test_what_is_not_refused_adds_up_and_leaves_the_hooks_their_reserve(
    grace: float, delay: float | None, drain: float | None, kube: bool
) -> None:
    try:
        budget = divide(grace=grace, delay=delay, drain=drain, in_kubernetes=kube)
    except BudgetError:
        return
    total = budget.delay + budget.drain + budget.hooks + budget.margin
    assert total == pytest.approx(budget.grace)
    assert budget.hooks >= HOOKS_RESERVE - 1e-6
    assert budget.margin >= 1
    assert min(budget.delay, budget.drain) >= 0
    assert budget.hooks_begin <= budget.deadline < grace


@given(grace=graces, delay=st.none() | durations, drain=st.none() | durations, kube=st.booleans())
def test_the_grace_period_that_an_error_asks_for_is_enough_and_hardly_more(
    grace: float, delay: float | None, drain: float | None, kube: bool
) -> None:
    try:
        divide(grace=grace, delay=delay, drain=drain, in_kubernetes=kube)
    except BudgetError as refused:
        found = re.search(r"\(LIFECYCLE_GRACE_PERIOD\) to (\d+) or more", str(refused))
    else:
        found = None
    assume(found)
    assert found
    enough = int(found[1])
    assert divide(grace=enough, delay=delay, drain=drain, in_kubernetes=kube).grace == enough
    with pytest.raises(BudgetError):
        divide(grace=enough - 1.001, delay=delay, drain=drain, in_kubernetes=kube)


@given(grace=graces, delay=st.none() | durations, drain=durations)
def test_the_drain_timeout_that_an_error_asks_for_fits(
    grace: float, delay: float | None, drain: float
) -> None:
    try:
        divide(grace=grace, delay=delay, drain=drain)
    except BudgetError as refused:
        found = re.search(r"\(LIFECYCLE_DRAIN_TIMEOUT\) to ([\d.]+) or less", str(refused))
    else:
        found = None
    assume(found)
    assert found
    divide(grace=grace, delay=delay, drain=float(found[1]))


# A hook's share.


def test_the_last_hook_may_take_all_that_is_left() -> None:
    assert Turns.of(5, 1).share(5, 1) == 5
    assert Turns.of(5, 0).share(5, 0) == 5


def test_hooks_that_wait_have_up_to_a_second_set_aside() -> None:
    assert Turns.of(5, 2).share(5, 2) == 4
    assert Turns.of(5, 3).share(5, 3) == pytest.approx(5 - 2 * 5 / 6)


def test_of_nothing_everybody_gets_nothing() -> None:
    for left in (0, -1):
        assert Turns.of(left, 3).share(left, 3) == Turns.of(left, 1).share(left, 1) == 0


def test_a_purse_that_has_shrunk_is_shared_equally() -> None:
    assert Turns.of(20, 4).share(2, 4) == 0.5


@given(st.floats(0, 1e6), st.integers(1, 1000))
def test_hooks_that_all_overrun_still_get_the_part_that_was_set_aside(
    purse: float, hooks: int
) -> None:
    left, turns = purse, Turns.of(purse, hooks)
    for waiting in range(hooks, 0, -1):
        turn = turns.share(left, waiting)
        assert turn >= turns.aside * (1 - 1e-6)
        left -= turn
    assert left == pytest.approx(0, abs=1e-6)


@given(st.floats(0.01, 1e6), st.integers(1, 1000))
def test_one_hook_may_use_half_of_the_purse_however_many_wait(purse: float, hooks: int) -> None:
    assert Turns.of(purse, hooks).share(purse, hooks) >= purse / 2
