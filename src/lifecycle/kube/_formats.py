"""Findings for people, for programs, for code scanning and for GitHub's log."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from lifecycle.core import ManifestError
from lifecycle.kube._manifest import Manifest
from lifecycle.kube._rule import Finding, Rule, Severity
from lifecycle.kube._rules import RULES


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a check: what was read, what was found, and what could not be read."""

    manifest: Manifest
    findings: Sequence[Finding] = ()
    errors: Sequence[ManifestError] = ()
    version: str = ""
    """Of this library."""

    @property
    def status(self) -> int:
        """0 clean, 1 errors or warnings, 2 unusable input."""
        if self.errors:
            return UNUSABLE
        return int(any(one.severity is not Severity.INFO for one in self.findings))


UNUSABLE: Final = 2


def printable(text: str) -> str:
    """Text from a manifest for a terminal: no colours, cursors or lines of its own."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def _plain(_: Severity, text: str) -> str:
    return text


def to_text(outcome: Outcome, paint: Callable[[Severity, str], str] = _plain) -> str:
    """A line for each finding and one for its fix; `paint` may colour the severity."""
    lines: list[str] = []
    for one in outcome.findings:
        word = paint(one.severity, f"{one.severity} {one.rule.id}")
        lines.append(f"{printable(str(one.where))}: {word}: {printable(one.message)}")
        lines.append(f"    fix: {printable(one.fix)}")
    return "".join(f"{line}\n" for line in lines)


def summary(outcome: Outcome) -> str:
    """One sentence about all of it."""
    read = len(outcome.manifest.workloads)
    where = f"in {read} {'workload' if read == 1 else 'workloads'}"
    counts = [
        (severity, sum(one.severity is severity for one in outcome.findings))
        for severity in Severity
    ]
    found = ", ".join(f"{count} {_plural(severity, count)}" for severity, count in counts if count)
    if outcome.errors:
        refused = f"{len(outcome.errors)} unusable"
        return f"{refused}; {found or 'nothing found'} {where}"
    return f"{found or 'nothing found'} {where}"


def _plural(severity: Severity, count: int) -> str:
    return {Severity.INFO: "for information"}.get(severity, severity + "s" * (count != 1))


def to_json(outcome: Outcome) -> str:
    """One object: `findings`, `errors`, `workloads` and `passed_over`."""
    document = {
        "version": 1,
        "findings": [
            {
                "rule": one.rule.id,
                "severity": one.severity,
                "title": one.rule.title,
                "object": one.workload,
                "file": one.where.file,
                "line": one.where.line,
                "column": one.where.column,
                "message": one.message,
                "fix": one.fix,
                "source": one.rule.source,
            }
            for one in outcome.findings
        ],
        "errors": [
            {"file": one.file, "line": one.line, "column": one.column, "message": one.what}
            for one in outcome.errors
        ],
        "workloads": [workload.title for workload in outcome.manifest.workloads],
        "passed_over": [name for name, _ in outcome.manifest.passed_over],
    }
    return json.dumps(document, indent=2) + "\n"


SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def to_sarif(outcome: Outcome) -> str:
    """SARIF 2.1.0: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html."""
    order = {rule.id: index for index, rule in enumerate(RULES)}
    results = [
        {
            "ruleId": one.rule.id,
            "ruleIndex": order[one.rule.id],
            "level": _LEVELS[one.severity],
            "message": {"text": f"{one.message}. Fix: {one.fix}."},
            "locations": [
                _location(one.where.file, one.where.line, one.where.column)
                | {"logicalLocations": [{"fullyQualifiedName": one.workload, "kind": "object"}]}
            ],
        }
        for one in outcome.findings
    ]
    notes = [
        {
            "level": "error",
            "message": {"text": one.what},
            "locations": [_location(one.file, one.line, one.column)],
        }
        for one in outcome.errors
    ]
    driver = {
        "name": "lifecycle check",
        "version": outcome.version or "0",
        "rules": [_sarif_rule(rule) for rule in RULES],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {"executionSuccessful": not outcome.errors, "toolExecutionNotifications": notes}
        ],
        "results": results,
    }
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _sarif_rule(rule: Rule) -> dict[str, Any]:
    words = "".join(part.title() for part in rule.title.replace("'s", "s").split())
    return {
        "id": rule.id,
        "name": "".join(letter for letter in words if letter.isalnum()),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": f"{rule.sees} {rule.why}"},
        "help": {
            "text": f"{rule.fix}. {rule.source}",
            "markdown": f"{rule.fix}. [Source]({rule.source})",
        },
        "helpUri": rule.source,
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _location(file: str, line: int, column: int) -> dict[str, Any]:
    # `<stdin>` is no URI: it would name a file.
    uri = quote(file) if not file.startswith("<") else "stdin"
    region = {"startLine": line, "startColumn": column}
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}


_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def to_github(outcome: Outcome) -> str:
    """Workflow commands, which GitHub shows beside the lines of a change.

    See https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    """
    lines = [
        _command(
            _COMMANDS[one.severity],
            (one.where.file, one.where.line, one.where.column),
            f"{one.rule.id} {one.rule.title}",
            f"{one.message}\nfix: {one.fix}",
        )
        for one in outcome.findings
    ]
    lines += [
        _command("error", (one.file, one.line, one.column), "unusable input", one.what)
        for one in outcome.errors
    ]
    return "".join(f"{line}\n" for line in lines)


def _command(command: str, at: tuple[str, int, int], title: str, text: str) -> str:
    file, line, column = at
    properties = {"file": file, "line": str(line), "col": str(column), "title": title}
    head = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in properties.items())
    return f"::{command} {head}::{_escaped(text)}"


def _escaped(text: str, further: Iterable[str] = ()) -> str:
    for letter in ("%", "\r", "\n", *further):
        text = text.replace(letter, f"%{ord(letter):02X}")
    return printable(text)


_FORMATS: Final[dict[str, Callable[[Outcome], str]]] = {
    "json": to_json,
    "sarif": to_sarif,
    "github": to_github,
}


def findings_as(
    style: str, outcome: Outcome, paint: Callable[[Severity, str], str] = _plain
) -> str:
    """What `--format` prints: `text`, `json`, `sarif` or `github`."""
    return to_text(outcome, paint) if style == "text" else _FORMATS[style](outcome)
