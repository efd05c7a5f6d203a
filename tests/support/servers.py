"""Real servers in real processes: started, asked, stopped the way a kubelet stops them, and gone at the end."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from examples.stage.load import Result

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
AS_PID_1 = ["unshare", "--pid", "--fork", "--kill-child"]
"""In a process namespace of its own, as in a container. Needs root, or a kernel that lets users make namespaces."""
START_TIMEOUT = 20.0
POLL = 0.02

KUBELET = {"User-Agent": "kube-lifecycle/1.36", "Accept": "*/*", "Accept-Encoding": "gzip"}
"""What the kubelet sends with a preStop `httpGet`."""


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the journal of an application under `tests/process/apps`."""

    at: float
    pid: int
    event: str

    @classmethod
    def parse(cls, line: str) -> Self:
        at, pid, event = line.split(maxsplit=2)
        return cls(float(at), int(pid), event)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]
    at: float
    """`time.monotonic` at its end."""

    def json(self) -> Any:
        return json.loads(self.body)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(**added: str) -> dict[str, str]:
    """This one's, without settings of ours, as one would wish to find it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LIFECYCLE_")}
    kept.pop("KUBERNETES_SERVICE_HOST", None)
    path = os.pathsep.join([str(ROOT), str(ROOT / "src"), kept.get("PYTHONPATH", "")])
    return {**kept, "PYTHONPATH": path.rstrip(os.pathsep), "PYTHONUNBUFFERED": "1", **added}


def unmeasured(variables: Mapping[str, str]) -> dict[str, str]:
    """Without coverage, which doubles what a short process costs: for programs that other tests measure line by line."""
    return {name: value for name, value in variables.items() if not name.startswith("COVERAGE_")}


class Server:
    """A running server command. `running` makes one."""

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, folder: Path, *, inside: bool = False
    ) -> None:
        self.process = process
        self._inside = inside
        self.port = port
        self._folder = folder

    @property
    def output(self) -> str:
        return (self._folder / "output").read_text(errors="replace")

    def journal(self, event: str = "") -> list[Note]:
        """What the application wrote, or only its notes of one `event`."""
        try:
            lines = (self._folder / "journal").read_text().splitlines()
        except FileNotFoundError:
            return []
        notes = [Note.parse(line) for line in lines]
        return [note for note in notes if event in ("", note.event)]

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        timeout: float = 10,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        return Answer(response.status, body, dict(response.getheaders()), time.monotonic())

    def pre_stop(self, *, timeout: float = 20) -> Answer:
        """The hook of the pod: returns when the server answers, as the kubelet waits for it."""
        return self.ask("/shutdown", headers=KUBELET, timeout=timeout)

    def terminate(self) -> None:
        """SIGTERM to the first process only, as a container runtime does it."""
        os.kill(self.pid, signal.SIGTERM)

    @property
    def pid(self) -> int:
        """The server's, as seen from here."""
        if not self._inside:
            return self.process.pid
        task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}")
        return int((task / "children").read_text())

    def wait(self, timeout: float = 15) -> int:
        """The exit status; negative if a signal ended it."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running {timeout:g} s later:\n{self.output}") from None

    def wait_for(self, event: str, *, times: int = 1, timeout: float = START_TIMEOUT) -> None:
        """Until that many workers have noted the event."""
        deadline = time.monotonic() + timeout
        while len({note.pid for note in self.journal(event)}) < times:
            self._check(deadline, f"{times} workers to be {event!r}")
            time.sleep(POLL)

    def wait_until_answering(self, timeout: float = START_TIMEOUT) -> None:
        deadline = time.monotonic() + timeout
        while True:
            with suppress(OSError, http.client.HTTPException):
                if self.ask("/fast", timeout=1).status == http.client.OK:
                    return
            self._check(deadline, "an answer")
            time.sleep(POLL)

    def _check(self, deadline: float, wanted: str) -> None:
        status = self.process.poll()
        if status is not None:
            raise AssertionError(f"waited for {wanted}, but it exited {status}:\n{self.output}")
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {wanted}:\n{self.output}")


def end_group(leader: subprocess.Popen[Any]) -> None:
    """Kills whatever is left of a process and its descendants; none of them has left its group."""
    with suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGKILL)
    leader.wait()


@contextmanager
def launched(
    command: Sequence[str], app: str, *, inside: Sequence[str] = (), **settings: str
) -> Iterator[Server]:
    """`command` with `{app}` and `{port}` filled in, as soon as it runs; `settings` go into its environment.

    `inside` is a command that runs it, as its only child, and passes its exit status on: `AS_PID_1`, for one.
    """
    port = free_port()
    filled = [word.format(app=app, port=port) for word in command]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = environment(
            JOURNAL=str(folder / "journal"),
            XDG_RUNTIME_DIR=name,  # gunicorn's control socket
            **settings,
        )
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(
                [*inside, sys.executable, "-m", *filled],
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield Server(process, port, folder, inside=bool(inside))
        finally:
            end_group(process)


@contextmanager
def running(
    command: Sequence[str], app: str, *, workers: int = 1, **settings: str
) -> Iterator[Server]:
    """The same, from when all its workers serve."""
    with launched(command, app, **settings) as server:
        server.wait_for("started", times=workers)
        server.wait_until_answering()
        yield server


class Load:
    """The generator of `examples/stage/load.py`, in its own process."""

    def __init__(
        self, server: Server, requests: Mapping[str, float], *, reuse: bool, seconds: float = 1.0
    ) -> None:
        options = [
            option for path in requests for option in ("--request", f"{path}={requests[path]}")
        ]
        options += ["--for", str(seconds)]
        command = [sys.executable, "-m", "examples.stage.load", str(server.port), *options]
        self._process = subprocess.Popen(
            [*command, *(["--reuse"] if reuse else [])],
            cwd=ROOT,
            env=unmeasured(environment()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.reuse = reuse

    def wait_until_answered(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "answering\n"

    def stopping(self, at: float) -> None:
        """Names the moment of the stop."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"stop {at}\n")
        self._process.stdin.flush()

    def result(self) -> Result:
        """What became of it; waits for its end."""
        output, _ = self._process.communicate(timeout=30)
        return Result.from_json(output)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def load(
    server: Server, requests: Mapping[str, float], *, lead: float = 0.5, seconds: float = 1.0
) -> Iterator[list[Load]]:
    """Two generators that have run for `lead` seconds: new connections only, and kept ones.

    They go on for `seconds` after the stop, as routers do that have not heard of it.
    """
    generators = [Load(server, requests, reuse=reuse, seconds=seconds) for reuse in (False, True)]
    try:
        for generator in generators:
            generator.wait_until_answered()
        time.sleep(lead)  # slow requests pile up
        yield generators
    finally:
        for generator in generators:
            generator.kill()


def assert_nothing_is_lost(server: Server, generators: Sequence[Load], *, after: int = 0) -> None:
    """SIGTERM now: the server ends with 0, and every request is answered, `after` at least of each generator's after it."""
    for generator in generators:
        generator.stopping(time.monotonic())
    server.terminate()
    for generator in generators:
        result = generator.result()
        assert not result.failures, (result.summary(), server.output)
        assert result.sent_after_stop >= after
    assert server.wait() == 0, server.output


class Waiting(Generic[T]):
    """A call in another thread, whose result is awaited later; a thread that hangs does not hold the tests."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._future: Future[T] = Future()
        threading.Thread(target=self._run, args=(call,), daemon=True).start()

    def _run(self, call: Callable[[], T]) -> None:
        try:
            self._future.set_result(call())
        except BaseException as failure:  # noqa: BLE001 - raised again where it is awaited
            self._future.set_exception(failure)

    def result(self, timeout: float = 20) -> T:
        return self._future.result(timeout)
