"""Drawings of one result: every x is a percentage, so that a drawing fits a phone and its letters stay legible."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from lifecycle.rehearse._events import STOPS, Event, Kind
from lifecycle.rehearse._markup import Markup, el, join
from lifecycle.rehearse._result import Purse, Result, Sample

LANE: Final = 26
PLOT: Final = 96
BINS: Final = 240
"""More columns than that nobody sees on a screen."""
SEEN: Final = 0.005
"""Seconds: what is less is written as 0.00."""
TICKS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
MOST_TICKS: Final = 7


class Bar(NamedTuple):
    """A stretch of a container's life. `look` is a class in the style sheet."""

    look: str
    began: float
    ended: float
    what: str


class Mark(NamedTuple):
    """A moment of it."""

    look: str
    at: float
    what: str


LEGEND: Final[Mapping[str, str]] = {
    "run": "running",
    "ready": "ready",
    "post": "postStart hook",
    "pre": "preStop hook",
    "stop": "after the stop signal",
    "t0": "asked to stop",
    "sig": "stop signal",
    "kill": "SIGKILL",
    "probe": "probe failed",
}


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


def owner(event: Event, *, several: bool) -> str:
    """A container's name in the report, as in `Result.containers`."""
    return f"{event.pod}/{event.container}" if several and event.pod else event.container


def lanes(result: Result) -> dict[str, list[Event]]:
    """Events by container, in the order in which they began."""
    found: dict[str, list[Event]] = {}
    for event in result.events:
        if event.container:
            found.setdefault(owner(event, several=result.several_pods), []).append(event)
    return found


_SPANS: Final = (
    ("run", (Kind.STARTED,), (Kind.EXITED,)),
    ("ready", (Kind.READY,), (Kind.NOT_READY, Kind.EXITED)),
    ("post", (Kind.POST_START_BEGAN,), (Kind.POST_START_ENDED, Kind.EXITED)),
    ("stop", (Kind.SIGNAL,), (Kind.EXITED,)),
    ("pre", (Kind.PRE_STOP_BEGAN,), (Kind.PRE_STOP_ENDED, Kind.PRE_STOP_ABANDONED, Kind.EXITED)),
)
"""In the order of drawing: which events begin such a stretch, and which end it."""


def bars(events: Sequence[Event], end: float) -> Iterator[Bar]:
    for look, begins, ends in _SPANS:
        began: Event | None = None
        for event in events:
            if event.kind in begins and began is None:
                began = event
            elif event.kind in ends and began is not None:
                yield _bar(look, began.at, event.at)
                began = None
        if began is not None:
            yield _bar(look, began.at, end)


def _bar(look: str, began: float, ended: float) -> Bar:
    return Bar(look, began, ended, f"{LEGEND[look]}: {began:.2f} s to {ended:.2f} s")


def marks(events: Sequence[Event]) -> Iterator[Mark]:
    for event in events:
        if event.kind is Kind.SIGNAL:
            look = "kill" if event.detail == "SIGKILL" else "sig"
            ignored = ", ignored" if event.data.get("ignored") else ""
            yield Mark(look, event.at, f"{event.detail}{ignored} at {event.at:.2f} s")
        elif event.kind is Kind.PROBE and event.data.get("ok") is False:
            what = f"{event.data.get('probe', '')} probe failed at {event.at:.2f} s"
            yield Mark("probe", event.at, what)


def timeline(result: Result, scale: Scale) -> Markup:
    """Every container's life, one lane below the other."""
    drawn = [
        el(
            "figure",
            el("figcaption", el("b", name), " ", _ending(result, name)),
            _lane(name, events, scale, _stops(result)),
            class_="lane",
        )
        for name, events in lanes(result).items()
    ]
    return join([*drawn, axis(scale)])


