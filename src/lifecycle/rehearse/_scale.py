"""Time on paper: every x is a percentage, so that a drawing fits a phone and its letters stay legible."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lifecycle.rehearse._markup import Markup, el
from lifecycle.rehearse._result import Result

TICKS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
MOST_TICKS: Final = 7


@dataclass(frozen=True)
class Scale:
    """From seconds to percent of the width."""

    end: float

    def x(self, at: float) -> str:
        return f"{min(max(at / self.end, 0), 1) * 100:.3f}%"

    def width(self, began: float, ended: float) -> str:
        return f"{max(min(ended, self.end) - max(began, 0), 0) / self.end * 100:.3f}%"

    @classmethod
    def of(cls, *results: Result) -> "Scale":
        """One for all, so that what stands side by side can be compared."""
        moments = [event.at for result in results for event in result.events]
        moments += [sample.at + sample.seconds for result in results for sample in result.samples]
        moments += [at for result in results if result.totals for at, _ in result.totals.in_flight]
        return cls(max([*moments, *(result.seconds for result in results), 1.0]))

    def ticks(self) -> Iterator[float]:
        step = next((tick for tick in TICKS if self.end / tick <= MOST_TICKS), self.end / 5)
        return (step * count for count in range(math.floor(self.end / step) + 1))


def grid(scale: Scale, height: float) -> Iterator[Markup]:
    for tick in scale.ticks():
        x = scale.x(tick)
        yield el("line", x1=x, x2=x, y1=0, y2=height, class_="grid")


def axis(scale: Scale) -> Markup:
    labels: list[Markup] = []
    for tick in scale.ticks():
        share = tick / scale.end
        anchor = "start" if share < 0.03 else "end" if share > 0.95 else "middle"  # noqa: PLR2004 - so near an edge a middle would be cut off
        labels.append(el("text", f"{tick:g} s", x=scale.x(tick), y=13, text_anchor=anchor))
    return el("svg", *labels, height=18, class_="axis", aria_hidden="true")
