"""YAML's events as values that know where they stand.

PyYAML's own composer recurses as deep as the text likes, forgets positions and keeps the last of two equal keys. What is
too deep, goes in a circle or unfolds to millions is refused here, and every refusal has its place.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

import yaml

from lifecycle.core import ManifestError
from lifecycle.kube._scalars import Scalar, resolve

MAX_DEPTH: Final = 100
"""Kubernetes' own schemas need some twenty, those of custom resources are deeper."""
MAX_COPIES: Final = 100_000
"""Values that aliases may repeat, all in all: a billion laughs are not unfolded."""

Value: TypeAlias = "Scalar | list[Node] | dict[str, Entry]"


@dataclass(slots=True)
class Node:
    """A value and where it begins. Lines and columns count from 1."""

    line: int
    column: int
    value: Value = None
    size: int = 1
    """Of all values in it, itself included, with aliases unfolded."""
    complete: bool = True


class Entry(NamedTuple):
    """A key's place and its value."""

    line: int
    column: int
    node: Node


@dataclass(slots=True)
class _Open:
    """A list or mapping that has begun, and the key whose value comes next."""

    node: Node
    key: Node | None = None
    merged: list[tuple[Node, Node]] = field(default_factory=list["tuple[Node, Node]"])
    """`<<` and what it brings in."""


class Composer:
    """The lists and mappings that are open are its only depth: no text makes it recurse."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.anchors: dict[str, Node] = {}
        self.open: list[_Open] = []
        self.copies = 0

    def compose(self, events: Iterable[yaml.Event]) -> Iterator[Node]:
        """Every document that is not empty."""
        for event in events:
            node = self._step(event)
            if node is not None and not self.open and not (node.value is None and node.size == 1):
                yield node

    def _step(self, event: yaml.Event) -> Node | None:
        """The value that this event completes."""
        mark = event.start_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        match event:
            case yaml.DocumentStartEvent():
                self.anchors.clear()
                return None
            case yaml.ScalarEvent(value=text, tag=tag, implicit=implicit, anchor=anchor):
                node = Node(line, column, resolve(text, tag, plain=implicit[0]))
                self._name(anchor, node)
            case yaml.AliasEvent(anchor=anchor):
                node = self._repeated(anchor, line, column)
            case yaml.SequenceStartEvent(anchor=anchor) | yaml.MappingStartEvent(anchor=anchor):
                if len(self.open) >= MAX_DEPTH:
                    raise self._fault(
                        f"more than {MAX_DEPTH} lists and mappings in each other: no manifest is so deep",
                        line,
                        column,
                    )
                empty: Value = [] if isinstance(event, yaml.SequenceStartEvent) else {}
                node = Node(line, column, empty, complete=False)
                self._name(anchor, node)
                self.open.append(_Open(node))
                return None
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                ended = self.open.pop()
                self._merge(ended)
                node = ended.node
                node.complete = True
            case _:
                return None
        if self.open:
            self._add(self.open[-1], node)
        return node

    def _name(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self.anchors[anchor] = node

    def _repeated(self, anchor: str | None, line: int, column: int) -> Node:
        node = self.anchors.get(anchor or "")
        if node is None:
            raise self._fault(
                f"*{anchor} repeats what nothing above is called: write &{anchor} before it",
                line,
                column,
            )
        if not node.complete:
            raise self._fault(
                f"*{anchor} stands inside of what it repeats (line {node.line}), without end:"
                " write out what is meant",
                line,
                column,
            )
        self.copies += node.size
        if self.copies > MAX_COPIES:
            raise self._fault(
                f"aliases repeat more than {MAX_COPIES} values: no manifest does, write them out",
                line,
                column,
            )
        return node

    def _add(self, parent: _Open, node: Node) -> None:
        parent.node.size += node.size
        match parent.node.value:
            case list() as items:
                items.append(node)
            case dict() as entries:
                if parent.key is None:
                    parent.key = node
                    return
                key, parent.key = parent.key, None
                if isinstance(key.value, list | dict):
                    raise self._fault(
                        "a key has to be a word, and this is a list or a mapping: if it is a template,"
                        " render it first (helm template … | lifecycle check -)",
                        key.line,
                        key.column,
                    )
                name = _name_of(key.value)
                if name == "<<":
                    parent.merged.append((key, node))
                elif first := entries.get(name):
                    raise self._fault(
                        f"{name!r} is written twice (line {first.line} has it too), and one of them is lost:"
                        " keep one",
                        key.line,
                        key.column,
                    )
                else:
                    entries[name] = Entry(key.line, key.column, node)
            case _:
                raise AssertionError(parent)

    def _merge(self, ended: _Open) -> None:
        """What `<<` brings in counts unless it is written out: https://yaml.org/type/merge.html."""
        for key, brought in ended.merged:
            several = brought.value if isinstance(brought.value, list) else [brought]
            for one in several:
                if not isinstance(one.value, dict) or not isinstance(ended.node.value, dict):
                    raise self._fault("<< takes a mapping, or a list of them", key.line, key.column)
                for name, entry in one.value.items():
                    ended.node.value.setdefault(name, entry)

    def _fault(self, text: str, line: int, column: int) -> ManifestError:
        return ManifestError(text, file=self.file, line=line, column=column)


def _name_of(key: Scalar) -> str:
    """`on` and `1` are keys of ConfigMaps too, and go unread."""
    return key if isinstance(key, str) else str(key).lower()
