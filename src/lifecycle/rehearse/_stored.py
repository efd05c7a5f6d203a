"""Results that `--json` wrote, read again. Anybody may have written the file: what is not as it should be is refused."""

import json
import math
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

from lifecycle.core import RehearsalError
from lifecycle.kube import Where
from lifecycle.rehearse._events import JSON, Event, Kind
from lifecycle.rehearse._result import (
    Fate,
    Finding,
    Outcome,
    Promise,
    Purse,
    Result,
    Sample,
    Severity,
    Share,
    Totals,
    Way,
)

LARGEST: Final = 64 * 2**20
"""Bytes of a file: an hour of requests is less."""
MOST: Final = 1e9
"""No second and no count is above it."""

Word = TypeVar("Word", bound=StrEnum)


def read_results(path: Path) -> tuple[Result, ...]:
    """The rehearsals in a file that `--json` wrote; of their answered requests only the totals are in it.

    Raises:
        RehearsalError: It cannot be read, or is something else.
    """
    try:
        whole = _Part(_content(path), "")
        parts = [*whole.each("rehearsals")] if whole.has("rehearsals") else [whole]
        results = tuple(map(_result, parts))
    except (OSError, ValueError, RecursionError) as error:
        raise RehearsalError(f"{path}: {error}: give a file that --json wrote") from None
    if not results:
        raise RehearsalError(f"{path}: no rehearsal in it: give a file that --json wrote")
    return results


def _content(path: Path) -> Any:
    with path.open("rb") as file:
        written = file.read(LARGEST + 1)
    if len(written) > LARGEST:
        raise ValueError(f"larger than {LARGEST // 2**20} MiB")
    return json.loads(written.decode("utf-8"))


class _Part:
    """An object of the file, with the way to it. What is asked for is there, and of its type, or a ValueError."""

    def __init__(self, content: Any, way: str) -> None:
        if not isinstance(content, dict):
            raise ValueError(f"{way or 'the file'} is no object")  # noqa: TRY004 - of the file, and no fault of the program
        self._content: Mapping[str, Any] = content  # pyright: ignore[reportUnknownMemberType] - from JSON
        self._way = way

    def has(self, name: str) -> bool:
        return name in self._content

    def _of(self, name: str, *types: type) -> Any:
        if name not in self._content:
            raise ValueError(f"{self._at(name)} is missing")
        value = self._content[name]
        # To Python a truth value is a number.
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise ValueError(f"{self._at(name)} is not what it should be")
        return value

    def _at(self, name: str) -> str:
        return f"{self._way}.{name}" if self._way else name

    def text(self, name: str) -> str:
        return str(self._of(name, str))

    def text_or_none(self, name: str) -> str | None:
        return None if self._of(name, str, type(None)) is None else self.text(name)

    def word(self, name: str, words: type[Word]) -> Word:
        try:
            return words(self.text(name))
        except ValueError:
            raise ValueError(f"{self._at(name)} is unknown") from None

    def number(self, name: str) -> float:
        value = float(self._of(name, int, float))
        if not math.isfinite(value) or abs(value) > MOST:
            raise ValueError(f"{self._at(name)} is out of range")
        return value

    def count(self, name: str) -> int:
        value = int(self._of(name, int))
        if not 0 <= value <= MOST:
            raise ValueError(f"{self._at(name)} is out of range")
        return value

    def count_or(self, name: str, default: int) -> int:
        """What files of before this version do not have."""
        return self.count(name) if self.has(name) else default

    def flag(self, name: str) -> bool | None:
        value: bool | None = self._of(name, bool, type(None))
        return value

    def moment(self, name: str) -> float | None:
        return None if self._of(name, int, float, type(None)) is None else self.number(name)

    def part(self, name: str) -> "_Part":
        return _Part(self._of(name, dict), self._at(name))

    def each(self, name: str) -> "Iterator[_Part]":
        for index, one in enumerate(self._of(name, list)):
            yield _Part(one, f"{self._at(name)}[{index}]")

    def names(self) -> Iterator[str]:
        return iter(self._content)

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(str(one) for one in self._of(name, list))

    def flat(self) -> dict[str, JSON]:
        """Without what has parts of its own."""
        return {
            name: value
            for name, value in self._content.items()
            if value is None or isinstance(value, str | int | float)
        }

    def steps(self, name: str) -> Iterator[tuple[float, int]]:
        pairs: list[Any] = self._of(name, list)
        for index, pair in enumerate(pairs):
            match pair:
                case [at, count]:
                    step = _Part({"at": at, "count": count}, f"{self._at(name)}[{index}]")
                    yield step.number("at"), step.count("count")
                case _:
                    raise ValueError(f"{self._at(name)}[{index}] is no pair")


