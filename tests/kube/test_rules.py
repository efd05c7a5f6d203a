"""Each rule has a manifest that triggers it, and it alone, and one that triggers nothing."""

import re
from pathlib import Path

import pytest

from lifecycle.kube import RULES, Finding, Rule, check, read_manifest

MANIFESTS = Path(__file__).parent / "manifests"
BY_MANIFEST = [rule for rule in RULES if not rule.id.startswith("LC6")]
"""Those that need no application."""


def findings(name: str) -> list[Finding]:
    return check(read_manifest((MANIFESTS / name).read_bytes(), name))


def ids(name: str) -> list[str]:
    return [finding.rule.id for finding in findings(name)]


@pytest.mark.parametrize("rule", BY_MANIFEST, ids=lambda rule: rule.id)
def test_a_manifest_with_the_fault_triggers_the_rule_and_no_other(rule: Rule) -> None:
    assert {*ids(f"{rule.id}-bad.yaml")} == {rule.id}


@pytest.mark.parametrize("rule", BY_MANIFEST, ids=lambda rule: rule.id)
def test_a_manifest_without_the_fault_is_clean(rule: Rule) -> None:
    assert ids(f"{rule.id}-good.yaml") == []


@pytest.mark.parametrize("rule", BY_MANIFEST, ids=lambda rule: rule.id)
def test_a_finding_has_its_place_its_values_and_its_way_out(rule: Rule) -> None:
    name = f"{rule.id}-bad.yaml"
    lines = (MANIFESTS / name).read_text("utf-8").splitlines()
    for finding in findings(name):
        assert finding.where.file == name
        assert lines[finding.where.line - 1][finding.where.column - 1 :].strip()
        assert len(finding.message) > 30
        assert len(finding.fix) > 10
        assert not finding.message.endswith(".")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_row_of_the_table_is_whole(rule: Rule) -> None:
    assert re.fullmatch(r"LC[1-9][0-9]{2}", rule.id)
    assert rule.title[0].isupper()
    assert not rule.title.endswith(".")
    assert rule.sees.endswith(".")
    assert rule.why.endswith(".")
    assert len(rule.why) > 80
    assert not rule.fix.endswith(".")
    assert rule.source.startswith("https://")


def test_no_two_rules_are_called_the_same() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert len({rule.title for rule in RULES}) == len(RULES)


def test_every_manifest_is_a_rules() -> None:
    known = {f"{rule.id}-{kind}.yaml" for rule in RULES for kind in ("bad", "good")}
    assert {path.name for path in MANIFESTS.glob("*.yaml")} <= known
