"""The play of a pod's life keeps its promises, says so when they are broken, and leaves nothing behind."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.servers import ROOT, end_group, environment, unmeasured

pytestmark = pytest.mark.process

LINE = re.compile(r" *(\d+\.\d\d) s  (\w+) +(.+)")


@pytest.fixture
def tmp() -> Iterator[Path]:
    """A folder with a short name, as people have: paths are part of what is printed."""
    with tempfile.TemporaryDirectory(prefix="t-") as name:
        yield Path(name)


@contextmanager
def demo(tmp: Path, *words: str, root: Path = ROOT) -> Iterator["subprocess.Popen[str]"]:
    """The demo of the repository at `root`, with `tmp` for its temporary files."""
    process = subprocess.Popen(
        [sys.executable, "-m", "examples.random_generator.demo", *words],
        cwd=root,
        env=unmeasured(environment(TMPDIR=str(tmp))),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        end_group(process)
        assert process.stdout is not None
        process.stdout.close()


def left_behind(tmp: Path) -> list[str]:
    """Files, and the command lines of processes, that have to do with `tmp`."""
    found = [str(path) for path in tmp.iterdir()]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(tmp).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:
            continue  # gone meanwhile, or not ours
    return found


def table(output: str) -> dict[str, tuple[int, int]]:
    """Served and lost, by client."""
    rows = re.findall(r"^  (\S.+?)  +(\d+)  +(\d+)  ", output, re.MULTILINE)
    return {what: (int(served), int(lost)) for what, served, lost in rows}


def test_the_play_is_complete_and_nothing_is_lost(tmp: Path) -> None:
    with demo(tmp) as process:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
    assert left_behind(tmp) == []
    unwrapped = re.sub(r"\n {20}", " ", output).splitlines()
    said = [match.groups() for match in map(LINE.fullmatch, unwrapped) if match]
    seconds = [float(at) for at, _, _ in said]
    assert seconds == sorted(seconds)
    steps = [
        r"kubelet: starts the container: uvicorn app:app --host 127.0.0.1 --port \d+",
        r"kubelet: runs postStart beside it: sh -c 'sleep 3 && echo \"Wake up!\" >",
        r"kubelet: GET /readyz: 503 waiting for \S+/postStart_done, \d\.\d s",
        r"kubelet: postStart has exited with 0",
        r"app: postStart trigger received",
        r"app: STARTING -> READY",
        r"kubelet: GET /readyz: 200 serving",
        r"client: 50 requests a second on new connections, and 50 on kept ones",
        r"client: a stream of events without end \(/events\), and a WebSocket",
        r"client: POST /batch: 202",
        r"client: slow requests:",
        r"kubelet: runs preStop: GET /shutdown",
        r"app: READY -> LAME DUCK",
        r"kubelet: GET /readyz: 503",
        r"client: \w+ connections: \d+ of them were sent after the stop",
        r"app: LAME DUCK -> DRAINING",
        r"client: slow request /\?burn=2400: 200",
        r"app: DRAINING -> STOPPING \(drained\)",
        r"app: STOPPING -> STOPPED",
        r"kubelet: preStop is answered: 200, clean",
        r"kubelet: (sends SIGTERM|finds nobody to send SIGTERM to)",
        r"kubelet: the container has exited with 0",
    ]
    rest = iter([f"{who}: {what}" for _, who, what in said])
    for step in steps:
        assert any(re.match(step, line) for line in rest), f"{step}\n{output}"
    assert "trigger_message=Wake up!" in output
    assert 'closed with 1012 "service restart"' in output
    assert 'then "event: shutdown"' in output
    outcome = table(output)
    assert set(outcome) >= {"new connections", "kept connections", "stream", "WebSocket"}
    assert outcome["background work"] == (1, 0)
    assert outcome["new connections"][0] > 80
    assert [what for what, (served, lost) in outcome.items() if lost or not served] == []
    assert max(map(len, output.splitlines())) <= 100
    assert "\x1b" not in output, "colours are for terminals"
    assert output.endswith("\nNothing was lost, and the application exited with 0.\n")


def test_nothing_is_lost_under_our_own_server_with_two_workers(tmp: Path) -> None:
    with demo(tmp, "workers") as process:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
    assert left_behind(tmp) == []
    assert "starts the container: lifecycle serve app:app" in output
    assert output.count("STARTING -> READY") == 2
    assert [what for what, (served, lost) in table(output).items() if lost or not served] == []
    assert output.endswith("\nNothing was lost, and the application exited with 0.\n")


def test_what_is_lost_is_said_and_is_the_exit_status(tmp: Path, tmp_path: Path) -> None:
    """The control: without the delay, routers send requests to a process that takes none."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    manifest = tmp_path / "examples/random_generator/pod.yaml"
    text = manifest.read_text()
    changed = text.replace('value: "2"', 'value: "0"').replace("sleep 3", "sleep 0")
    assert changed.count('value: "0"') == 1
    manifest.write_text(changed)
    with demo(tmp, root=tmp_path) as process:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 1, output
    outcome = table(output)
    assert outcome["new connections"][1] > 0
    verdict = output.partition("\nNot as promised:\n")[2].splitlines()
    assert f"  - new connections: {outcome['new connections'][1]} lost" in verdict
    assert left_behind(tmp) == []


def test_an_application_that_does_not_start_ends_the_play_with_its_output(
    tmp: Path, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    with (tmp_path / "examples/random_generator/app.py").open("a") as app:
        app.write("open('/no/such/file')\n")
    with demo(tmp, root=tmp_path) as process:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 1, output
    assert "\n  FileNotFoundError: [Errno 2] No such file or directory: '/no/such/file'\n" in output
    assert output.endswith(
        "\nNot as promised:\n  - the application exited with 1 before it listened\n"
    )
    assert left_behind(tmp) == []


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM], ids=lambda which: which.name)
def test_an_interrupted_play_leaves_nothing_behind(tmp: Path, which: signal.Signals) -> None:
    with demo(tmp) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "waiting for the postStart trigger" in line:
                break
        assert left_behind(tmp)
        os.kill(process.pid, which)
        output, _ = process.communicate(timeout=20)
        assert process.returncode == 128 + signal.SIGINT, output
    assert output.endswith("\nInterrupted; nothing is left behind.\n")
    assert left_behind(tmp) == []


def test_not_even_a_killed_play_leaves_its_server_behind(tmp: Path) -> None:
    with demo(tmp) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "waiting for the postStart trigger" in line:
                break
        process.kill()
        process.wait()
    deadline = time.monotonic() + 5
    while servers := [command for command in left_behind(tmp) if "uvicorn" in command]:
        assert time.monotonic() < deadline, servers
