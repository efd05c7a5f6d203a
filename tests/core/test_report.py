"""What is told at the end: all of it as JSON, what matters of it in 4096 bytes, and one screen of it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.core import (
    TERMINATION_MESSAGE_LIMIT,
    Abandoned,
    ExitStatus,
    HookRecord,
    PhaseRecord,
    Report,
)

NASTY = 'a "quoted"\n\t\\ name with \0, ümlaut, 漢字, 🦆, \udcff and \x1b[31m red'
texts = st.text(max_size=300) | st.just(NASTY) | st.text().map(lambda text: text * 50)
seconds = st.floats(0, 1e6)
hooks = st.builds(
    HookRecord,
    kind=st.sampled_from(["on_startup", "on_shutdown"]),
    name=texts,
    where=texts,
    outcome=st.sampled_from(["ok", "failed", "timed out", "stuck", "not run"]),
    seconds=seconds,
    error=st.none() | texts,
)
reports = st.builds(
    Report,
    exit_status=st.none() | st.integers(0, 255),
    reason=st.none() | texts,
    source=st.sampled_from([None, "signal", "endpoint"]),
    signal=st.sampled_from([None, "SIGTERM"]),
    requested_at=st.none() | st.floats(0, 4e9),
    granted=seconds,
    used=seconds,
    phases=st.lists(
        st.builds(
            PhaseRecord, phase=st.just("lame duck"), began=seconds, ended=st.none() | seconds
        ),
        max_size=8,
    ),
    hooks=st.lists(hooks, max_size=30),
    finished=st.integers(0, 10**9),
    refused=st.integers(0, 10**9),
    abandoned=st.lists(st.builds(Abandoned, name=texts, age=seconds), max_size=60),
    failures=st.lists(texts, max_size=20),
    stacks=st.dictionaries(texts, texts, max_size=6),
    workers=st.lists(
        st.fixed_dictionaries({}, optional={"exit_status": st.integers(0, 255), "reason": texts}),
        max_size=8,
    ),
)


def parse(text: str) -> dict[str, Any]:
    """As a strict reader does: `NaN` and the like are no JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found = json.loads(text, parse_constant=refuse)
    assert isinstance(found, dict)
    return found


def crowded(**more: Any) -> Report:
    """A report of everything going wrong at once, far larger than the limit."""
    return Report(
        **{
            "exit_status": ExitStatus.WORK_ABANDONED,
            "reason": "SIGTERM",
            "source": "signal",
            "signal": "SIGTERM",
            "requested_at": 1.7e9,
            "granted": 30,
            "used": 28.3,
            "finished": 1234,
            "refused": 5,
            "phases": [PhaseRecord("starting", 0, 1), PhaseRecord("failed", 29, 29)],
            "hooks": [
                HookRecord(
                    "on_shutdown",
                    f"hook {n}",
                    f"/srv/app/module_{n}.py:{n}",
                    "failed" if n % 10 == 0 else "ok",
                    0.5,
                    "OSError: the connection was lost" if n % 10 == 0 else None,
                )
                for n in range(100)
            ],
            "abandoned": [Abandoned(f"GET /slow/{n}", 25.0) for n in range(300)],
            "failures": [f"OSError: failure {n}" for n in range(20)],
            "stacks": {f"thread {n}": "  File …\n" * 200 for n in range(9)}
            | {"MainThread": "  File …\n" * 200 + "time.sleep(1000)\n"},
            "workers": [{"exit_status": 4, "reason": "SIGTERM" * 30} for _ in range(8)],
            **more,
        }
    )


# JSON.


@given(reports)
def test_a_report_is_json_without_loss(report: Report) -> None:
    assert parse(report.to_json()) == json.loads(json.dumps(report.to_dict()))


@given(reports, st.integers(100, 6000) | st.just(TERMINATION_MESSAGE_LIMIT))
def test_a_report_is_cut_to_any_limit_and_stays_json_with_its_outcome(
    report: Report, limit: int
) -> None:
    text = report.to_json(limit=limit)
    assert len(text.encode()) <= limit
    assert "\n" not in text
    cut = parse(text)
    assert cut["exit_status"] == report.exit_status
    assert cut["outcome"] == report.outcome
    assert cut.get("cut", False) == (len(report.to_json().encode()) > limit)


