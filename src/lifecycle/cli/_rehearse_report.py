"""What is left of a rehearsal: the lines that are printed, the page, the JSON, and how it compares with an earlier one."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifecycle.cli._extra import Unusable
from lifecycle.cli._output import show

if TYPE_CHECKING:
    from lifecycle.rehearse import Advice, Result


def show_lines(lines: Iterable[str]) -> None:
    show("".join(f"{line}\n" for line in lines), what="the report")


def compare(results: "Iterable[Result]", baseline: "Mapping[str, Result]") -> bool:
    """Say what got worse, and whether anything did."""
    from lifecycle.rehearse import worse

    told = [
        f"worse than before, {result.scenario}: {sentence}"
        for result in results
        if result.scenario in baseline
        for sentence in worse(result, baseline[result.scenario])
    ]
    show_lines(told)
    return bool(told)


def page(results: "Sequence[Result]", baseline: "Mapping[str, Result]") -> str:
    """The report as HTML; each that has a baseline stands at its side."""
    from lifecycle.rehearse import to_html

    pairs = [(baseline.get(now.scenario), now) for now in results]
    if not any(before for before, _ in pairs):
        return to_html(results)
    shown: list[Result] = []
    names: list[str] = []
    for before, now in pairs:
        named = f"{now.title}: {now.scenario}"
        if before is not None:
            shown.append(before)
            names.append(f"{before.title}: {before.scenario}, before")
            named += ", now"
        shown.append(now)
        names.append(named)
    return to_html(shown, names=names, compare=True)


def content(results: "Sequence[Result]", advice: "Advice | None") -> str:
    """Everything, as JSON: an object for the only rehearsal, a list in one for several."""
    contents = [result.to_dict() for result in results]
    several: dict[str, Any] = {
        "rehearsals": contents,
        "advice": advice.to_dict() if advice is not None else None,
    }
    return json.dumps(contents[0] if len(contents) == 1 else several, indent=1) + "\n"


def write(file: str, text: str) -> None:
    """Write one of them.

    Raises:
        Unusable: It cannot be written.
    """
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Unusable(f"{file} cannot be written: {error.strerror}") from None


def writable(file: str) -> None:
    """Whether it could be written, before a rehearsal takes its time.

    Raises:
        Unusable: It cannot.
    """
    folder = Path(file).absolute().parent
    if not folder.is_dir():
        raise Unusable(f"{file} cannot be written: there is no folder {folder}; make it first")
