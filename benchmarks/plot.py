"""Draws what a benchmark kept as SVG, in the page's own colours; knows no library, and no figures but those it is given."""

from collections.abc import Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT = 720, 150
LEFT, TOP, GAP = 44, 34, 62
"""Pixels: one panel, its margins, and what is between two."""
STEP = 0.01
"""Seconds from point to point."""
GRID = 10
"""Requests from line to line."""

STYLE = """
.flight { max-width: 100%; height: auto; color: inherit; font: 12px sans-serif; }
.flight text { fill: currentColor; }
.flight .name { font-weight: bold; font-size: 14px; }
.flight .grid { stroke: currentColor; opacity: .15; }
.flight .mark { stroke: currentColor; stroke-dasharray: 3 3; opacity: .7; }
.flight .all { fill: none; stroke: currentColor; opacity: .55; }
.flight .old { fill: var(--color-brand-primary, #0a4bff); fill-opacity: .3; stroke: var(--color-brand-primary, #0a4bff); }
.flight .failed { stroke: #d62828; stroke-width: 1.5; }
.flight .failures { fill: #d62828; }
"""

Times = dict[str, list[float]]


def in_flight(began: Sequence[float], ended: Sequence[float], at: float) -> int:
    return sum(first <= at < last for first, last in zip(began, ended, strict=True))


def timeline(raw: dict[str, Any]) -> str:
    """A panel for each subject, all on the same axes."""
    panels: dict[str, Times] = raw
    starts = [began for times in panels.values() for began in times["other, began"]]
    ends = [times["exited"][0] for times in panels.values()]
    ends += [ended for times in panels.values() for ended in times["other, ended"]]
    # The last answers come when no load follows them: that is the end of the measurement, and no news.
    first, last = max(-1.0, min(starts)), max(ends) - 0.6
    most = max(_most(times, first, last) for times in panels.values())
    height = TOP + len(panels) * (HEIGHT + GAP)
    width = LEFT + WIDTH + 10
    size = f'viewBox="0 0 {width} {height}" width="{width}"'
    parts = [
        f'<svg class="flight" role="img" {size} xmlns="http://www.w3.org/2000/svg">',
        f"<title>{escape(_words(panels))}</title>",
        f"<style>{STYLE}</style>",
    ]
    for number, (name, times) in enumerate(panels.items()):
        parts += _panel(name, times, TOP + number * (HEIGHT + GAP), (first, last), most)
    # One line: a blank one would end the HTML in Markdown.
    return "".join(part.replace("\n", " ") for part in [*parts, "</svg>"])


def _panel(name: str, times: Times, top: float, span: tuple[float, float], most: int) -> list[str]:
    first, last = span
    bottom = top + HEIGHT

    def x(at: float) -> float:
        return LEFT + WIDTH * (at - first) / (last - first)

    def y(count: float) -> float:
        return bottom - HEIGHT * count / most

    def line(values: Sequence[tuple[float, int]]) -> str:
        return " ".join(f"{x(at):.1f},{y(count):.1f}" for at, count in values)

    failed = times["failed, began"]
    kind, verdict = ("failures", f"{len(failed)} failed") if failed else ("none", "none failed")
    parts = [
        f'<text class="name" x="{LEFT}" y="{top - 16}">{escape(name)}</text>',
        f'<text class="{kind}" x="{LEFT + WIDTH}" y="{top - 16}" text-anchor="end">{verdict}</text>',
    ]
    for count in range(0, most + 1, GRID):
        parts.append(f'<path class="grid" d="M{LEFT} {y(count):.1f}H{LEFT + WIDTH}"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{y(count) + 4:.1f}" text-anchor="end">{count}</text>'
        )
    old = _counts(times["old, began"], times["old, ended"], span)
    everywhere = _counts(
        times["old, began"] + times["other, began"],
        times["old, ended"] + times["other, ended"],
        span,
    )
    parts.append(
        f'<polygon class="old" points="{x(first):.1f},{bottom} {line(old)} {x(last):.1f},{bottom}"/>'
    )
    parts.append(f'<polyline class="all" points="{line(everywhere)}"/>')
    ticks = [f"M{x(at):.1f} {bottom}v-12" for at in failed if first <= at <= last]
    if ticks:
        parts.append(f'<path class="failed" d="{"".join(ticks)}"/>')
    for label, at in (
        ("SIGTERM", 0.0),
        ("HAProxy lets go", times["let go"][0]),
        ("exit", times["exited"][0]),
    ):
        if at <= last:
            parts.append(f'<path class="mark" d="M{x(at):.1f} {top}V{bottom}"/>')
            parts.append(f'<text x="{x(at):.1f}" y="{top - 3}" text-anchor="middle">{label}</text>')
    parts += [
        f'<text x="{x(second):.1f}" y="{bottom + 15}" text-anchor="middle">{second} s</text>'
        for second in range(int(first), int(last) + 1)
    ]
    return parts


def _counts(
    began: Sequence[float], ended: Sequence[float], span: tuple[float, float]
) -> list[tuple[float, int]]:
    """The corners of the curve."""
    first, last = span
    corners = [(first, in_flight(began, ended, first))]
    for number in range(1, int((last - first) / STEP) + 1):
        at = first + number * STEP
        count = in_flight(began, ended, at)
        if count != corners[-1][1]:
            corners += [(at, corners[-1][1]), (at, count)]
    return [*corners, (last, corners[-1][1])]


def _most(times: Times, first: float, last: float) -> int:
    began, ended = (
        times["old, began"] + times["other, began"],
        times["old, ended"] + times["other, ended"],
    )
    top = max(count for _, count in _counts(began, ended, (first, last)))
    return -(-max(top, 1) // GRID) * GRID


def _words(panels: dict[str, Times]) -> str:
    return "Requests in flight across a restart. " + " ".join(
        f"{name}: {len(times['failed, began'])} failed, the old process exits after {times['exited'][0]:.1f} s."
        for name, times in panels.items()
    )
