"""From what was seen to findings, promises, advice, text and JSON."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lifecycle.core import RehearsalError
from lifecycle.kube import Exec, Place, Where, Workload
from lifecycle.rehearse import (
    Event,
    Finding,
    Kind,
    Outcome,
    Purse,
    Result,
    Sample,
    Severity,
    Share,
    Way,
    to_html,
)
from lifecycle.rehearse._advice import advise
from lifecycle.rehearse._baseline import read_baseline, worse
from lifecycle.rehearse._findings import FINDINGS
from lifecycle.rehearse._hints import HINTS
from lifecycle.rehearse._options import Options
from lifecycle.rehearse._purse import PRE_STOP, purses
from lifecycle.rehearse._scenarios import SCENARIOS
from lifecycle.rehearse._schema import schema
from lifecycle.rehearse._story import Story, report_in
from lifecycle.rehearse._summary import findings, in_a_line, summary
from lifecycle.rehearse._timeline import SENTENCES, line, printable, sentence, timeline
from lifecycle.rehearse._verdict import PROMISES, _findings, _promises
from tests.support.kubelet import Act, Life
from tests.support.stage import pod, probe, rehearsed

SIGNAL = Event(10, Kind.SIGNAL, "web", "pod", "SIGTERM")
KILLING = Event(8, Kind.KILLING, "web", "pod", data={"grace": 30})
EXITED = Event(12, Kind.EXITED, "web", "pod", data={"exit_code": 0})
WHERE = Where("pod.yaml", 12, 7)


def story(*events: Event, samples: tuple[Sample, ...] = (), scenario: str = "delete") -> Story:
    web = pod()
    container = replace(web.containers[0], lifecycle_place=Place(WHERE))
    workload = Workload(kind="Pod", name="pod", pod=replace(web, containers=(container,)))
    return Story(
        workload=workload,
        scenario=SCENARIOS[scenario],
        options=Options(),
        events=events,
        samples=samples,
    )


def request(outcome: Outcome, **fields: Any) -> Sample:
    return Sample(at=10.5, seconds=0.1, outcome=outcome, after_signal=0.5, **fields)


LOST = {
    "refused": request(Outcome.REFUSED),
    "cut-off": request(Outcome.RESET, detail="closed without an answer"),
    "server-errors": request(Outcome.SERVER_ERROR, detail="503"),
    "unanswered": request(Outcome.TIMEOUT),
    "streams-cut-off": request(Outcome.CUT_OFF, way=Way.WEBSOCKET, detail="1006"),
}

SEEN = {
    "listens-on-loopback": story(
        Event(5, Kind.NOTE, detail="127.0.0.1 only", data={"loopback": True})
    ),
    "restarted": story(Event(5, Kind.RESTARTED, "web", "pod")),
    "nobody-routed": story(
        Event(1, Kind.ENDPOINT_ADDED, pod="a"),
        Event(2, Kind.ENDPOINT_REMOVED, pod="a"),
        Event(5, Kind.ENDPOINT_ADDED, pod="b"),
        scenario="rollout",
    ),
    "post-start-failed": story(
        Event(5, Kind.POST_START_ENDED, "web", "pod", data={"ok": False, "message": "no such file"})
    ),
    "pre-stop-failed": story(Event(5, Kind.PRE_STOP_ENDED, "web", "pod", data={"ok": False})),
    "little-left": story(KILLING, SIGNAL, replace(EXITED, at=37)),
    "no-end": replace(story(), finished=False),
    "ended-by-itself": story(EXITED, scenario="delete"),
    "wrong-path": story(samples=(request(Outcome.ANSWERED, detail="404"),)),
    **{name: story(KILLING, SIGNAL, EXITED, samples=(lost,)) for name, lost in LOST.items()},
}
"""What makes each finding; those that a whole scenario makes are in test_scenarios."""
IN_SCENARIOS = {
    "never-ready",
    "signal-ignored",
    "killed",
    "exit-status",
    "not-back",
    "pre-stop-took-it-all",
    "work-abandoned",
    "came-late",
}


def test_every_finding_is_made_by_some_test() -> None:
    assert {rule.id for rule in FINDINGS} == {*SEEN} | IN_SCENARIOS


@pytest.mark.parametrize("name", SEEN)
def test_a_finding_is_made_of_what_shows_it_and_has_a_fix(name: str) -> None:
    (finding,) = _findings(SEEN[name])
    assert finding.id == name
    assert finding.fix
    assert "{" not in finding.fix.replace("{seconds: ", "")


def test_a_good_life_has_no_finding() -> None:
    good = story(KILLING, SIGNAL, EXITED, samples=(request(Outcome.ANSWERED, detail="200"),))
    assert _findings(good) == []


def test_lost_requests_are_counted_with_their_times_from_the_stop_signal() -> None:
    (finding,) = _findings(SEEN["refused"])
    assert finding.what == "1 of 1 requests, +0.50 s from the stop signal: 1 x refused"
    assert finding.where == WHERE
    assert "sleep: {seconds: 2}" in finding.fix


def test_what_no_promise_of_the_scenario_is_about_is_a_note() -> None:
    evicted = story(KILLING, SIGNAL, EXITED, samples=(LOST["refused"],), scenario="evict")
    (finding,) = _findings(evicted)
    assert finding.severity is Severity.NOTE
    assert all(promise.kept is not False for promise in _promises(evicted, (finding,)))


def test_every_error_breaks_a_promise() -> None:
    breaking = {id_ for promise in PROMISES.values() for id_ in promise.broken_by}
    errors = {rule.id for rule in FINDINGS if rule.severity is Severity.ERROR}
    assert breaking == errors


@pytest.mark.parametrize(
    "message",
    [
        "",
        "bye",
        "[]",
        '{"a": 1}',
        '{"exit_status":0,"granted":9,"phases":[1]}',
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_a_termination_message_that_is_not_ours_is_no_report(message: str) -> None:
    assert report_in(message) == {}


# Text


def test_every_kind_of_event_has_its_sentence() -> None:
    assert {*SENTENCES} == {*Kind}
    for kind in Kind:
        assert sentence(Event(1, kind, detail="SIGTERM"))


def test_a_line_says_when_who_and_what() -> None:
    event = Event(1.5, Kind.PROBE, "web", "pod", "HTTP 503", {"probe": "readiness", "ok": False})
    assert line(event) == "    1.50 s  web                  readiness probe fails: HTTP 503"


def test_what_a_program_says_cannot_steer_a_terminal() -> None:
    assert printable("\x1b[2Jgone\nnext line") == " [2Jgone next line"
    assert len(printable("x" * 1000)) == 160


async def test_a_summary_has_the_verdict_the_purse_and_each_fix() -> None:
    result, _ = await rehearsed(pod(), web=Life())
    text = "\n".join(summary(result))
    assert text.startswith("Pod/pod, delete: PROMISES BROKEN (31.0 s)")
    assert "BROKEN   Everything has ended before SIGKILL (signal-ignored)" in text
    assert "untried  No request is lost (no request was sent)" in text
    assert "fix: write the command as a list without a shell" in text
    assert "SIGTERM, ignored: PID 1 has no handler" in "\n".join(timeline(result))
    assert in_a_line(result, 8) == (
        "  delete       0 of     0 lost     31.0 s  BROKEN: Everything has ended before SIGKILL;"
        " Every container ends with exit status 0"
    )
    assert [line for line in findings(result, at_least=Severity.ERROR) if "ignored" in line]


def test_of_many_purses_those_are_told_of_which_least_is_left() -> None:
    spent = [3, 9, 1, 8, 2, 7, 6, 5, 4, 10]
    purses = tuple(
        Purse(
            container=f"c{seconds}",
            pod="",
            granted=30,
            began=0,
            shares=(Share(who="after SIGTERM", began=0, seconds=seconds),),
        )
        for seconds in spent
    )
    text = "\n".join(summary(Result(title="Pod/web", scenario="delete", purses=purses)))
    told = [int(name) for name in re.findall(r"30 s for c(\d+)", text)]
    assert told == [seconds for seconds in spent if seconds > 2]
    assert "2 more, each of which had 27.00 s or more left" in text


def test_only_a_sidecar_waits_for_others() -> None:
    late = story(KILLING, replace(SIGNAL, at=9), EXITED)
    shares = [share.who for purse in purses(late) for share in purse.shares]
    assert shares == ["after SIGTERM"]


def test_findings_may_be_told_from_a_severity_on() -> None:
    told = [
        Finding(id=severity.value, severity=severity, what="so", fix="x") for severity in Severity
    ]
    result = Result(title="Pod/web", scenario="delete", findings=tuple(told))
    assert [line for line in findings(result) if "    " in line] == [
        "    fix: x",
        "    fix: as above",
        "    hint: as above",
    ]
    for severity, number in ((Severity.ERROR, 1), (Severity.WARNING, 2), (Severity.NOTE, 3)):
        assert len([*findings(result, at_least=severity)]) == 3 * number


def test_the_same_share_of_every_purse_is_drawn_with_the_same_letter() -> None:
    shares = (
        Share(who=PRE_STOP, began=0, seconds=15),
        Share(who="after SIGINT", began=15, seconds=6),
    )
    for some in (shares, shares[1:]):
        result = Result(
            title="Pod/web",
            scenario="delete",
            purses=(Purse(container="web", pod="", granted=30, began=0, shares=some),),
        )
        text = "\n".join(summary(result))
        assert "o    6.00 s  after SIGINT" in text
        assert ("*" in text) is (len(some) == 2)


# Several runs


async def test_advice_is_made_of_p99s_and_leaves_room() -> None:
    results = [(await rehearsed(pod(), web=Life(term_after=seconds)))[0] for seconds in (1, 2, 4)]
    advice = advise(results)
    assert advice.after_signal == pytest.approx(4)
    assert advice.delay == 1
    assert advice.grace == 8  # 1 + 1.5 x 4, and a margin of at least a second
    assert "p99    4.00 s  after the stop signal" in "\n".join(advice.lines())


async def test_what_got_worse_is_told(tmp_path: Path) -> None:
    before, _ = await rehearsed(pod())
    after, _ = await rehearsed(pod(), web=Life())
    file = tmp_path / "before.json"
    file.write_text(json.dumps(before.to_dict()))
    baseline = read_baseline(file)
    assert list(worse(before, baseline["delete"])) == []
    assert list(worse(after, baseline["delete"])) == [
        "Everything has ended before SIGKILL: kept before, broken now (signal-ignored)",
        "Every container ends with exit status 0: kept before, broken now (signal-ignored)",
        "the stop of web: 1.0 s before, 30.0 s now",
    ]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"rehearsals": [1]}'])
def test_a_baseline_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "before.json"
    file.write_text(content)
    with pytest.raises(RehearsalError, match="give a file that --json wrote"):
        read_baseline(file)


@pytest.mark.parametrize(
    ("scenario", "hint"),
    [
        ("crash", "nobody serves on after a sudden death"),
        ("evict", "an evicted pod has one second for its hooks"),
        ("force", "a forced deletion leaves one second"),
        ("node-shutdown", "a pod that its node ends is not deleted"),
        ("liveness", "a restart is no deletion"),
        ("delete", "serve on for at least 2 s after the stop signal"),
    ],
)
def test_who_cannot_be_saved_by_a_lame_duck_is_not_told_to_serve_on(
    scenario: str, hint: str
) -> None:
    seen = story(KILLING, SIGNAL, EXITED, samples=(LOST["refused"],), scenario=scenario)
    (finding,) = _findings(seen)
    assert finding.fix.startswith(hint)


def test_hints_are_for_scenarios_and_findings_that_there_are() -> None:
    assert HINTS.keys() <= SCENARIOS.keys()
    assert {finding for hints in HINTS.values() for finding in hints} <= {
        rule.id for rule in FINDINGS
    }


async def test_a_restart_after_a_lost_hook_is_what_saves_the_pod() -> None:
    hook = Exec(command=("warm",))
    probed = pod(post_start=hook, startup=probe("/started", period=1, failure_threshold=3))
    acts: dict[str, Act | list[Act]] = {
        "warm": Act(3),
        "/started": [*[Act(0, 503)] * 3, Act(0, 200)],
    }
    result, _ = await rehearsed(probed, "poststart-lost", acts=acts)
    lost = next(event for event in result.events if event.kind is Kind.POST_START_ENDED)
    assert "postStart was lost after" in sentence(lost)
    (finding,) = result.findings
    assert (finding.id, finding.severity) == ("restarted", Severity.NOTE)
    assert finding.fix.startswith("this is what saves a pod whose postStart hook was lost")


def test_a_handler_that_is_not_there_yet_is_told_from_one_that_never_is() -> None:
    ignored = replace(SIGNAL, data={"ignored": True})
    killed = Event(38, Kind.SIGNAL, "web", "pod", "SIGKILL")
    for began, told in ((9.5, "SIGTERM yet, 0.50 s after its start, so"), (1, "SIGTERM, so")):
        started = Event(began, Kind.STARTED, "web", "pod")
        seen = story(started, replace(KILLING, at=9.9), ignored, killed, replace(EXITED, at=38))
        (finding,) = _findings(seen)
        assert f"no handler for {told} the kernel did not deliver it" in finding.what


def test_what_a_container_has_beyond_its_grace_period_is_not_called_unused() -> None:
    evicted = story(replace(KILLING, data={"grace": 1}), SIGNAL, EXITED, scenario="evict")
    result = Result(title="Pod/web", scenario="evict", purses=tuple(purses(evicted)))
    assert "!    3.00 s  beyond it" in "\n".join(summary(result))


# The same, several times


def failing_starts(*pods: str) -> Story:
    lives = [
        event
        for at, pod in enumerate(pods, start=1)
        for event in (
            Event(at, Kind.STARTED, "web", pod),
            Event(at, Kind.POST_START_ENDED, "web", pod, data={"ok": False, "message": "no"}),
            Event(at, Kind.KILLING, "web", pod, data={"grace": 30}),
            Event(at + 0.5, Kind.SIGNAL, "web", pod, "SIGTERM"),
            Event(at + 0.6, Kind.EXITED, "web", pod, data={"exit_code": 0}),
        )
    ]
    return story(*lives)


def test_what_every_life_shows_is_told_once_with_a_count() -> None:
    (finding,) = _findings(failing_starts("pod", "pod", "pod"))
    assert (finding.times, finding.at, finding.pod) == (3, 1, "pod")
    result = Result(title="Pod/web", scenario="delete", findings=(finding,))
    assert "web: postStart: no (3 times)" in "\n".join(summary(result))
    assert "3 times · first at 1.00 s" in to_html(result)
    assert result.to_dict()["findings"][0]["times"] == 3


def test_what_several_pods_show_is_told_of_none_of_them() -> None:
    (finding,) = _findings(failing_starts("a", "b"))
    assert (finding.times, finding.pod) == (2, "")


def test_each_life_has_its_purse_and_its_number() -> None:
    found = tuple(purses(failing_starts("pod", "pod")))
    assert [purse.life for purse in found] == [1, 2]
    result = Result(title="Pod/web", scenario="delete", purses=found)
    text = "\n".join(summary(result))
    assert "30 s for web, life 1  [" in text
    assert "30 s for web, life 2  [" in text
    assert "life" not in "\n".join(summary(replace(result, purses=found[:1])))


# JSON


async def results() -> list[Result]:
    hook = Act(0, 200)
    delete, _ = await rehearsed(pod(), web=Life())
    crash, _ = await rehearsed(pod(), "crash", acts={"/": hook})
    return [delete, replace(crash, samples=tuple(LOST.values()))]


async def test_the_json_is_as_its_schema_says() -> None:
    validator = jsonschema.Draft202012Validator(schema())
    played = await results()
    for result in played:
        validator.validate(json.loads(json.dumps(result.to_dict())))
    several = {
        "rehearsals": [result.to_dict() for result in played],
        "advice": advise(played).to_dict(),
    }
    validator.validate(json.loads(json.dumps(several)))
    assert not validator.is_valid({})
    assert not validator.is_valid(played[0].to_dict() | {"events": [{"at": "soon"}]})


def test_the_schema_knows_all_words() -> None:
    rehearsal = schema()["$defs"]["rehearsal"]["properties"]
    assert rehearsal["events"]["items"]["properties"]["kind"]["enum"] == [*Kind]
    sample = rehearsal["requests"]["properties"]["failures"]["items"]["properties"]
    assert sample["outcome"]["enum"] == [*Outcome]
    assert sample["way"]["enum"] == [*Way]
    assert rehearsal["findings"]["items"]["properties"]["severity"]["enum"] == [*Severity]
