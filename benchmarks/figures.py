"""What a benchmark hands over: figures with their meaning, and the few statistics that all of them use.

The machine is never quiet. So rivals take turns, round by round; what is compared is compared within a round, and what is
reported of the rounds is the median, with the 10th and the 90th percentile as its spread.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

Cell = str | float | int | None


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


class Spread(NamedTuple):
    """Many values in three."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        return cls(statistics.median(values), percentile(values, 0.1), percentile(values, 0.9))

    def __format__(self, form: str) -> str:
        return f"{self.median:{form}} ({self.low:{form}} to {self.high:{form}})"


def ratios(values: Sequence[float], others: Sequence[float]) -> Spread:
    """How many times `others` the `values` are, each within its round."""
    return Spread.of([value / other for value, other in zip(values, others, strict=True)])


@dataclass
class Aim:
    """What we want to be true, and whether it is."""

    text: str
    found: str
    met: bool


@dataclass
class Finding:
    """The outcome of one benchmark: a table, how it was made, and the raw figures behind it."""

    name: str
    title: str
    how: str
    """One paragraph for who reads the table."""
    head: list[str] = field(default_factory=list)
    rows: list[list[Cell]] = field(default_factory=list)
    aims: list[Aim] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)
    """By what was measured: the figure of each round, in the unit that the key names."""
    missing: str = ""
    """Why there is no table."""
    measured: str = ""
    """When, of which commit, and on how busy a machine."""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        return cls(**{**values, "aims": [Aim(**aim) for aim in values["aims"]]})


class Effort(float):
    """How much to measure: 1 for figures to publish, next to nothing to see that all of it works."""

    def times(self, full: int, *, least: int = 2) -> int:
        """How often to do what is done `full` times with full effort."""
        return max(least, round(full * self))

    def seconds(self, full: float, *, least: float = 0.2) -> float:
        """How long to do what takes `full` seconds with full effort."""
        return max(least, full * self)


def turns(names: Sequence[str], round_number: int) -> list[str]:
    """All names, beginning with another one in each round, and every other time backwards.

    Neither who comes first may matter, nor who comes after whom.
    """
    first = round_number // 2 % len(names)
    order = [*names[first:], *names[:first]]
    return order[::-1] if round_number % 2 else order