def _ending(result: Result, name: str) -> Markup:
    fate = result.containers.get(name)
    if fate is None or fate.exit_code is None:
        return el("span", "has not ended" if fate is None else "never started", class_="dim")
    restarts = f", {fate.restarts} restarts" if fate.restarts else ""
    look = "dim" if fate.exit_code == 0 else "bad"
    return el("span", f"exit code {fate.exit_code}{restarts}", class_=look)


def _stops(result: Result) -> list[float]:
    return [event.at for event in result.events if event.kind in STOPS]


def _lane(name: str, events: Sequence[Event], scale: Scale, stops: Sequence[float]) -> Markup:
    shapes: list[Markup] = [
        el("rect", width="100%", height=LANE, class_="lane-bg"),
        *_grid(scale, LANE),
    ]
    for bar in bars(events, scale.end):
        thin = bar.look in {"pre", "post"}
        shapes.append(
            el(
                "rect",
                el("title", bar.what),
                x=scale.x(bar.began),
                width=scale.width(bar.began, bar.ended),
                y=LANE - 10 if thin else 4,
                height=7 if thin else LANE - 8,
                class_=bar.look,
            )
        )
    shapes += [
        el("line", x1=scale.x(at), x2=scale.x(at), y1=0, y2=LANE, class_="t0") for at in stops
    ]
    for mark in marks(events):
        if mark.look == "probe":
            shapes.append(
                el("circle", el("title", mark.what), cx=scale.x(mark.at), cy=7, r=3, class_="probe")
            )
        else:
            x = scale.x(mark.at)
            shapes.append(
                el("line", el("title", mark.what), x1=x, x2=x, y1=0, y2=LANE, class_=mark.look)
            )
    told = [*(bar.what for bar in bars(events, scale.end)), *(mark.what for mark in marks(events))]
    return el("svg", *shapes, height=LANE, role="img", aria_label=f"{name}: {'; '.join(told[:30])}")


def _grid(scale: Scale, height: float) -> Iterator[Markup]:
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
        for at in _stops(result)
    ]
    failed = len(result.failed)
    label = f"At most {top} requests in flight; {failed} of {result.sent} lost"
    return join(
        [
            el(
                "svg",
                *_grid(scale, PLOT),
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


def purse(one: Purse, name: str) -> Markup:
    """Where a grace period went: a bar, and below it who spent what."""
    whole = max(one.granted, one.spent, 0.001)
    shapes: list[Markup] = [el("rect", width="100%", height=18, class_="lane-bg")]
    used = 0.0
    shares = [share for share in one.shares if share.seconds >= SEEN]
    for index, share in enumerate(shares):
        shapes.append(
            el(
                "rect",
                el("title", f"{share.who}: {share.seconds:.2f} s"),
                x=f"{used / whole * 100:.3f}%",
                width=f"{max(share.seconds / whole * 100, 0.4):.3f}%",
                height=18,
                class_=f"share s{index % 5}",
            )
        )
        used += share.seconds
    if one.spent > one.granted:
        end = f"{one.granted / whole * 100:.3f}%"
        shapes.append(el("line", x1=end, x2=end, y1=0, y2=18, class_="kill"))
    keys = [
        el("li", swatch(f"share s{index % 5}"), f"{share.who} ", el("b", f"{share.seconds:.2f} s"))
        for index, share in enumerate(shares)
    ]
    keys.append(el("li", swatch("lane-bg"), "unused ", el("b", f"{one.unused:.2f} s")))
    return el(
        "figure",
        el(
            "figcaption",
            el("b", name),
            " ",
            el("span", f"{one.spent:.1f} s of {one.granted:g} s", class_="dim"),
        ),
        el("svg", *shapes, height=18, aria_hidden="true"),
        el("ul", *keys, class_="legend"),
        class_="lane",
    )


def swatch(look: str) -> Markup:
    return el(
        "svg",
        el("rect", width=12, height=12, class_=look),
        width=12,
        height=12,
        class_="swatch",
        aria_hidden="true",
    )


def legend() -> Markup:
    return el(
        "ul", *(el("li", swatch(look), what) for look, what in LEGEND.items()), class_="legend"
    )
