"""Which rules are asked, in which order their findings come, and how each format says them."""

import json
import re
from typing import Any

import pytest

from lifecycle.core import ManifestError, SettingsError
from lifecycle.kube import (
    RULES,
    Finding,
    Manifest,
    Outcome,
    Severity,
    Where,
    check,
    choose,
    findings_as,
    printable,
    read_manifest,
    summary,
)

TEXT = """\
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      terminationGracePeriodSeconds: 10
      containers:
      - name: a
        command: [uvicorn, --timeout-graceful-shutdown=8, "app:app"]
        lifecycle: {preStop: {exec: {command: [sh, -c, "sleep 5 && true"]}}}
        env: [{name: LIFECYCLE_GRACE_PERIOD, value: "30"}]
"""
REFUSED = ManifestError("it cannot be read: gone", file="b c.yaml")


def outcome(*, errors: tuple[ManifestError, ...] = (), file: str = "a.yaml") -> Outcome:
    manifest = read_manifest(TEXT, file)
    return Outcome(manifest=manifest, findings=check(manifest), errors=errors, version="1.2")


def test_findings_come_in_the_order_of_the_text() -> None:
    found = check(read_manifest(TEXT, "a.yaml"))
    assert [(str(one.where), one.rule.id) for one in found] == [
        ("a.yaml:6:7", "LC202"),
        ("a.yaml:11:46", "LC205"),
    ]
    assert {one.workload for one in found} == {"Deployment/web"}


@pytest.mark.parametrize(
    ("select", "ignore", "chosen"),
    [
        ((), (), {"LC201", "LC202", "LC203", "LC205", "LC207"}),
        (("LC202", "LC203"), (), {"LC202", "LC203"}),
        (("LC2",), ("LC20",), set()),
        (("LC202",), ("LC2",), {"LC202"}),
        ((), ("LC202",), {"LC201", "LC203", "LC205", "LC207"}),
        (("LC2",), ("LC2",), set()),
    ],
)
def test_of_two_choices_the_more_exact_one_counts(
    select: tuple[str, ...], ignore: tuple[str, ...], chosen: set[str]
) -> None:
    found = {rule.id for rule in choose(select, ignore)}
    family = {"LC201", "LC202", "LC203", "LC205", "LC207"}
    assert found & family == chosen
    assert bool(found - family) == (not select and len(RULES) > len(family))


@pytest.mark.parametrize("prefix", ["LC999", "E501", ""])
def test_a_choice_of_nothing_is_refused(prefix: str) -> None:
    with pytest.raises(SettingsError, match="no rule is called or begins with"):
        choose([prefix])


def test_text_has_place_severity_rule_message_and_fix() -> None:
    first, fix, *_ = findings_as("text", outcome()).splitlines()
    assert first.startswith("a.yaml:6:7: error LC202: 'a' may take preStop 5 + --timeout-grac")
    assert "= 13 s, and the grace period is 10 s" in first
    assert fix.startswith("    fix: set terminationGracePeriodSeconds above 13")


def test_json_has_all_of_it() -> None:
    found = json.loads(findings_as("json", outcome(errors=(REFUSED,))))
    assert found["version"] == 1
    assert found["workloads"] == ["Deployment/web"]
    assert found["errors"] == [
        {"file": "b c.yaml", "line": 1, "column": 1, "message": "it cannot be read: gone"}
    ]
    (first, _) = found["findings"]
    assert {key: first[key] for key in ("rule", "severity", "object", "line", "column")} == {
        "rule": "LC202",
        "severity": "error",
        "object": "Deployment/web",
        "line": 6,
        "column": 7,
    }


def whole(value: Any, *path: str | int) -> Any:
    """What stands at `path`; a required property that is missing is a failure."""
    for step in path:
        value = value[step]
    assert value not in (None, "")
    return value


def test_sarif_has_every_property_that_its_standard_requires() -> None:
    log = json.loads(findings_as("sarif", outcome(errors=(REFUSED,), file="a b.yaml")))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = whole(run, "tool", "driver", "rules")
    assert whole(run, "tool", "driver", "name") == "lifecycle check"
    for rule in rules:
        assert re.fullmatch(r"LC\d{3}", rule["id"])
        assert whole(rule, "shortDescription", "text")
        assert whole(rule, "help", "text")
        assert re.fullmatch("[A-Za-z0-9]+", rule["name"])
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")
    for result in run["results"]:
        assert whole(result, "message", "text").endswith(".")
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        place = whole(result, "locations", 0, "physicalLocation")
        assert place["artifactLocation"]["uri"] == "a%20b.yaml"
        assert min(place["region"].values()) >= 1
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    (note,) = invocation["toolExecutionNotifications"]
    assert whole(note, "message", "text") == "it cannot be read: gone"


