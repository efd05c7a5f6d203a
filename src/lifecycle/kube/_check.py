"""Every rule, asked of every workload."""

from collections.abc import Collection

from lifecycle.core import SettingsError
from lifecycle.kube._app import AppFacts
from lifecycle.kube._manifest import Manifest
from lifecycle.kube._rule import Finding, Rule, Subject
from lifecycle.kube._rules import RULES


def check(
    manifest: Manifest,
    *,
    app: AppFacts | None = None,
    select: Collection[str] = (),
    ignore: Collection[str] = (),
) -> list[Finding]:
    """What is wrong with a manifest, in the order of the text.

    `select` and `ignore` are ids or their beginnings: `LC2` is all of LC201, LC202…

    Raises:
        SettingsError: No rule begins with one of them.
    """
    rules = choose(select, ignore)
    findings = [
        Finding(
            rule=rule,
            where=found.where,
            message=found.message,
            fix=found.fix or rule.fix,
            workload=workload.title,
        )
        for workload in manifest.workloads
        for rule in rules
        for found in rule.find(Subject(workload=workload, manifest=manifest, app=app))
    ]
    return sorted(findings, key=lambda finding: (finding.where, finding.rule.id))


def choose(select: Collection[str] = (), ignore: Collection[str] = ()) -> list[Rule]:
    """The rules that are asked for: the more exact of two choices counts, as in other linters.

    Raises:
        SettingsError: No rule begins with one of them.
    """
    for prefix in (*select, *ignore):
        if not prefix or not any(rule.id.startswith(prefix) for rule in RULES):
            raise SettingsError(
                f"no rule is called or begins with {prefix!r}: there are {', '.join(_families())}…,"
                " see `lifecycle check --rules`"
            )
    return [rule for rule in RULES if _exactness(rule, select or [""]) > _exactness(rule, ignore)]


def _exactness(rule: Rule, prefixes: Collection[str]) -> int:
    return max((len(prefix) for prefix in prefixes if rule.id.startswith(prefix)), default=-1)


def _families() -> list[str]:
    return sorted({rule.id[:3] for rule in RULES})
