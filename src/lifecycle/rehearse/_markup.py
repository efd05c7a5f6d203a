"""HTML and SVG, put together from elements: what is not an element is text, and is escaped."""

import html
from collections.abc import Iterable
from typing import Final

VOID: Final = frozenset({"meta", "br"})
EMPTY_SVG: Final = frozenset({"circle", "line", "path", "rect", "use"})


class Markup(str):
    """Text that is markup already. Made by `el` alone."""

    __slots__ = ()


Child = str | float | None | Iterable["Child"]


def el(tag: str, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """An element. `None` leaves an attribute out; `class_` is `class`, and other underscores are hyphens."""
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(_printable(_text(value)))}"'
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in VOID:
        return Markup(f"<{tag}{written}>")
    if tag in EMPTY_SVG and not children:
        return Markup(f"<{tag}{written}/>")
    return Markup(f"<{tag}{written}>{join(children)}</{tag}>")


def join(children: Iterable[Child]) -> Markup:
    return Markup("".join(_child(child) for child in children))


def style(sheet: str) -> Markup:
    """A style sheet of ours. Its text is not escaped, so it is never a stranger's."""
    return Markup(f"<style>{sheet}</style>")


def _child(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, (str, int, float)):
        return html.escape(_printable(_text(child)))
    return join(child)


def _text(value: object) -> str:
    if value is True:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _printable(text: str) -> str:
    # A log line may have terminal colours in it, or what turns the direction of all text behind it.
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)


def swatch(look: str) -> Markup:
    return el(
        "svg",
        el("rect", width=12, height=12, class_=look),
        width=12,
        height=12,
        class_="swatch",
        aria_hidden="true",
    )
