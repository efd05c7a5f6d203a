"""What happens, as lines of text: when, who, what. In colour only where somebody looks at a terminal."""

import os
import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TextIO

WIDTH: Final = 96
COLUMN: Final = 20
"""Where the text of a line begins."""

COLOURS: Final = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}
WHO: Final = {"kubelet": "cyan", "postStart": "magenta", "app": "green", "client": "yellow"}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a purse."""

    letter: str
    name: str
    colour: str
    seconds: float


class Timeline:
    """Prints as things happen; seconds are counted from its making."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._began = time.monotonic()
        self._coloured = (
            stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )

    def heading(self, text: str) -> None:
        self.print(f"\n{self.paint('bold', text)}\n{self.paint('dim', '-' * len(text))}")

    def note(self, who: str, what: str) -> None:
        seconds = time.monotonic() - self._began
        first, *more = textwrap.wrap(
            what, WIDTH - COLUMN, break_on_hyphens=False, break_long_words=False
        )
        name = self.paint(WHO.get(who, "dim"), f"{who:<9}")
        self.print(f"{seconds:6.2f} s  {name} {first}")
        for line in more:
            self.print(" " * COLUMN + line)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Words to the left, numbers to the right."""
        cells = [[str(cell) for cell in row] for row in (head, *rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
        for row in cells:
            padded = [
                cell.rjust(width) if isinstance(model, int) else cell.ljust(width)
                for cell, width, model in zip(row, widths, rows[0], strict=True)
            ]
            self.print(f"  {'  '.join(padded)}".rstrip())

    def purse(self, parts: Sequence[Part], whole: float) -> None:
        """How much of `whole` seconds went where: a bar, and below it what its letters mean."""
        width, drawn, bar = WIDTH - 4, 0, ""
        for part in parts:
            # What took any time at all is seen.
            cells = max(round(part.seconds / whole * width), part.seconds > 0)
            cells = min(cells, width - drawn)
            bar += self.paint(part.colour, part.letter * cells)
            drawn += cells
        left = whole - sum(part.seconds for part in parts)
        self.print(f"  [{bar}{'.' * (width - drawn)}]")
        for part in (*parts, Part(".", "left", "dim", left)):
            self.print(
                f"   {self.paint(part.colour, part.letter)}  {part.seconds:6.2f} s  {part.name}"
            )

    def paint(self, colour: str, text: str) -> str:
        return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if self._coloured and text else text

    def print(self, text: str) -> None:
        print(text, file=self._stream, flush=True)
