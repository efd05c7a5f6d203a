"""YAML and JSON as values that know where they stand.

Manifests come from strangers: what is too big, too deep, goes in a circle or unfolds to millions is refused, and every
refusal has its place. PyYAML gives the events; its own composer recurses as deep as the text likes, forgets positions
and keeps the last of two equal keys.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

import yaml

from lifecycle.core import ManifestError
from lifecycle.kube._scalars import Scalar, resolve

MAX_BYTES: Final = 16 * 1024 * 1024
"""Some thousand pods as `kubectl get -o json` prints them; etcd takes 1.5 MiB for one object."""
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


def read(source: str | bytes, file: str) -> Iterator[Node]:
    """Every document in a text that is not empty.

    Raises:
        ManifestError: It cannot be read; the message says where and what to do.
    """
    if len(source) > MAX_BYTES:
        raise ManifestError(
            f"it has more than {MAX_BYTES >> 20} MiB: give it in parts, for example by namespace",
            file=file,
        )
    text = decode(source, file) if isinstance(source, bytes) else source
    if wrong := _UNPRINTABLE.search(text):
        line, column = _position(text, wrong.start())
        raise ManifestError(
            f"the character U+{ord(wrong[0]):04X} has no place in YAML or JSON:"
            " is this a manifest? If so, remove it or write it as an escape in double quotes",
            file=file,
            line=line,
            column=column,
        )
    if text.lstrip().startswith(("{", "[")):
        text = _JSON_ONLY.sub(_as_yaml, text)
    try:
        yield from _Composer(file).compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ManifestError(
            f"this is no YAML: {error.problem or error.context}{_hint(text)}",
            file=file,
            line=mark.line + 1 if mark else 1,
            column=mark.column + 1 if mark else 1,
        ) from None
    except yaml.YAMLError as error:
        raise ManifestError(f"this is no YAML: {error}", file=file) from None


# What YAML allows: https://yaml.org/spec/1.1/#c-printable
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# JSON is YAML but for two things: tabs between tokens, and characters beyond U+FFFF escaped as two.
# A string that never ends is taken to the end at once: looking again from each of its quotes would take for ever.
_JSON_ONLY = re.compile(r'(?P<tab>\t)|(?P<string>"(?:[^"\\]|\\.)*+(?:"|\\?\Z))', re.DOTALL)
_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u(d[89ab]..)\\u(d[c-f]..)", re.IGNORECASE)


def _as_yaml(found: re.Match[str]) -> str:
    return " " if found["tab"] else _PAIR.sub(_joined, found["string"])


def _joined(pair: re.Match[str]) -> str:
    try:
        high, low = int(pair[2], 16), int(pair[3], 16)
    except ValueError:
        return pair[0]
    return f"{pair[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),  # what PowerShell writes with `>`
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode(source: bytes, file: str) -> str:
    """Text from bytes: UTF-8, or what its byte order mark says."""
    mark, encoding = next((row for row in _MARKS if source.startswith(row[0])), (b"", "utf-8"))
    body = source[len(mark) :]
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        line, column = _position(body[: error.start].decode(encoding, "replace"))
        raise ManifestError(
            f"byte 0x{body[error.start]:02x} is no {encoding.upper()}: save the file as UTF-8",
            file=file,
            line=line,
            column=column,
        ) from None


def _position(text: str, index: int | None = None) -> tuple[int, int]:
    before = text if index is None else text[:index]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _hint(text: str) -> str:
    if "{{" in text:
        return ": is it a template? Render it first: helm template … | lifecycle check -"
    return ""


# libyaml is ten times as fast; a wheel of PyYAML has it, a build without a compiler has not.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


# The stubs do not say what it yields, to pyright at least.
_parse: Callable[..., Iterator[yaml.Event]] = yaml.parse  # pyright: ignore[reportUnknownMemberType] - as above


def _events(text: str) -> Iterator[yaml.Event]:
    return _parse(text, Loader=_LOADER)


class _Composer:
    def __init__(self, file: str) -> None:
        self.file = file
        self.anchors: dict[str, Node] = {}
        self.open: list[_Open] = []
        self.copies = 0

    def compose(self, text: str) -> Iterator[Node]:
        for event in _events(text):
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