def _result(part: _Part) -> Result:
    requests = part.part("requests")
    latency = requests.part("latency")
    containers, phases = part.part("containers"), part.part("phases")
    return Result(
        title=part.text("title"),
        scenario=part.text("scenario"),
        what=part.text("what"),
        events=tuple(map(_event, part.each("events"))),
        containers={name: _fate(containers.part(name)) for name in containers.names()},
        samples=tuple(map(_sample, requests.each("failures"))),
        totals=Totals(
            sent=requests.count("sent"),
            p50=latency.moment("p50"),
            p99=latency.moment("p99"),
            in_flight=tuple(requests.steps("in_flight")),
        ),
        reconnected=requests.count("reconnected"),
        findings=tuple(map(_finding, part.each("findings"))),
        promises=tuple(map(_promise, part.each("promises"))),
        purses=tuple(map(_purse, part.each("purses"))),
        phases={name: phases.text(name) for name in phases.names()},
        notes=part.texts("notes"),
        seconds=part.number("seconds"),
    )


def _event(part: _Part) -> Event:
    return Event(
        part.number("at"),
        part.word("kind", Kind),
        part.text("container"),
        part.text("pod"),
        part.text("detail"),
        part.part("data").flat(),
    )


def _fate(part: _Part) -> Fate:
    exit_code = part.moment("exit_code")
    return Fate(
        exit_code=None if exit_code is None else int(exit_code),
        restarts=part.count("restarts"),
        message=part.text("message"),
    )


def _sample(part: _Part) -> Sample:
    return Sample(
        at=part.number("at"),
        seconds=part.number("seconds"),
        outcome=part.word("outcome", Outcome),
        way=part.word("way", Way),
        pod=part.text("pod"),
        path=part.text("path"),
        detail=part.text("detail"),
        after_signal=part.moment("after_signal"),
    )


def _finding(part: _Part) -> Finding:
    return Finding(
        id=part.text("id"),
        severity=part.word("severity", Severity),
        what=part.text("what"),
        fix=part.text("fix"),
        container=part.text("container"),
        pod=part.text("pod"),
        at=part.moment("at"),
        where=_where(part),
        times=part.count_or("times", 1),
    )


def _where(part: _Part) -> Where | None:
    """`file:line:column`, and a file's name may have colons in it."""
    written = part.text_or_none("where")
    if written is None:
        return None
    file, *position = written.rsplit(":", 2)
    if len(position) != 2 or not all(one.isascii() and one.isdigit() for one in position):  # noqa: PLR2004 - line and column
        raise ValueError(f"{written!r} is no place in a file")
    line, column = map(int, position)
    return Where(file, line, column)


def _promise(part: _Part) -> Promise:
    return Promise(
        id=part.text("id"),
        title=part.text("title"),
        kept=part.flag("kept"),
        detail=part.text("detail"),
    )


def _purse(part: _Part) -> Purse:
    return Purse(
        container=part.text("container"),
        pod=part.text("pod"),
        granted=part.number("granted"),
        began=part.number("began"),
        shares=tuple(
            Share(who=one.text("who"), began=one.number("began"), seconds=one.number("seconds"))
            for one in part.each("shares")
        ),
        life=part.count_or("life", 1),
    )
