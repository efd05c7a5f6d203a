"""What the play prints is plain text, and coloured where somebody looks at a terminal."""

import io
import re

import pytest

from examples.stage.timeline import WIDTH, Part, Timeline


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def told(stream: io.StringIO) -> str:
    line = Timeline(stream)
    line.heading("A pod")
    line.note("kubelet", "starts the container")
    return stream.getvalue()


def test_a_terminal_gets_colours_and_a_file_the_same_words() -> None:
    plain, coloured = told(io.StringIO()), told(Terminal())
    assert "\x1b[" in coloured
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[\d*m", "", coloured) == plain
    assert plain.splitlines()[-1] == "  0.00 s  kubelet   starts the container"


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colours_gets_none(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert "\x1b" not in told(Terminal())


def test_a_long_line_goes_on_below_its_own_beginning() -> None:
    stream = io.StringIO()
    Timeline(stream).note("app", "word " * 40)
    first, *more = stream.getvalue().splitlines()
    assert first.startswith("  0.00 s  app       word")
    assert more
    assert all(line.startswith(" " * 20 + "word") for line in more)
    assert max(map(len, (first, *more))) <= WIDTH


def test_a_purse_shows_everything_that_took_time_and_what_is_left() -> None:
    stream = io.StringIO()
    parts = [Part("d", "delay", "blue", 15.0), Part("h", "hooks", "cyan", 0.001)]
    Timeline(stream).purse([*parts, Part("x", "exit", "red", 0.0)], 30.0)
    bar, *legend = stream.getvalue().splitlines()
    assert re.fullmatch(r"  \[d{46}h\.{45}\]", bar)
    assert [line.split()[:2] for line in legend] == [
        ["d", "15.00"],
        ["h", "0.00"],
        ["x", "0.00"],
        [".", "15.00"],
    ]
