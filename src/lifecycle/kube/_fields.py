"""Fields of a mapping, taken by their types. What is null was not written: so the API server has it."""

import json
from collections.abc import Iterator
from typing import Final, NoReturn

from lifecycle.core import ManifestError
from lifecycle.kube._compose import Node
from lifecycle.kube._where import Place, Where

LARGEST: Final = 2**63 - 1
"""Go's int64: the API server takes no larger number."""
SHOWN: Final = 40
"""Characters of a wrong value that a message repeats."""


class Fields:
    """A mapping of the manifest. `path` says where in the object it stands, for messages."""

    def __init__(self, node: Node, file: str, path: str) -> None:
        if not isinstance(node.value, dict):
            _wrong(node, file, path, "a mapping", f"write `{_last(path)}:` and its fields below it")
        self.file = file
        self.path = path
        self._node = node
        self._entries = {
            name: entry for name, entry in node.value.items() if entry.node.value is not None
        }

    @property
    def place(self) -> Place:
        keys = {
            name: Where(self.file, entry.line, entry.column)
            for name, entry in self._entries.items()
        }
        return Place(Where(self.file, self._node.line, self._node.column), keys)

    def names(self) -> tuple[str, ...]:
        return tuple(self._entries)

    def inner(self, name: str) -> "Fields | None":
        """A mapping in this one."""
        found = self._found(name)
        return None if found is None else Fields(found, self.file, self._path(name))

    def items(self, name: str) -> "Iterator[Fields]":
        """The mappings of a list."""
        for index, node in enumerate(self._list(name)):
            yield Fields(node, self.file, f"{self._path(name)}[{index}]")

    def text(self, name: str) -> str | None:
        found = self._found(name)
        return None if found is None else _text(found, self.file, self._path(name))

    def texts(self, name: str) -> tuple[str, ...] | None:
        """A list of words, as commands are."""
        if name not in self._entries:
            return None
        return tuple(
            _text(node, self.file, f"{self._path(name)}[{index}]")
            for index, node in enumerate(self._list(name))
        )

    def mapping(self, name: str) -> dict[str, str]:
        """Words by words, as labels are."""
        inner = self.inner(name)
        return {} if inner is None else {key: inner.text(key) or "" for key in inner.names()}

    def number(self, name: str, default: int = 0) -> int:
        found = self.whole(name)
        return default if found is None else found

    def whole(self, name: str) -> int | None:
        """A whole number. Kubernetes has no others."""
        found = self._found(name)
        if found is None:
            return None
        value = found.value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > LARGEST:
            _wrong(found, self.file, self._path(name), "a whole number", _as_number(name, value))
        return value

    def either(self, name: str) -> int | str | None:
        """A number or a word, as ports are."""
        found = self._found(name)
        value = None if found is None else found.value
        return value or None if isinstance(value, str) else self.whole(name)

    def flag(self, name: str) -> bool:
        """True or false; false if it is not written."""
        found = self._found(name)
        if found is None:
            return False
        if not isinstance(found.value, bool):
            _wrong(found, self.file, self._path(name), "true or false", f"write `{name}: true`")
        return found.value

    def fault(self, name: str, what: str) -> NoReturn:
        """Refuse a field that has the right type and cannot be right."""
        entry = self._entries.get(name)
        line, column = (entry.line, entry.column) if entry else (self._node.line, self._node.column)
        raise ManifestError(
            f"{self._path(name) if name else self.path} {what}",
            file=self.file,
            line=line,
            column=column,
        )

    def _found(self, name: str) -> Node | None:
        entry = self._entries.get(name)
        return None if entry is None else entry.node

    def _list(self, name: str) -> list[Node]:
        found = self._found(name)
        if found is None:
            return []
        if not isinstance(found.value, list):
            _wrong(
                found, self.file, self._path(name), "a list", "begin each of its items with `- `"
            )
        return found.value

    def _path(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


def _text(node: Node, file: str, path: str) -> str:
    if not isinstance(node.value, str):
        quoted = f'quote it: "{_shown(node)}"'
        _wrong(node, file, path, "a text", quoted if _is_scalar(node) else "write a text in quotes")
    return node.value


def _as_number(name: str, value: object) -> str:
    if isinstance(value, str) and value.strip().isdecimal():
        return f"write it without quotes, `{name}: {value.strip()[:SHOWN]}`"
    return f"write for example `{name}: 30`"


def _wrong(node: Node, file: str, path: str, wanted: str, instead: str) -> NoReturn:
    raise ManifestError(
        f"{path or 'the document'} is {_kind(node)}, and has to be {wanted}: {instead}",
        file=file,
        line=node.line,
        column=node.column,
    )


def _kind(node: Node) -> str:
    match node.value:
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case None:
            return "empty"
        case bool():
            return f"`{_shown(node)}`"
        case int() | float():
            return f"the number {_shown(node)}"
        case str():
            return f"the text {_shown(node, quoted=True)}"


def _shown(node: Node, *, quoted: bool = False) -> str:
    value = node.value
    text = (
        str(value).lower() if not isinstance(value, str) else json.dumps(value) if quoted else value
    )
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _is_scalar(node: Node) -> bool:
    return not isinstance(node.value, list | dict | None)


def _last(path: str) -> str:
    return path.rpartition(".")[2].partition("[")[0] or "kind"