@given(reports)
def test_in_a_termination_message_there_is_always_room_for_the_reason_and_the_numbers(
    report: Report,
) -> None:
    cut = parse(report.to_json(limit=TERMINATION_MESSAGE_LIMIT))
    for key in ("source", "signal", "requested_at", "granted", "finished", "refused"):
        assert cut[key] == getattr(report, key)
    if report.reason is None:
        assert cut["reason"] is None
    else:
        assert cut["reason"] == report.reason or cut["reason"] == report.reason[:200]
    assert cut.get("abandoned_count", len(report.abandoned)) == len(report.abandoned)


@given(st.integers(0, 80))
def test_in_the_end_the_exit_status_alone_is_left(limit: int) -> None:
    assert parse(crowded().to_json(limit=limit)) == {
        "exit_status": 4,
        "outcome": "work abandoned",
        "cut": True,
    }


def test_what_fits_is_not_cut() -> None:
    report = Report(exit_status=0, reason="SIGTERM")
    text = report.to_json()
    assert report.to_json(limit=len(text)) == text
    assert "cut" not in parse(text)
    assert parse(report.to_json(limit=len(text) - 1))["cut"] is True


def survives(part: Callable[[dict[str, Any]], object]) -> int:
    """The smallest limit under which a part of a crowded report is still told."""
    report = crowded()
    return next(n for n in range(100, 100_000, 100) if part(parse(report.to_json(limit=n))))


def test_the_important_parts_survive_longest() -> None:
    limits = [
        survives(lambda cut: cut.get("reason")),
        survives(lambda cut: cut.get("failures")),
        survives(lambda cut: cut.get("abandoned")),
        survives(lambda cut: cut.get("phases")),
        survives(lambda cut: cut.get("hooks")),
        survives(lambda cut: cut.get("stacks")),
        survives(lambda cut: "ok" in {hook["outcome"] for hook in cut.get("hooks", [])}),
    ]
    assert limits == sorted(limits)
    assert limits[4] <= TERMINATION_MESSAGE_LIMIT, "a hook that failed is named"


def test_a_termination_message_tells_how_many_were_abandoned_when_it_cannot_name_all() -> None:
    cut = parse(crowded().to_json(limit=TERMINATION_MESSAGE_LIMIT))
    assert cut["abandoned_count"] == 300
    assert 0 < len(cut["abandoned"]) < 300
    assert cut["abandoned"][0] == {"name": "GET /slow/0", "age": 25.0}


def test_a_hook_that_is_told_shortly_keeps_its_numbers() -> None:
    cut = parse(crowded(stacks={}, workers=[]).to_json(limit=2200))
    assert [hook["seconds"] for hook in cut["hooks"]] == [0.5] * 5
    assert {hook["outcome"] for hook in cut["hooks"]} == {"failed"}


def test_of_all_stacks_the_main_threads_is_the_last_to_go() -> None:
    """The others wait in their pools; where the event loop is blocked is what somebody wants to know."""
    cut = parse(crowded(hooks=[], abandoned=[]).to_json(limit=TERMINATION_MESSAGE_LIMIT))
    assert cut["stacks"]["MainThread"].endswith("time.sleep(1000)\n"), "and its end is kept"


def test_what_is_not_json_is_told_as_text() -> None:
    workers: list[dict[str, Any]] = [{"exit_status": ExitStatus.FORCED, "what": {1, 2}}]
    assert parse(Report(workers=workers).to_json())["workers"] == [
        {"exit_status": 7, "what": "{1, 2}"}
    ]


# What it holds.


def test_durations_are_told_to_the_millisecond() -> None:
    report = Report(
        used=1.23456789,
        phases=[PhaseRecord("starting", 0.0004, 1.23456), PhaseRecord("ready", 1.23456)],
        hooks=[HookRecord("on_startup", "open", "app.py:1", "ok", 0.123456)],
        abandoned=[Abandoned("GET /", 9.87654)],
    )
    told = report.to_dict()
    assert told["used"] == 1.235
    assert told["phases"] == [
        {"phase": "starting", "began": 0.0, "seconds": 1.234},
        {"phase": "ready", "began": 1.235, "seconds": None},
    ]
    assert told["hooks"][0]["seconds"] == 0.123
    assert told["abandoned"] == [{"name": "GET /", "age": 9.877}]


