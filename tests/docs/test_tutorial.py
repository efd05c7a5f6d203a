"""The tutorial, played as a reader would: a server in the first terminal, commands in the second."""

import http.client
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from urllib.parse import urlsplit

import pytest

from tests.docs.samples import Sample, commands, fits, samples
from tests.support.servers import free_port, unmeasured

pytestmark = pytest.mark.process

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorials" / "first-application.md"
PATIENCE = 30
"""Seconds for one line of the server's."""


class FirstTerminal:
    """A server, and what it prints, line by line."""

    def __init__(self, command: str, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", *shlex.split(command)],
            cwd=folder,
            env=unmeasured(os.environ) | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._lines.put(line)

    def see(self, text: str) -> None:
        """Wait for these very lines."""
        for expected in text.splitlines():
            printed = self._lines.get(timeout=PATIENCE)
            assert fits(expected, printed), f"{printed!r} instead of {expected!r}"

    def end(self) -> int:
        status = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def kill(self) -> None:
        self._process.kill()
        self.end()


def run(command: str, folder: Path) -> str:
    """What a command in the second terminal prints. curl may not be there: ours knows as much of it as is shown."""
    program, *words = shlex.split(command)
    if program == "curl":
        (address,) = words
        url = urlsplit(f"http://{address}")
        connection = http.client.HTTPConnection("127.0.0.1", url.port, timeout=PATIENCE)
        try:
            connection.request("GET", f"{url.path}?{url.query}")
            return connection.getresponse().read().decode()
        finally:
            connection.close()
    assert program == "lifecycle", command
    result = subprocess.run(
        [sys.executable, "-m", "lifecycle", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return result.stdout


def in_second_terminal(text: str, folder: Path) -> Iterator[str]:
    """What does not come out as shown; commands with `&` run beside those that follow."""
    with ThreadPoolExecutor() as beside:
        early: list[Future[str]] = []
        for command, expected in commands(text):
            if command.endswith("&"):
                early.append(beside.submit(run, command[:-1], folder))
                continue
            printed = run(command, folder)
            printed = "".join([*(future.result() for future in early), printed])
            early.clear()
            if not fits(expected, printed):
                yield f"{command}: printed\n{printed}instead of\n{expected}"


def play(page: list[Sample], folder: Path) -> Iterator[str]:
    terminal: FirstTerminal | None = None
    try:
        for sample in page:
            if sample.language == "python":
                assert sample.name is not None
                (folder / sample.name).write_text(sample.text)
            elif sample.text.startswith("# the second terminal"):
                yield from in_second_terminal(sample.text, folder)
            elif sample.text.startswith("$ uvicorn"):
                if terminal is not None:
                    assert terminal.end() == 0
                ((command, output),) = commands(sample.text)
                terminal = FirstTerminal(command, folder)
                terminal.see(output)
            elif sample.language == "text":
                assert terminal is not None
                terminal.see(sample.text)
        assert terminal is not None
        assert terminal.end() == 0
    finally:
        if terminal is not None:
            terminal.kill()


def tutorial(folder: Path) -> list[Sample]:
    """Its samples, for a port and a folder of our own: the reader's may be in use."""
    port = str(free_port())
    text = TUTORIAL.read_text("utf-8").replace("/tmp/", f"{folder}/")
    return [
        sample._replace(
            text=sample.text.replace("8000", port)
            .replace("$ uvicorn app:app", f"$ uvicorn app:app --port {port}")
            .replace("$ lifecycle stop", f"$ lifecycle stop --port {port}")
        )
        for sample in samples(text)
    ]


def test_the_tutorial_goes_as_it_says(tmp_path: Path) -> None:
    assert list(play(tutorial(tmp_path), tmp_path)) == []


def test_a_tutorial_that_tells_otherwise_is_found(tmp_path: Path) -> None:
    page = tutorial(tmp_path)
    (program,) = [sample for sample in page if sample.language == "python"]
    start = next(sample for sample in page if sample.text.startswith("$ uvicorn"))
    ready = next(sample for sample in page if "\nserving\n" in sample.text)
    (*_, stop) = [sample for sample in page if "$ lifecycle stop" in sample.text]
    stop = stop._replace(text=stop.text.replace("clean", "dirty"))
    (not_ready, not_served, waiting, not_dirty) = play([program, start, ready, stop], tmp_path)
    assert "instead of\nserving" in not_ready
    assert "instead of\nhello" in not_served
    assert "is being ignored" in waiting
    assert "instead of\ndirty" in not_dirty


def test_a_server_that_prints_otherwise_is_found(tmp_path: Path) -> None:
    page = tutorial(tmp_path)
    (program,) = [sample for sample in page if sample.language == "python"]
    start = next(sample for sample in page if sample.text.startswith("$ uvicorn"))
    start = start._replace(text=start.text.replace("pool: open", "pool: shut"))
    with pytest.raises(AssertionError, match=r"'pool: open.n' instead of 'pool: shut'"):
        list(play([program, start], tmp_path))
