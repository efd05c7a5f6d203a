"""What hooks are given does not change under their hands."""

from dataclasses import FrozenInstanceError
from signal import Signals
from typing import Any

import pytest

from lifecycle.core import Event, Phase, PhaseChange, StopRequest, StopSource

REQUEST = StopRequest("SIGTERM", StopSource.SIGNAL, Signals.SIGTERM, 1.7e9)
CHANGE = PhaseChange(Phase.READY, Phase.LAME_DUCK, Event.STOP_REQUESTED, 60.5)


@pytest.mark.parametrize(("told", "name"), [(REQUEST, "reason"), (CHANGE, "after")])
def test_what_is_told_does_not_change(told: Any, name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(told, name, "something else")
    with pytest.raises((AttributeError, TypeError)):
        told.note = "something new"


def test_what_is_told_can_be_compared_and_kept_in_sets() -> None:
    again = StopRequest("SIGTERM", StopSource.SIGNAL, Signals.SIGTERM, 1.7e9)
    assert {REQUEST, again} == {REQUEST}
    assert PhaseChange(Phase.READY, Phase.LAME_DUCK, Event.STOP_REQUESTED, 60.5) == CHANGE


@pytest.mark.parametrize("enum", [Phase, Event, StopSource])
def test_names_are_words_for_people_and_for_json(enum: Any) -> None:
    for member in enum:
        assert str(member) == member.value == f"{member}"
        assert member.value == member.value.lower()
        assert "_" not in member.value
