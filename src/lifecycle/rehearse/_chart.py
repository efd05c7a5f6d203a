"""The lives of containers on paper, one lane each."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from lifecycle.rehearse._events import STOPS, Event, Kind
from lifecycle.rehearse._markup import Markup, el, join, swatch
from lifecycle.rehearse._result import Result
from lifecycle.rehearse._scale import Scale, axis, grid

LANE: Final = 26
"""Pixels of height."""


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
            el("figcaption", el("b", name), " ", _ending(result, name, events)),
            _lane(name, events, scale, _stops(result, events[0].pod)),
            class_="lane",
        )
        for name, events in lanes(result).items()
    ]
    return join([*drawn, axis(scale)])


def _ending(result: Result, name: str, events: Sequence[Event]) -> Markup:
    fate = result.containers.get(name)
    if fate is None or fate.exit_code is None:
        started = any(event.kind is Kind.STARTED for event in events)
        return el("span", "has not ended" if started else "never started", class_="dim")
    restarts = f", {fate.restarts} restarts" if fate.restarts else ""
    look = "dim" if fate.exit_code == 0 else "bad"
    return el("span", f"exit code {fate.exit_code}{restarts}", class_=look)


def _stops(result: Result, pod: str) -> list[float]:
    """Of this pod: that of another is none of its business."""
    return [event.at for event in result.events if event.kind in STOPS and event.pod == pod]


def _lane(name: str, events: Sequence[Event], scale: Scale, stops: Sequence[float]) -> Markup:
    shapes: list[Markup] = [
        el("rect", width="100%", height=LANE, class_="lane-bg"),
        *grid(scale, LANE),
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


def legend() -> Markup:
    return el(
        "ul", *(el("li", swatch(look), what) for look, what in LEGEND.items()), class_="legend"
    )
