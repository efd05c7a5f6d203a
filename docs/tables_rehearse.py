"""What `lifecycle rehearse` plays, tells and finds."""

from markup import attribute_docstrings, table

from lifecycle.rehearse import SCENARIOS, Kind
from lifecycle.rehearse._findings import FINDINGS
from lifecycle.rehearse._verdict import PROMISES


def scenarios() -> str:
    """What may be rehearsed."""
    rows = (
        (
            f"`{scenario.name}`",
            scenario.what,
            "; ".join(PROMISES[promise].title for promise in scenario.promises),
        )
        for scenario in SCENARIOS.values()
    )
    return table(("Scenario", "What happens", "Promises"), rows)


class _Placeholders(dict[str, str]):
    """What a rehearsal puts into a fix stands here by its name."""

    def __missing__(self, name: str) -> str:
        return f"*{name}*"


def findings() -> str:
    """What a rehearsal may find."""
    rows = (
        (f"`{rule.id}`", rule.severity.value, rule.means, rule.fix.format_map(_Placeholders()))
        for rule in FINDINGS
    )
    return table(("Finding", "Severity", "What it means", "What to do"), rows)


def kinds() -> str:
    """The kinds of events in a rehearsal's JSON."""
    meanings = attribute_docstrings(Kind)
    rows = ((f"`{kind.value}`", meanings.get(kind.name, "")) for kind in Kind)
    return table(("Kind", "What it is"), rows)
