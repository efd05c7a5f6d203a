"""As much of a kubelet as one pod needs: a manifest, a process, hooks, probes and signals, all real.

See https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

import asyncio
import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import yaml

HOOK: Final = "User-Agent: kube-lifecycle/1.36\r\nAccept: */*\r\nAccept-Encoding: gzip"
PROBE: Final = "User-Agent: kube-probe/1.36\r\nAccept: */*\r\nConnection: close"
"""The headers of a 1.36 kubelet, after `Host: podIP:port`."""
POD_IP: Final = "127.0.0.1"
LONGEST_LINE: Final = 2**20
"""Bytes of a line of output: a report may be long."""


LIBC: Final = ctypes.CDLL(None)
PR_SET_PDEATHSIG: Final = 1
"""See https://man7.org/linux/man-pages/man2/pr_set_pdeathsig.2const.html"""


def _die_with_parent() -> None:
    # Who is killed cannot clean up. Elsewhere than on Linux such a child is left over.
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class StageError(Exception):
    """A step of the play went wrong, or took too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What this kubelet reads of a pod with one container."""

    name: str
    grace: float
    port: int
    environment: dict[str, str]
    post_start: list[str]
    pre_stop: str
    probes: dict[str, str]
    """Path by kind: `startup`, `liveness`, `readiness`."""

    @classmethod
    def read(cls, path: Path) -> Self:
        pod = yaml.safe_load(path.read_text())
        (container,) = pod["spec"]["containers"]
        (port,) = container["ports"]
        hooks = container["lifecycle"]
        kinds = ("startup", "liveness", "readiness")
        return cls(
            name=pod["metadata"]["name"],
            grace=pod["spec"]["terminationGracePeriodSeconds"],
            port=port["containerPort"],
            environment={variable["name"]: _value(variable) for variable in container["env"]},
            post_start=hooks["postStart"]["exec"]["command"],
            pre_stop=hooks["preStop"]["httpGet"]["path"],
            probes={kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in kinds},
        )


def _value(variable: dict[str, Any]) -> str:
    if "value" in variable:
        return str(variable["value"])
    downward = {"status.hostIP": POD_IP, "status.podIP": POD_IP}
    return downward[variable["valueFrom"]["fieldRef"]["fieldPath"]]


def entrypoint(dockerfile: Path) -> list[str]:
    """What the image starts."""
    lines = re.findall(r"^CMD (\[.*\])$", dockerfile.read_text(), re.MULTILINE)
    command: list[str] = json.loads(lines[-1])
    return command


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((POD_IP, 0))
        port: int = probe.getsockname()[1]
        return port


Record = dict[str, Any]


@dataclass(slots=True)
class Log:
    """The container's output, line by line; a line of JSON is a record."""

    follow: Callable[[Record], None]
    text: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            self.text.append(line.decode(errors="replace").rstrip())
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                self.records.append(record)
                self.follow(record)
                self._more.set()

    async def until(self, message: str, **facts: object) -> Record:
        """The first record with that message and those fields."""
        seen = 0
        while True:
            for record in self.records[seen:]:
                if {"message": message, **facts}.items() <= record.items():
                    return record
            seen = len(self.records)
            self._more.clear()
            await self._more.wait()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: str


class Container:
    """The pod's one container: a process group, an address, a log."""

    def __init__(
        self, command: list[str], environment: dict[str, str], folder: Path, *, port: int
    ) -> None:
        self.command = command
        self.port = port
        self._environment = environment
        self._folder = folder
        self._processes: list[asyncio.subprocess.Process] = []

    async def start(self, log: Log) -> None:
        process = await self._spawn(self.command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        self._reading = asyncio.create_task(log.read(process.stdout))

    @property
    def shown(self) -> str:
        """The command as people type it."""
        return " ".join(self.command[2:])

    @property
    def main(self) -> asyncio.subprocess.Process:
        """PID 1, had it a namespace of its own."""
        return self._processes[0]

    async def exec(self, command: list[str]) -> int:
        """Run a hook's command in the container's environment, and return its exit status."""
        process = await self._spawn(command, stdout=subprocess.DEVNULL)
        return await process.wait()

    async def get(self, path: str, headers: str) -> Answer:
        """As the kubelet's HTTP client does it.

        Raises:
            StageError: There was no answer, or not a whole one.
        """
        try:
            return await self._get(path, headers)
        except EOFError:
            raise StageError(f"GET {path}: the connection was closed before the answer") from None
        except OSError as error:
            raise StageError(f"GET {path}: {error.strerror}") from None

    async def _get(self, path: str, headers: str) -> Answer:
        reader, writer = await asyncio.open_connection(POD_IP, self.port)
        try:
            head = f"GET {path} HTTP/1.1\r\nHost: {POD_IP}:{self.port}\r\n{headers}\r\n\r\n"
            writer.write(head.encode())
            start, *fields = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
            length = next(int(f.split(":")[1]) for f in fields if f.startswith("content-length:"))
            body = await reader.readexactly(length)
        finally:
            writer.close()
        return Answer(int(start.split()[1]), body.decode().strip())

    async def is_listening(self) -> None:
        while self.main.returncode is None:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(POD_IP, self.port)
                writer.close()
                return
            await asyncio.sleep(0.02)
        raise StageError(f"the application exited with {self.main.returncode} before it listened")

    def terminate(self) -> bool:
        """SIGTERM to PID 1 alone, as the container runtime does it. False: it has gone already."""
        try:
            self.main.send_signal(signal.SIGTERM)
        except ProcessLookupError:
            return False
        return True

    async def wait(self) -> int:
        """The exit status, once all of its output has been read."""
        status = await self.main.wait()
        await self._reading
        return status

    async def kill(self) -> None:
        """SIGKILL to all that still runs in it."""
        running = [process for process in self._processes if process.returncode is None]
        for process in running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for process in running:
            await process.wait()

    async def _spawn(self, command: list[str], *, stdout: int) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            # A group of its own: Ctrl-C in this terminal is for the play, not for the players.
            start_new_session=True,
            preexec_fn=_die_with_parent,
            limit=LONGEST_LINE,
        )
        self._processes.append(process)
        return process


@asynccontextmanager
async def container(
    manifest: Manifest, image: Path, tmp: Path, settings: dict[str, str], server: str = ""
) -> AsyncIterator[Container]:
    """The manifest's container, to be started; whatever happens, nothing of it is left.

    `image` is the folder of its Dockerfile, `tmp` stands for its /tmp. Its addresses are this machine's. `server` is a
    command instead of the image's own.
    """
    port = free_port()
    here = {"0.0.0.0": POD_IP, str(manifest.port): str(port)}  # noqa: S104 - it is replaced
    command = server.split() or entrypoint(image / "Dockerfile")
    module, *words = [here.get(word, word) for word in command]
    environment = {
        name: value
        for name, value in os.environ.items()
        # What belongs to a pod that this may run in, or to a server command.
        if not name.startswith(("LIFECYCLE_", "KUBERNETES_", "UVICORN_"))
    }
    environment |= {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "TMPDIR": str(tmp)}
    environment |= {"PYTHONUNBUFFERED": "1", **manifest.environment, **settings}
    made = Container([sys.executable, "-m", module, *words], environment, image, port=port)
    try:
        yield made
    finally:
        await made.kill()
