"""A supervisor in one of its forms, started and spoken to as a container runtime would."""

import functools
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.support.servers import unmeasured

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
PYTHON = [sys.executable, "-I", "-S"]
WITNESS = [*PYTHON, str(PROGRAMS / "witness.py")]
ORPHANS = [*PYTHON, str(PROGRAMS / "orphans.py")]
NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child=KILL"]
# A machine under load is slow, and only a hang is wrong.
PATIENCE = 20.0


@functools.cache
def is_namespace_allowed() -> bool:
    return subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True).returncode == 0


class Running:
    """One that was started, with what it said."""

    def __init__(self, process: subprocess.Popen[bytes], *, namespaced: bool) -> None:
        self.process = process
        self._namespaced = namespaced
        self.out = b""

    @property
    def pid(self) -> int:
        """The supervisor's own process: below `unshare`, where there is one."""
        if not self._namespaced:
            return self.process.pid
        outer = self.process.pid
        children = Path(f"/proc/{outer}/task/{outer}/children")
        wait_until(lambda: children.read_text().split() != [])
        return int(children.read_text().split()[0])

    def children(self) -> list[int]:
        return [
            int(pid)
            for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        ]

    def until(self, text: str) -> "Running":
        """Read until the program (or the supervisor) has said this on stdout."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + PATIENCE
        while text.encode() not in self.out:
            ready, _, _ = select.select([self.process.stdout], [], [], deadline - time.monotonic())
            chunk = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert chunk, f"{text!r} never came: {self.out!r}, {self.errors()!r}"
            self.out += chunk
        return self

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def errors(self) -> str:
        self.process.kill()
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()

    def finish(self, patience: float = PATIENCE) -> tuple[int, str, str]:
        """Exit status as a shell shows it, stdout, stderr."""
        try:
            out, errors = self.process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, errors = self.process.communicate()
            raise AssertionError(f"it did not end: {self.out + out!r}, {errors!r}") from None
        code = self.process.returncode
        return (code if code >= 0 else 128 - code), (self.out + out).decode(), errors.decode()

    def status(self) -> int:
        return self.finish()[0]


class Form:
    def __init__(self, name: str, argv: list[str]) -> None:
        self.name = name
        self.argv = argv
        self._started: list[Running] = []

    def start(self, *words: object, place: str = "child", **settings: Any) -> Running:
        """`place`: below this process, or as PID 1 of a namespace. Other arguments as for Popen."""
        prefix = NAMESPACE if place == "pid 1" else []
        variables = {
            name: value for name, value in os.environ.items() if not name.startswith("SUPERVISOR_")
        }
        variables["PYTHONPATH"] = str(ROOT / "src")
        if self.name != "module" or prefix:
            # Our lines are nobody's in the other forms, and as PID 1 they are the same as below this process.
            variables = unmeasured(variables)
        variables.update(settings.pop("env", {}))
        settings.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(
            [*prefix, *self.argv, *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=variables,
            **settings,
        )
        running = Running(process, namespaced=bool(prefix))
        self._started.append(running)
        return running

    def run(self, *words: object, **settings: Any) -> tuple[int, str, str]:
        return self.start(*words, **settings).finish()

    def end(self) -> None:
        for running in self._started:
            process = running.process
            if process.poll() is None:
                process.kill()
                process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


def wait_until(condition: Any, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


def read_json(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text())
    assert isinstance(found, dict)
    return found


def is_alive(pid: int) -> bool:
    """Running, and not a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"
