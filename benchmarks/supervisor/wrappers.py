"""The wrappers that are compared, each started in the same way."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "dist" / "supervisor"
PYTHON = "/usr/bin/python3.11" if Path("/usr/bin/python3.11").exists() else sys.executable
# With this folder at hand every supervisor keeps state in it, on a disk. Its peers have nothing to compare to that.
SHARED = Path("/var/run/wrapper")
DIRECT, FLOOR, OURS = "(direct)", "(python3 -I -S -c pass)", "supervisor, static"


def output(process: "subprocess.Popen[bytes]") -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout


@contextmanager
def ended(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Nothing of it is left afterwards."""
    try:
        yield
    finally:
        process.kill()
        process.wait()
        output(process).close()


class Wrapper:
    def __init__(self, name: str, *argv: str) -> None:
        self.name = name
        self.argv = argv

    @contextmanager
    def start(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        process = subprocess.Popen(
            [*self.argv, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        with ended(process):
            yield process


class Supervisord(Wrapper):
    """It takes no command, but a file; and it does not end with its program, so a listener ends it."""

    def __init__(self, folder: Path) -> None:
        super().__init__("supervisord", "/usr/bin/supervisord", "--nodaemon")
        self._folder = folder

    @contextmanager
    def start(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        script = self._folder / "program"
        script.write_text(f"#!/bin/sh\nexec {shlex.join(words)} >&9\n")
        script.chmod(0o755)
        reading, writing = os.pipe()
        configuration = self._folder / "supervisord.conf"
        configuration.write_text(
            f"[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\n"
            f"pidfile={self._folder}/pid\n[program:x]\ncommand=sh -c 'exec {script} 9>/proc/{os.getpid()}/fd/{writing}'\n"
            "autorestart=false\nstartsecs=0\n"
        )
        process = subprocess.Popen(
            [*self.argv, "--configuration", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        process.stdout = os.fdopen(reading, "rb", 0)
        try:
            with ended(process):
                yield process
        finally:
            os.close(writing)


class Floor(Wrapper):
    """The interpreter alone: `-c pass` takes no command to run."""

    @contextmanager
    def start(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        with super().start() as process:
            yield process


def wrappers(folder: Path) -> list[Wrapper]:
    found = [
        Wrapper(DIRECT),
        Floor(FLOOR, PYTHON, "-I", "-S", "-c", "pass"),
        Wrapper(OURS, str(STATIC)),
        Wrapper(f"{OURS}, with state", str(STATIC), "--state-dir", str(folder / "kept")),
        Wrapper("supervisor, zipapp", PYTHON, "-I", "-S", f"{STATIC}.pyz"),
        Wrapper("supervisor, package", sys.executable, "-m", "lifecycle.supervisor"),
        Wrapper("tini -s", "/usr/bin/tini", "-s", "--"),
        Wrapper("dumb-init", "/usr/bin/dumb-init"),
        Supervisord(folder),
    ]
    return [each for each in found if not each.argv or Path(each.argv[0]).exists()]
