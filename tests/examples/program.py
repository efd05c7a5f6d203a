"""An example as a reader runs it: by the command in its docstring, in a process of its own."""

import ast
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers import ROOT, end_group, environment, free_port, unmeasured

EXAMPLES = ROOT / "examples"
PATIENCE = 15.0


def docstring(example: Path) -> str:
    return ast.get_docstring(ast.parse(example.read_text())) or ""


def command_line(example: Path) -> str:
    """The first line of the docstring that runs the example."""
    lines = (line.strip() for line in docstring(example).splitlines())
    return next(line for line in lines if f"{example.stem}:app" in line or example.name in line)


def words_of(line: str) -> list[str]:
    """A shell's words, up to the end of the first command."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if word in {"&", ";"}:
            break
        words.append(word)
    return words


class Program:
    """A running example: its lines as they come, its exit status."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.port = port
        self.lines: list[str] = []
        self._process = process
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self.lines.append(line.decode().rstrip("\n"))
                self._news.notify_all()

    def until(self, text: str, *, times: int = 1) -> None:
        """Wait for so many lines that contain `text`."""
        with self._news:
            found = self._news.wait_for(
                lambda: sum(text in line for line in self.lines) >= times, PATIENCE
            )
        assert found, f"waited in vain for {text!r}:\n" + "\n".join(self.lines)

    def send(self, which: signal.Signals) -> None:
        self._process.send_signal(which)

    def end(self) -> int:
        """Wait for its end: the exit status."""
        status = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status


@contextmanager
def example(name: str, *, replace: dict[str, str] | None = None) -> Iterator[Program]:
    """Run `examples/NAME.py` by the command in its docstring, with some words of that replaced."""
    line = command_line(EXAMPLES / f"{name}.py")
    for old, new in (replace or {}).items():
        assert old in line, f"{old!r} is not in {line!r}"
        line = line.replace(old, new)
    words = words_of(line)
    settings: dict[str, str] = {}
    while "=" in words[0]:
        variable, _, value = words.pop(0).partition("=")
        settings[variable] = value
    port = free_port()
    starts = {
        "python": [sys.executable],
        "uvicorn": [sys.executable, "-m", "uvicorn", "--port", str(port)],
    }
    process = subprocess.Popen(
        [*starts[words[0]], *words[1:]],
        cwd=ROOT,
        env=unmeasured(environment(**settings)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    program = Program(process, port)
    try:
        yield program
    finally:
        end_group(process)
        program.end()
        assert process.stdout is not None
        process.stdout.close()
