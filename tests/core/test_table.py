"""The state machine: random walks through the one table find no way to break its promises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.core import (
    EXTERNAL,
    PROMISES,
    TABLE,
    Event,
    IllegalMoveError,
    LifecycleError,
    Phase,
    move,
)

OVER = frozenset({Phase.STOPPED, Phase.FAILED})
INTERNAL = frozenset(Event) - EXTERNAL
walks = st.lists(st.sampled_from(Event), max_size=40)
"""Any events in any order: what has no place is tried all the same."""
internal = st.sampled_from(sorted(INTERNAL))
external = st.sampled_from(sorted(EXTERNAL))


def walk(events: list[Event], phase: Phase = Phase.STARTING) -> list[tuple[Phase, Event, Phase]]:
    """The steps that the machine took, those without a change included."""
    steps: list[tuple[Phase, Event, Phase]] = []
    for event in events:
        try:
            after = move(phase, event)
        except IllegalMoveError:
            assert event in INTERNAL
            continue
        steps.append((phase, event, after))
        phase = after
    return steps


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("event", sorted(EXTERNAL))
def test_every_external_event_has_an_answer_in_every_phase(phase: Phase, event: Event) -> None:
    assert move(phase, event) in Phase


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("event", sorted(EXTERNAL))
def test_a_repeated_external_event_changes_nothing_more(phase: Phase, event: Event) -> None:
    once = move(phase, event)
    assert move(once, event) is once


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("event", sorted(INTERNAL))
def test_a_step_of_our_own_out_of_its_place_is_a_defect_and_says_so(
    phase: Phase, event: Event
) -> None:
    if event in TABLE[phase]:
        assert move(phase, event) is TABLE[phase][event]
        return
    with pytest.raises(
        IllegalMoveError,
        match=rf"^event '{event}' has no place in phase '{phase}': this is a defect in lifecycle, please report it$",
    ) as refused:
        move(phase, event)
    assert isinstance(refused.value, LifecycleError)


@given(walks)
def test_no_walk_leaves_a_terminal_phase(events: list[Event]) -> None:
    for before, _, after in walk(events):
        assert before not in OVER or after is before


@given(walks)
def test_no_walk_reaches_stopped_after_a_failed_start(events: list[Event]) -> None:
    failed = False
    for _, event, after in walk(events):
        failed = failed or event is Event.START_FAILED
        assert not (failed and after is Phase.STOPPED)


@given(walks)
def test_shutdown_hooks_come_after_the_drain_or_a_start_that_was_cut_short(
    events: list[Event],
) -> None:
    for before, event, after in walk(events):
        if after is Phase.STOPPING and before is not after:
            assert before is Phase.STARTING or event in (
                Event.DRAINED,
                Event.DRAIN_TIMED_OUT,
                Event.FORCED,
            )


@given(walks)
def test_no_phase_is_lived_through_twice(events: list[Event]) -> None:
    entered = [after for before, _, after in walk(events) if after is not before]
    assert len(entered) == len(set(entered))
    assert Phase.STARTING not in entered


@given(walks, external)
def test_a_request_that_comes_again_changes_neither_the_way_nor_the_end(
    events: list[Event], event: Event
) -> None:
    """Whatever is repeated right after it came, the walk is the same."""
    again = [each for one in events for each in ([one, one] if one is event else [one])]
    changes = [step for step in walk(events) if step[0] is not step[2]]
    assert [step for step in walk(again) if step[0] is not step[2]] == changes


@given(walks, st.lists(external, max_size=5))
def test_a_stop_that_is_under_way_is_not_restarted_by_another(
    events: list[Event], more: list[Event]
) -> None:
    """Later requests, by whatever way, can only lead further: never back to where new work is taken."""
    steps = walk([*events, Event.STOP_REQUESTED])
    phase = steps[-1][2]
    for _, _, after in walk(more, phase):
        assert not PROMISES[after].ready
        assert PROMISES[phase].accepts or not PROMISES[after].accepts
        phase = after


@given(st.lists(external, max_size=6), st.data())
def test_from_everywhere_the_engine_can_reach_an_end(
    events: list[Event], data: st.DataObject
) -> None:
    """Following any row that is the engine's own, the walk is over after a few steps."""
    steps = walk(events)
    phase = steps[-1][2] if steps else Phase.STARTING
    for _ in range(len(Phase)):
        if PROMISES[phase].over:
            return
        own = sorted(set(TABLE[phase]) & INTERNAL) or [Event.STOP_REQUESTED]
        phase = move(phase, data.draw(st.sampled_from(own)))
    assert PROMISES[phase].over


def test_every_phase_has_its_row_and_its_promises_and_can_be_reached() -> None:
    assert set(TABLE) == set(PROMISES) == set(Phase)
    reached = {Phase.STARTING} | {after for row in TABLE.values() for after in row.values()}
    assert reached == set(Phase)
    assert {event for row in TABLE.values() for event in row} == set(Event)


def test_nobody_changes_the_table() -> None:
    with pytest.raises(TypeError):
        TABLE[Phase.STOPPED] = {}  # type: ignore[index] # that is what is tried
    with pytest.raises(TypeError):
        TABLE[Phase.STOPPED][Event.STARTED] = Phase.READY  # type: ignore[index] # as above
    with pytest.raises(TypeError):
        PROMISES[Phase.STOPPED] = PROMISES[Phase.READY]  # type: ignore[index] # as above


@pytest.mark.parametrize("phase", Phase)
def test_a_draining_process_is_not_killed_for_draining(phase: Phase) -> None:
    assert PROMISES[phase].live


@pytest.mark.parametrize("phase", Phase)
def test_what_the_phases_promise_fits_together(phase: Phase) -> None:
    promises = PROMISES[phase]
    assert promises.over == (phase in OVER) == (not TABLE[phase])
    assert promises.ready == (phase is Phase.READY), "one phase is ready"
    assert not promises.ready or (promises.started and promises.accepts)
    assert promises.closes == (not promises.ready), "who is not ready lets go of connections"
    assert promises.what
    assert "\n" not in promises.what


def test_new_work_is_served_until_the_drain() -> None:
    assert {phase for phase in Phase if PROMISES[phase].accepts} == {Phase.READY, Phase.LAME_DUCK}


def test_a_start_that_failed_or_is_not_over_is_no_start() -> None:
    not_started = {phase for phase in Phase if not PROMISES[phase].started}
    assert not_started == {Phase.STARTING, Phase.ABORTING, Phase.FAILED}