def test_sarif_of_standard_input_names_no_file_with_brackets() -> None:
    log = json.loads(findings_as("sarif", outcome(file="<stdin>")))
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "stdin"


def test_github_is_told_with_commands_of_one_line_each() -> None:
    first, _, last = findings_as(
        "github", outcome(errors=(REFUSED,), file="a,b%.yaml")
    ).splitlines()
    assert first.startswith("::error file=a%2Cb%25.yaml,line=6,col=7,title=LC202 The parts")
    assert "%0Afix: set" in first
    assert (
        last == "::error file=b c.yaml,line=1,col=1,title=unusable input::it cannot be read: gone"
    )


def test_a_manifest_cannot_speak_to_the_terminal() -> None:
    text = TEXT.replace("name: a\n", 'name: "\\e[31ma\\nb"\n')
    manifest = read_manifest(text, "a\x1b.yaml")
    found = Outcome(manifest=manifest, findings=check(manifest))
    for style in ("text", "github"):
        assert "\x1b" not in findings_as(style, found)
    assert len(findings_as("text", found).splitlines()) == 4
    assert printable("é\n\udcff") == "é\\n\\udcff"


def test_only_errors_and_warnings_fail() -> None:
    (error, *_) = outcome().findings
    information = Finding(
        rule=next(
            (rule for rule in RULES if rule.severity is Severity.INFO),
            error.rule,
        ),
        where=Where("a.yaml", 1, 1),
        message="",
        fix="",
        workload="",
    )
    manifest = Manifest()
    expected = int(information.severity is not Severity.INFO)
    assert Outcome(manifest=manifest, findings=[information]).status == expected
    assert Outcome(manifest=manifest, findings=[error]).status == 1
    assert Outcome(manifest=manifest, findings=[], errors=[REFUSED]).status == 2


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (outcome(), "2 errors in 1 workload"),
        (Outcome(manifest=Manifest()), "nothing found in 0 workloads"),
        (outcome(errors=(REFUSED,)), "1 unusable; 2 errors in 1 workload"),
    ],
)
def test_a_sentence_sums_it_up(found: Outcome, sentence: str) -> None:
    assert summary(found) == sentence


POD = """\
kind: Pod
metadata: {{name: web}}
spec:
  terminationGracePeriodSeconds: {grace}
  containers:
  - name: app
    env: [{{name: {name}, value: "{value}"}}]
    lifecycle: {{preStop: {{sleep: {{seconds: {sleep}}}}}}}
"""


@pytest.mark.parametrize(
    ("grace", "sleep", "name", "value", "message"),
    [
        (30, 0, "LIFECYCLE_DRAIN_TIMEOUT", "60", "may take LIFECYCLE_DRAIN_TIMEOUT 60 s, and"),
        (30, 5, "LIFECYCLE_DRAIN_TIMEOUT", "25", None),
        (
            30,
            6,
            "LIFECYCLE_DRAIN_TIMEOUT",
            "25",
            "may take preStop 6 + LIFECYCLE_DRAIN_TIMEOUT 25 = 31 s",
        ),
        (30, 0, "LIFECYCLE_GRACE_PERIOD", "30", None),
        (
            30,
            0,
            "LIFECYCLE_GRACE_PERIOD",
            "31",
            "that it has 31 s, and terminationGracePeriodSeconds is 30:",
        ),
        (30, 5, "LIFECYCLE_GRACE_PERIOD", "25", None),
        (
            30,
            5,
            "LIFECYCLE_GRACE_PERIOD",
            "30",
            "is 30, of which the preStop hook sleeps 5 s before it",
        ),
        (30, 30, "LIFECYCLE_GRACE_PERIOD", "30", "sleeps 30 s of a grace period of 30 s"),
        (30, 29, "LIFECYCLE_GRACE_PERIOD", "1", None),
    ],
)
def test_the_parts_of_the_grace_period_are_added_up(
    grace: int, sleep: int, name: str, value: str, message: str | None
) -> None:
    text = POD.format(grace=grace, sleep=sleep, name=name, value=value)
    found = check(read_manifest(text), select=["LC2"])
    assert len(found) == (message is not None)
    assert message is None or message in found[0].message