def test_only_a_hook_with_an_error_has_one() -> None:
    well = HookRecord("on_startup", "open", "app.py:1", "ok")
    badly = HookRecord("on_startup", "open", "app.py:1", "failed", error="OSError: no")
    assert "error" not in well.to_dict()
    assert badly.to_dict()["error"] == "OSError: no"


def test_stacks_and_workers_are_told_where_there_are_any() -> None:
    assert not {"stacks", "workers"} & Report().to_dict().keys()
    told = Report(stacks={"MainThread": "…"}, workers=[{"exit_status": 0}]).to_dict()
    assert told["stacks"] == {"MainThread": "…"}
    assert told["workers"] == [{"exit_status": 0}]


def test_what_was_told_does_not_change_with_the_report() -> None:
    report = Report(failures=["one"], stacks={"a": "b"}, workers=[{"exit_status": 0}])
    told = report.to_dict()
    report.failures.append("two")
    report.stacks["c"] = "d"
    report.workers.clear()
    assert (told["failures"], told["stacks"], told["workers"]) == (
        ["one"],
        {"a": "b"},
        [{"exit_status": 0}],
    )


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (None, "not over"),
        (0, "clean"),
        (3, "start failed"),
        (4, "work abandoned"),
        (5, "hook failed"),
        (6, "task crashed"),
        (7, "forced"),
        (8, "deadline"),
        (9, "exit status 9"),
        (255, "exit status 255"),
    ],
)
def test_the_exit_status_is_told_in_words(status: int | None, outcome: str) -> None:
    assert Report(exit_status=status).outcome == outcome


# One screen.


def test_the_screen_tells_the_whole_story() -> None:
    report = Report(
        exit_status=5,
        reason="SIGTERM",
        requested_at=1.7e9,
        granted=30,
        used=12.345,
        finished=7,
        refused=1,
        phases=[PhaseRecord("ready", 0.5, 60.25), PhaseRecord("failed", 72.6, 72.6)],
        hooks=[HookRecord("on_shutdown", "close", "app.py:9", "failed", 0.25, "OSError: no")],
        abandoned=[Abandoned("GET /slow", 20)],
    )
    assert str(report).splitlines() == [
        "hook failed (exit status 5): SIGTERM",
        "  grace period  12.3 s used of 30 s",
        "  work          7 finished, 1 refused, 1 abandoned",
        "    abandoned   GET /slow after 20.0 s",
        "      0.50 s  ready        59.75 s",
        "     72.60 s  failed        0.00 s",
        "  failed      on_shutdown close 0.25 s  app.py:9: OSError: no",
    ]


def test_before_anything_has_happened_there_is_something_to_show_too() -> None:
    assert str(Report()).splitlines() == [
        "not over (exit status -): nobody asked to stop",
        "  work          0 finished, 0 refused, 0 abandoned",
    ]
    running = Report(phases=[PhaseRecord("ready", 0.5)])
    assert str(running).splitlines()[-1] == "      0.50 s  ready     "


def test_a_crowded_report_still_fits_on_one_screen_and_shows_what_went_wrong() -> None:
    lines = str(crowded()).splitlines()
    assert len(lines) < 50
    assert lines[3:14] == [
        *[f"    abandoned   GET /slow/{n} after 25.0 s" for n in range(10)],
        "    and 290 more",
    ]
    assert sum(line.startswith("  failed ") for line in lines) == 10
    assert lines[-1] == "    and 80 more"


@given(reports)
def test_names_can_neither_make_lines_nor_steer_the_terminal(report: Report) -> None:
    text = str(report)
    assert text.count("\n") < 50
    assert text.replace("\n", "").isprintable()
    text.encode()
    assert max(map(len, text.split("\n"))) <= 240
