"""Whole rehearsals of real servers: the careful one keeps its promises, the hasty one loses requests and is told why."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lifecycle.rehearse import schema
from tests.support.servers import free_port

pytestmark = pytest.mark.process

SERVER = """
import signal, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_): ...

server = ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler)
delay = float(sys.argv[3])
signal.signal(signal.SIGTERM, lambda *_: threading.Timer(delay, server.shutdown).start())
server.serve_forever(0.05)
server.server_close()
"""

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 8
  containers:
    - name: web
      image: web
      command: [python, server.py, 0.0.0.0, "PORT", "DELAY"]
      ports: [{containerPort: PORT}]
      readinessProbe: {httpGet: {path: /, port: PORT}, periodSeconds: 1}
"""


class Rehearsal:
    def __init__(self, folder: Path, delay: float) -> None:
        self.folder = folder
        (folder / "server.py").write_text(SERVER)
        pod = POD.replace("PORT", str(free_port())).replace("DELAY", str(delay))
        (folder / "pod.yaml").write_text(
            pod.replace("python, server.py", f"{sys.executable}, {folder}/server.py")
        )

    def start(self, *words: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "lifecycle", "rehearse", "pod.yaml", *words]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    def play(self, *words: str) -> tuple[int, str, dict[str, Any]]:
        process = self.start("--lag", "0.6", "--json", "result.json", *words)
        output, _ = process.communicate(timeout=60)
        file = self.folder / "result.json"
        return process.returncode, output, json.loads(file.read_text()) if file.exists() else {}

    def processes(self) -> list[str]:
        """Those that run its server."""
        found: list[str] = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if str(self.folder).encode() in (entry / "cmdline").read_bytes():
                    found.append(entry.name)
            except OSError:
                continue
        return found


def test_a_server_that_serves_on_loses_nothing_and_takes_its_own_time(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 1.2)
    status, output, result = rehearsal.play()
    assert status == 0, output
    assert result["requests"]["sent"] > 10
    assert result["requests"]["failed"] == 0
    assert "all promises kept" in output
    jsonschema.validate(result, schema())
    assert result["containers"]["web"]["exit_code"] == 0
    # Its own: 1.2 s after the stop, and at most a period until it is ready. This bounds a hang.
    assert result["seconds"] < 20
    assert rehearsal.processes() == []


def test_a_server_that_closes_its_port_at_once_is_told_what_it_lost(tmp_path: Path) -> None:
    status, output, result = Rehearsal(tmp_path, 0).play("-q", "--rate", "40")
    assert status == 1, output
    findings = {finding["id"]: finding for finding in result["findings"]}
    assert findings["refused"]["severity"] == "error"
    assert findings["refused"]["where"] == "pod.yaml:8:7"
    assert all(failure["after_signal"] is not None for failure in result["requests"]["failures"])
    assert "BROKEN   No request is lost" in output


def test_a_rolling_update_of_real_servers_behind_the_service(tmp_path: Path) -> None:
    status, output, result = Rehearsal(tmp_path, 1.2).play(
        "-q", "--scenario", "rollout", "--replicas", "2"
    )
    assert status == 0, output
    assert result["requests"]["failed"] == 0
    assert len(result["containers"]) == 4


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 1)
    process = rehearsal.start()
    assert process.stdout is not None
    for line in process.stdout:
        if "routers lead to it" in line:
            break
    assert rehearsal.processes()
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert rehearsal.processes() == []
