"""Where things stand in a manifest."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Where:
    """A position in a file; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


NOWHERE = Where("<nowhere>", 1, 1)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a piece of the manifest stands, and where each of the keys stands that are written in it."""

    where: Where = NOWHERE
    keys: Mapping[str, Where] = field(default_factory=dict[str, Where])

    def at(self, *names: str) -> Where:
        """The first of these keys that is written, else the piece itself."""
        return next((self.keys[name] for name in names if name in self.keys), self.where)

    def has(self, name: str) -> bool:
        return name in self.keys


NO_PLACE = Place()
"""Of what no manifest says."""
