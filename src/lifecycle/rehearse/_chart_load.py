"""The load on paper: requests in flight, and those that were lost."""

from collections.abc import Iterator, Sequence
from typing import Final

from lifecycle.rehearse._events import STOPS
from lifecycle.rehearse._markup import Markup, el, join
from lifecycle.rehearse._result import Result, Sample
from lifecycle.rehearse._scale import Scale, axis, grid

PLOT: Final = 96
BINS: Final = 240
"""More columns than that nobody sees on a screen."""


def most_in_flight(result: Result) -> int:
    return max((count for _, count in result.in_flight()), default=0)


def load(result: Result, scale: Scale) -> Markup:
    """Requests in flight, and below them those that were lost, by the moment of their sending."""
    top = most_in_flight(result) or 1
    flying = [0] * BINS
    before, last = 0, 0
    for at, count in [*result.in_flight(), (scale.end, 0)]:
        now = min(int(at / scale.end * BINS), BINS - 1)
        for bin_ in range(before, now + 1):
            flying[bin_] = max(flying[bin_], last)
        flying[now] = max(flying[now], count)
        before, last = now, count
    steps = " ".join(
        f"L{index} {100 - 96 * count / top:.1f} L{index + 1} {100 - 96 * count / top:.1f}"
        for index, count in enumerate(flying)
    )
    curve = el(
        "svg",
        el("path", d=f"M0 100 {steps} L{BINS} 100 Z", class_="flight"),
        viewBox=f"0 0 {BINS} 100",
        preserveAspectRatio="none",
        width="100%",
        height=PLOT,
    )
    stops = [
        el("line", x1=scale.x(at), x2=scale.x(at), y1=0, y2=PLOT + 34, class_="t0")
        for at in (event.at for event in result.events if event.kind in STOPS)
    ]
    failed = len(result.failed)
    label = f"At most {top} requests in flight; {failed} of {result.sent} lost"
    return join(
        [
            el(
                "svg",
                *grid(scale, PLOT),
                curve,
                *_lost(result.failed, scale),
                *stops,
                height=PLOT + 34,
                role="img",
                aria_label=label,
            ),
            axis(scale),
        ]
    )


def _lost(failed: Sequence[Sample], scale: Scale) -> Iterator[Markup]:
    yield el("rect", x=0, y=PLOT + 6, width="100%", height=26, class_="lane-bg")
    if not failed:
        yield el("text", "none lost", x=4, y=PLOT + 24, class_="note")
        return
    counts: dict[int, int] = {}
    for sample in failed:
        bin_ = min(int(sample.at / scale.end * BINS), BINS - 1)
        counts[bin_] = counts.get(bin_, 0) + 1
    most = max(counts.values())
    for bin_, count in sorted(counts.items()):
        height = 6 + 20 * count / most
        began = bin_ * scale.end / BINS
        yield el(
            "rect",
            el("title", f"{count} lost at {began:.2f} s"),
            x=scale.x(began),
            width=f"{100 / BINS:.3f}%",
            y=PLOT + 32 - height,
            height=height,
            class_="lost",
        )
