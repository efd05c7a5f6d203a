"""Rolling restarts of two replicas behind HAProxy, which hears of each one late."""

import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.figures import Aim, Effort, Finding
from tests.support.servers import Load, Server, free_port, launched

RESTARTS = 50
REQUESTS = {"/fast": 60.0, "/slow?seconds=0.5": 4.0}
SETTINGS = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "LIFECYCLE_GRACE_PERIOD": "30"}
BARE = "tests.process.apps.bare:app"
OURS = "tests.process.apps.plain:app"
HOW = (
    "Two replicas behind HAProxy (no retries), {restarts} restarts each: a new replica is ready, then the old one gets SIGTERM,"
    " and HAProxy takes it out 0.2 to 2 s later. Two clients, one with a new connection for each request and one with kept"
    " ones: 60 fast requests and 4 of 0.5 s a second each. preStop sleep: SIGTERM comes 1.5 s after the deletion."
)
CONFIG = """
global
    stats socket {folder}/admin mode 600 level admin
defaults
    mode http
    retries 0
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    option http-keep-alive
listen service
    bind 127.0.0.1:{port}
    balance roundrobin
    http-response set-header x-replica %s
    server-template s 6 127.0.0.1:1 disabled
"""


@dataclass(frozen=True)
class Subject:
    command: str
    app: str = BARE
    sleep: float = 0.0


SUBJECTS = {
    "lifecycle serve": Subject("lifecycle serve {app} --port {port} --no-access-log", OURS),
    "lifecycle serve, 2 workers": Subject(
        "lifecycle serve {app} --port {port} --no-access-log --workers 2", OURS
    ),
    "uvicorn": Subject("uvicorn {app} --port {port} --no-access-log"),
    "uvicorn, 5 s timeout, preStop sleep": Subject(
        "uvicorn {app} --port {port} --no-access-log --timeout-graceful-shutdown 5", sleep=1.5
    ),
    "hypercorn": Subject("hypercorn {app} --bind 127.0.0.1:{port}"),
    "granian": Subject("granian {app} --interface asgi --port {port} --no-access-log"),
    "gunicorn, uvicorn-worker": Subject(
        "gunicorn {app} --bind 127.0.0.1:{port} --worker-class uvicorn_worker.UvicornWorker"
    ),
}


MISSING = "haproxy is not installed here"


def missing() -> str:
    """Why nothing of this can be measured."""
    return "" if shutil.which("haproxy") else MISSING


class Balancer:
    """HAProxy, and the slots that its servers take."""

    def __init__(self, port: int, admin: Path) -> None:
        self.port = port
        self._admin = admin
        self._free = [f"service/s{number}" for number in range(1, 7)]

    def say(self, command: str) -> str:
        with closing(socket.socket(socket.AF_UNIX)) as sock:
            sock.connect(str(self._admin))
            sock.sendall(f"{command}\n".encode())
            return sock.recv(65536).decode()

    def add(self, server: Server) -> str:
        slot = self._free.pop(0)
        self.say(f"set server {slot} addr 127.0.0.1 port {server.port}")
        self.say(f"set server {slot} state ready")
        return slot

    def remove(self, slot: str) -> None:
        self.say(f"set server {slot} state maint")
        self._free.append(slot)


@contextmanager
def balancer() -> Iterator[Balancer]:
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        (folder / "config").write_text(CONFIG.format(folder=folder, port=port))
        process = subprocess.Popen(
            ["haproxy", "-q", "-db", "-f", str(folder / "config")],  # noqa: S607 - whichever the machine has
            stderr=subprocess.DEVNULL,
        )
        try:
            while not (folder / "admin").exists():
                if process.poll() is not None:
                    raise ChildProcessError(f"haproxy ended with {process.returncode}")
                time.sleep(0.02)
            yield Balancer(port, folder / "admin")
        finally:
            process.kill()
            process.wait()


def wait_until_ready(server: Server, subject: Subject) -> None:
    """As a router learns of it: by a readiness probe, where there is one."""
    server.wait_until_answering()
    while subject.app == OURS and server.ask("/readyz").status != http.client.OK:
        time.sleep(0.02)


def start(subject: Subject, everything: ExitStack, front: Balancer) -> tuple[Server, str]:
    """A server that is ready, and its name behind the balancer; `everything` ends it."""
    server = everything.enter_context(launched(subject.command.split(), subject.app, **SETTINGS))
    wait_until_ready(server, subject)
    return server, front.add(server)


def restart(subject: Subject, restarts: int) -> dict[str, Any]:
    lags = random.Random(1)
    took: list[float] = []
    with balancer() as front, ExitStack() as everything:
        replicas = [start(subject, everything, front) for _ in range(2)]
        generators = [
            Load(SimpleNamespace(port=front.port), REQUESTS, reuse=reuse, seconds=0.5)  # type: ignore[arg-type] # a port is all it needs
            for reuse in (False, True)
        ]
        for generator in generators:
            everything.callback(generator.kill)
            generator.wait_until_answered()
        for _ in range(restarts):
            replicas.append(start(subject, everything, front))
            old, slot = replicas.pop(0)
            deleted, lag = time.monotonic(), lags.uniform(0.2, 2.0)
            withdrawn = False
            told = False
            while old.process.poll() is None or not withdrawn:
                passed = time.monotonic() - deleted
                if not told and passed >= subject.sleep:
                    told = True
                    os.kill(old.pid, signal.SIGTERM)
                if not withdrawn and passed >= lag:
                    withdrawn = True
                    front.remove(slot)
                if old.process.poll() is not None and len(took) < _ + 1:
                    took.append(passed)
                time.sleep(0.01)
            if len(took) < _ + 1:
                took.append(time.monotonic() - deleted)
        for generator in generators:
            generator.stopping(time.monotonic())
        results = [generator.result() for generator in generators]
    return {
        "sent": sum(result.sent for result in results),
        "failed": sum(len(result.failures) for result in results),
        "kinds": [result.lost for result in results],
        "seconds": took,
    }


def measure(effort: Effort) -> Finding:
    restarts = effort.times(RESTARTS, least=1)
    # Without effort the figures mean nothing: two subjects show that it runs.
    names = list(SUBJECTS) if effort else ["lifecycle serve", "uvicorn"]
    finding = Finding(
        "serve-restarts",
        "Rolling restarts behind HAProxy",
        HOW.format(restarts=restarts),
        ["", "sent", "failed", "failed per restart", "deletion to exit, median s"],
        missing=missing(),
    )
    if finding.missing:
        return finding
    ends = {name: restart(SUBJECTS[name], restarts) for name in names}
    finding.raw = ends
    for name, end in ends.items():
        seconds = sorted(end["seconds"])
        finding.rows.append(
            [
                name,
                end["sent"],
                end["failed"],
                f"{end['failed'] / restarts:.1f}",
                f"{seconds[len(seconds) // 2]:.2f}",
            ]
        )
    lost = sum(end["failed"] for name, end in ends.items() if name.startswith("lifecycle"))
    finding.aims.append(Aim("no request fails under `lifecycle serve`", f"{lost}", lost == 0))
    return finding
