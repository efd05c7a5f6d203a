"""What came of a rehearsal, and what is computed from it."""

import json

import pytest

from lifecycle.rehearse import (
    Event,
    Fate,
    Finding,
    Kind,
    Outcome,
    Promise,
    Purse,
    Result,
    Sample,
    Severity,
    Share,
    Way,
)
from lifecycle.rehearse._result import percentile

RESULT = Result(
    title="Pod/web",
    scenario="delete",
    events=(Event(0.12345, Kind.STARTED, "web", "web", "uvicorn", {"pid": 7}),),
    containers={"web": Fate(exit_code=0)},
    samples=(
        Sample(at=1.0, seconds=0.5, outcome=Outcome.ANSWERED, detail="200"),
        Sample(at=1.2, seconds=0.1, outcome=Outcome.ANSWERED, way=Way.KEPT, detail="200"),
        Sample(at=1.0, seconds=9.0, outcome=Outcome.ANSWERED, way=Way.STREAM),
        Sample(at=2.0, seconds=0.0, outcome=Outcome.REFUSED, after_signal=0.25),
    ),
    findings=(Finding(id="refused", severity=Severity.ERROR, what="refused", fix="wait"),),
    promises=(Promise(id="nothing-lost", title="Nothing is lost", kept=False),),
    purses=(
        Purse(
            container="web",
            pod="web",
            granted=30,
            began=2.0,
            shares=(Share(who="preStop", began=2.0, seconds=4.5),),
        ),
    ),
)


def test_the_json_has_what_is_pinned() -> None:
    content = json.loads(json.dumps(RESULT.to_dict()))
    (event,) = content["events"]
    assert event == {
        "at": 0.123,
        "container": "web",
        "kind": "started",
        "detail": "uvicorn",
        "pod": "web",
        "data": {"pid": 7},
    }
    assert content["containers"]["web"] == {"exit_code": 0, "restarts": 0, "message": ""}
    assert (content["requests"]["sent"], content["requests"]["failed"]) == (4, 1)
    assert content["requests"]["failures"][0]["after_signal"] == 0.25
    assert content["findings"][0]["id"] == "refused"
    assert content["purses"][0]["unused"] == 25.5


def test_requests_in_flight_are_steps_and_streams_are_not_among_them() -> None:
    steps = [(round(at, 3), count) for at, count in RESULT.in_flight()]
    assert steps == [(1.0, 1), (1.2, 2), (1.3, 1), (1.5, 0), (2.0, 0)]


def test_one_broken_promise_is_the_verdict() -> None:
    assert not RESULT.kept
    assert Result(title="Pod/web", scenario="delete").kept


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, None),
        ([1.0], 0.99, 1.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        ([float(n) for n in range(1, 101)], 0.99, 99.0),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(
    values: list[float], share: float, expected: float | None
) -> None:
    assert percentile(values, share) == expected
