"""Draws a state machine as SVG, from top to bottom; knows nothing of ours, and needs nothing.

A state's row is the longest way to it from the start; the first state of a row stands in the main column, the second
beside it. Moves down the main column are straight, those that skip a row go round on the left, all others slant.
Colours are the page's own (`currentColor` and furo's variables), so that the picture follows a dark theme.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import NamedTuple

Edge = tuple[str, str, str]

WIDTH, HEIGHT = 150, 36
ROW, COLUMN = 110, 320
LEFT, TOP = 310, 30
LINE = 15
"""Pixels: a box, the distance from box to box, the margins, a line of a label."""

STYLE = """
.states { max-width: 100%; height: auto; color: inherit; font: 13px sans-serif; }
.states rect { fill: var(--color-background-secondary, #f8f8f8); stroke: currentColor; }
.states path { fill: none; stroke: currentColor; opacity: .6; }
.states text { fill: currentColor; paint-order: stroke; stroke: var(--color-background-primary, #fff); stroke-width: 4px; }
.states .state { font-weight: bold; text-anchor: middle; stroke: none; }
"""
TIP = """\
<marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">
<path d="M0 0 L8 4 L0 8" style="opacity: 1"/></marker>"""


class Point(NamedTuple):
    x: float
    y: float


def rows(states: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """The longest way from the start to each state; there is no way back in a life."""
    row = dict.fromkeys(states, 0)
    for _ in states:
        for before, _event, after in edges:
            row[after] = max(row[after], row[before] + 1)
    if max(row.values()) >= len(states):
        raise ValueError("the moves go in a circle: this draws lives, which do not")
    return row


def places(states: Sequence[str], edges: Sequence[Edge]) -> dict[str, Point]:
    """The middle of each box."""
    taken: dict[int, int] = {}
    place: dict[str, Point] = {}
    for state, row in rows(states, edges).items():
        column = taken.get(row, 0)
        taken[row] = column + 1
        place[state] = Point(LEFT + column * COLUMN, TOP + row * ROW)
    return place


def draw(states: Sequence[str], edges: Sequence[Edge]) -> str:
    """An `<svg>` element with every state and every move."""
    place = places(states, edges)
    events: dict[tuple[str, str], list[str]] = {}
    for before, event, after in edges:
        events.setdefault((before, after), []).append(event)
    width = max(point.x for point in place.values()) + WIDTH
    height = max(point.y for point in place.values()) + HEIGHT
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
    parts = [
        f'<svg class="states" role="img" {size} xmlns="http://www.w3.org/2000/svg">',
        f"<title>{escape(_words(events))}</title>",
        f"<style>{STYLE}</style>",
        TIP,
    ]
    for (before, after), names in events.items():
        parts += _move(place[before], place[after], names)
    for state, (x, y) in place.items():
        parts.append(
            f'<rect x="{x - WIDTH / 2:g}" y="{y - HEIGHT / 2:g}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        )
        parts.append(f'<text class="state" x="{x:g}" y="{y + 5:g}">{escape(state)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _words(events: Mapping[tuple[str, str], Sequence[str]]) -> str:
    """The same for those who cannot see it."""
    return " ".join(
        f"{before} → {after}: {', '.join(names)}." for (before, after), names in events.items()
    )


def _move(start: Point, end: Point, events: Sequence[str]) -> Iterator[str]:
    skips = start.x == end.x == LEFT and end.y - start.y > ROW
    if skips:
        # Round on the left, the further the more rows are skipped.
        far = LEFT - WIDTH / 2 - (end.y - start.y) * 0.42
        edge = LEFT - WIDTH / 2
        path = f"M{edge:g} {start.y:g} C{far:g} {start.y:g} {far:g} {end.y:g} {edge:g} {end.y:g}"
        label = Point(edge - (edge - far) * 0.75, (start.y + end.y) / 2)
        anchor = "middle"
    else:
        below, above = start.y + HEIGHT / 2, end.y - HEIGHT / 2
        path = f"M{start.x:g} {below:g} L{end.x:g} {above:g}"
        label = Point((start.x + end.x) / 2 + 8, (below + above) / 2)
        anchor = "start"
    yield f'<path d="{path}" marker-end="url(#tip)"/>'
    first = label.y - (len(events) - 1) * LINE / 2 + 4
    if start.x != end.x:
        # A slanted line falls away to the right: all of the label stands above it.
        first = label.y - (len(events) - 1) * LINE - 6
    for number, event in enumerate(events):
        yield (
            f'<text x="{label.x:g}" y="{first + number * LINE:g}" text-anchor="{anchor}">{escape(event)}</text>'
        )
