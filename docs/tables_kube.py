"""The rules of `lifecycle check`, each with its two manifests and what is said of them."""

import difflib
from pathlib import Path

from markup import table

from lifecycle.kube import RULES, Rule, check, read_manifest

FAMILIES = {
    "LC1": "Hooks",
    "LC2": "The grace period",
    "LC3": "Probes",
    "LC4": "Rollouts and jobs",
    "LC5": "The supervisor",
    "LC6": "The application's own numbers (`--app`)",
    "LC7": "Process 1, and containers beside each other",
}
MANIFESTS = Path(__file__).parents[1] / "tests" / "kube" / "manifests"
"""Each rule's two manifests: one that has the fault, one that has not."""


def rules() -> str:
    """Every rule of `lifecycle check`."""
    rows = ((f"[{rule.id}](#{rule.id.lower()})", f"{rule.severity}", rule.title) for rule in RULES)
    return table(("Rule", "Severity", "Title"), rows)


def rule_sections() -> str:
    """Every rule at length, each below an anchor of its own: `#lc101`."""
    parts: list[str] = []
    for family, title in FAMILIES.items():
        parts.append(f"## {title}\n")
        parts.extend(_section(rule) for rule in RULES if rule.id.startswith(family))
    return "\n".join(parts)


def _section(rule: Rule) -> str:
    fix = f"{rule.fix[0].upper()}{rule.fix[1:]}."
    parts = [
        f"({rule.id.lower()})=\n### {rule.id}: {rule.title}\n",
        f"**Sees** ({rule.severity}): {rule.sees}\n",
        f"**Why it matters:** {rule.why}\n",
        f"**Instead:** {fix} [Source]({rule.source})\n",
    ]
    bad, good = (MANIFESTS / f"{rule.id}-{kind}.yaml" for kind in ("bad", "good"))
    if bad.exists():
        findings = check(read_manifest(bad.read_text("utf-8"), "pod.yaml"))
        said = "\n".join(
            f"{one.where}: {one.severity} {rule.id}: {one.message}" for one in findings
        )
        shown = "".join(
            line.rstrip("\n") + "\n"
            for line in difflib.unified_diff(
                bad.read_text("utf-8").splitlines(), good.read_text("utf-8").splitlines(), n=50
            )
        )
        body = shown.partition("@@\n")[2]
        parts += [f"```text\n{said}\n```\n", f"```diff\n{body}```\n"]
    return "\n".join(parts)
