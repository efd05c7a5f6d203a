"""A grace period on paper."""

from collections.abc import Mapping
from typing import Final

from lifecycle.rehearse._markup import Markup, el, swatch
from lifecycle.rehearse._purse import PHASES, PRE_STOP, WAITING
from lifecycle.rehearse._result import Purse, Share

SEEN: Final = 0.005
"""Seconds: what is less is written as 0.00."""
LOOKS: Final[Mapping[str, str]] = {
    PRE_STOP: "s0",
    **{who: f"s{number}" for number, who in enumerate(PHASES.values(), start=2)},
    WAITING: "s5",
}
AFTER_SIGNAL_LOOK: Final = "s1"
"""Hook and signal have the colours that they have in a container's life."""


def purse(one: Purse, name: str) -> Markup:
    """Where a grace period went: a bar, and below it who spent what."""
    whole = max(one.granted, one.spent, 0.001)
    shapes: list[Markup] = [el("rect", width="100%", height=18, class_="lane-bg")]
    used = 0.0
    shares = [share for share in one.shares if share.seconds >= SEEN]
    for share in shares:
        shapes.append(
            el(
                "rect",
                el("title", f"{share.who}: {share.seconds:.2f} s"),
                x=f"{used / whole * 100:.3f}%",
                width=f"{max(share.seconds / whole * 100, 0.4):.3f}%",
                height=18,
                class_=f"share {_look(share)}",
            )
        )
        used += share.seconds
    if one.spent > one.granted:
        end = f"{one.granted / whole * 100:.3f}%"
        shapes.append(el("line", x1=end, x2=end, y1=0, y2=18, class_="kill"))
    keys = [
        el(
            "li",
            swatch(f"share {_look(share)}"),
            f"{share.who} ",
            el("b", f"{share.seconds:.2f} s"),
        )
        for share in shares
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


def _look(share: Share) -> str:
    """The same for everybody, so that bars can be compared."""
    return LOOKS.get(share.who, AFTER_SIGNAL_LOOK)
