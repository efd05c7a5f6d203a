"""The values of resources, by name."""

import copy
import pickle

import pytest

from lifecycle.runtime._state import State


def test_a_value_is_there_by_its_name() -> None:
    state = State()
    state.put("pool", 3)
    assert state.pool == 3
    assert state.items() == {"pool": 3}


def test_a_value_that_is_not_there_says_which_are_and_when_they_come() -> None:
    state = State()
    with pytest.raises(AttributeError, match="no resource 'pool' has been started: there are none"):
        _ = state.pool
    state.put("cache", 1)
    state.put("bus", 1)
    with pytest.raises(
        AttributeError, match=r"there are bus, cache\. Resources start with the application"
    ):
        _ = state.pool
    assert not hasattr(state, "pool")


def test_items_is_a_copy() -> None:
    state = State()
    state.items()["pool"] = 3
    assert state.items() == {}


def test_it_can_be_copied() -> None:
    state = State()
    state.put("pool", 3)
    assert copy.copy(state).pool == 3
    assert pickle.loads(pickle.dumps(state)).pool == 3
