"""YAML with its reasons: what is written for people says beside each value why it is there."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import yaml

WIDTH: Final = 100
"""Columns of a comment."""
PLAIN: Final = re.compile(r"(?![yn]$)(-{0,2}[a-z_/$]|--$)", re.IGNORECASE)
"""How a word begins that needs no quotes. Readers do not agree on what is a number: 1e3 is one for Go, and none for us."""
COMMAND: Final = "kubectl "
"""How the line of a comment begins that is to be run."""


class Field(NamedTuple):
    """A key, its value, and the reason for it.

    A list of fields is a mapping, a tuple of words a list in one line, and `Items` a list of mappings.
    """

    key: str
    value: "str | int | tuple[str, ...] | list[Field] | Items"
    why: str = ""


class Items(tuple[list[Field], ...]):
    """A list of mappings."""

    __slots__ = ()


def to_yaml(fields: Sequence[Field], *, above: str = "") -> str:
    """The mapping that these fields are, below a comment."""
    head = [*_comment(above, ""), ""] if above else []
    return "".join(f"{line}\n" for line in (*head, *_lines(fields, "")))


def _lines(fields: Sequence[Field], indent: str) -> Iterator[str]:
    for key, value, why in fields:
        yield from _comment(why, indent)
        if isinstance(value, Items):
            yield f"{indent}{key}:"
            for item in value:
                first, *rest = _lines(item, indent + "    ")
                yield from _after_the_dash(first, rest, indent)
        elif isinstance(value, list):
            yield f"{indent}{key}:" if value else f"{indent}{key}: {{}}"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}{key}: {_scalar(value)}"


def _after_the_dash(first: str, rest: Sequence[str], indent: str) -> Iterator[str]:
    # A comment in front of the first key stands above the dash.
    lines = [first, *rest]
    while lines[0].lstrip().startswith("#"):
        yield f"{indent}  {lines.pop(0).lstrip()}"
    yield f"{indent}  - {lines[0].lstrip()}"
    yield from lines[1:]


def _scalar(value: str | int | tuple[str, ...]) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_scalar(word) for word in value)}]"
    if isinstance(value, str) and not (PLAIN.match(value) and _dumped(value, None) == value):
        return _dumped(value, '"')
    return _dumped(value, None)


def _dumped(value: str | int, style: str | None) -> str:
    # In a list in one line, because there more words need quotes than out of it.
    text: str = yaml.safe_dump(
        [value],
        default_flow_style=True,
        default_style=style,
        allow_unicode=True,
        width=float("inf"),
    )
    return text.strip()[1:-1]


def _comment(text: str, indent: str) -> Iterator[str]:
    for line in text.splitlines():
        # A command is copied: it stays in one line.
        width = len(line) if line.startswith(COMMAND) else WIDTH - len(indent) - 2
        for part in textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False):
            yield f"{indent}# {part}"
