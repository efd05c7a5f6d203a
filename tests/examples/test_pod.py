"""The manifest, the image and the service say the same."""

import asyncio
import re
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples.stage.kubelet import HOOK, PROBE, Container, Manifest, entrypoint
from lifecycle.core import SETTINGS, Endpoints, read_settings
from tests.support.servers import ROOT, Waiting

HERE = ROOT / "examples/random_generator"


@pytest.fixture
def pod() -> Any:
    return yaml.safe_load((HERE / "pod.yaml").read_text())


@pytest.fixture
def manifest() -> Manifest:
    return Manifest.read(HERE / "pod.yaml")


def test_it_is_one_pod_with_one_container(pod: Any) -> None:
    assert (pod["apiVersion"], pod["kind"]) == ("v1", "Pod")
    (container,) = pod["spec"]["containers"]
    assert container["name"] == pod["metadata"]["name"] == "random-generator"


def test_the_settings_are_settings_and_fit_the_grace_period(manifest: Manifest) -> None:
    known = {setting.variable for setting in SETTINGS}
    ours = {name for name in manifest.environment if name.startswith("LIFECYCLE_")}
    assert ours <= known
    in_the_pod = {**manifest.environment, "KUBERNETES_SERVICE_HOST": "10.96.0.1"}
    settings = read_settings({}, in_the_pod)
    assert settings.grace_period == manifest.grace
    assert settings.budget.delay == 2
    assert settings.host_ip is not None


def test_the_hooks_and_probes_call_what_the_middleware_answers(
    pod: Any, manifest: Manifest
) -> None:
    paths = Endpoints()
    assert manifest.pre_stop == paths.shutdown
    assert manifest.probes == {
        "startup": paths.startupz,
        "liveness": paths.livez,
        "readiness": paths.readyz,
    }
    (container,) = pod["spec"]["containers"]
    (port,) = container["ports"]
    called = [container["lifecycle"]["preStop"]]
    called += [container[f"{kind}Probe"] for kind in manifest.probes]
    assert {call["httpGet"]["port"] for call in called} == {port["name"]}


def test_post_start_writes_the_file_that_is_waited_for(pod: Any, manifest: Manifest) -> None:
    shell, _, script = manifest.post_start
    assert shell == "sh"
    assert script.endswith('> "$LIFECYCLE_POST_START_FILE"')
    assert manifest.environment["LIFECYCLE_POST_START_FILE"] == "/tmp/postStart_done"
    (container,) = pod["spec"]["containers"]
    probe = container["startupProbe"]
    slept = re.search(r"sleep (\d+)", script)
    assert slept
    assert probe["periodSeconds"] * probe["failureThreshold"] > int(slept[1])


def test_the_image_serves_the_port_as_pid_1(manifest: Manifest) -> None:
    dockerfile = (HERE / "Dockerfile").read_text()
    command = entrypoint(HERE / "Dockerfile")
    assert command[:2] == ["uvicorn", "app:app"]
    assert command[command.index("--port") + 1] == str(manifest.port)
    assert f"EXPOSE {manifest.port}" in dockerfile


def test_the_image_is_made_of_files_that_exist() -> None:
    for line in re.findall(r"^COPY (.+) \S+$", (HERE / "Dockerfile").read_text(), re.MULTILINE):
        for source in line.split():
            assert (ROOT / source).exists(), source


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        (
            HOOK,
            ["User-Agent: kube-lifecycle/1.36", "Accept: */*", "Accept-Encoding: gzip"],
        ),
        (PROBE, ["User-Agent: kube-probe/1.36", "Accept: */*", "Connection: close"]),
    ],
    ids=["hook", "probe"],
)
def test_the_played_kubelet_sends_what_a_kubelet_sends(
    tmp_path: Path, headers: str, sent: list[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> bytes:
            connection, _ = server.accept()
            with connection:
                request = connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
            return request

        request = Waiting(answer)
        container = Container([], {}, tmp_path, port=port)
        answered = asyncio.run(container.get("/shutdown", headers))
        lines = request.result().decode().split("\r\n")
    assert lines == ["GET /shutdown HTTP/1.1", f"Host: 127.0.0.1:{port}", *sent, "", ""]
    assert (answered.status, answered.body) == (200, "ok")
