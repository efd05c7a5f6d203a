"""What the commands do at a shell: nobody reads on, the disk is full, a stream is closed, Ctrl-C is pressed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

GOOD = "kind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: a, image: a}]}\n"
BAD = GOOD.replace("{containers", "{terminationGracePeriodSeconds: 0, containers")
ONCE = (
    "kind: Job\nmetadata: {name: once}\n"
    "spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}\n"
)
"""May end by itself, and a rehearsal of it keeps its promises."""
APP = "from lifecycle import Lifecycle\nlife = Lifecycle()\n"
WAITS = "import threading\nopen('began', 'w').close()\nthreading.Event().wait()\n"
"""An application whose import never ends; `began` is a FIFO, whose reader knows then that it has begun."""
REHEARSE = ("rehearse", "once.yaml", "--isolation", "none", "--run", "true")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    texts = {
        "good.yaml": GOOD,
        "bad.yaml": BAD,
        "once.yaml": ONCE,
        "shop.py": APP,
        "waits.py": WAITS,
    }
    for name, text in texts.items():
        Path(name).write_text(text)
    os.mkfifo("began")


@pytest.fixture
def unread() -> Iterator[int]:
    """A pipe that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def start(*words: str, stdout: int = subprocess.PIPE) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "lifecycle", *words]
    # Buffered, as at a shell: what is held back until the exit is lost at the exit.
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def run(*words: str, stdout: int = subprocess.PIPE) -> tuple[int, str]:
    """Its exit status, and what it says to standard error."""
    process = start(*words, stdout=stdout)
    _, told = process.communicate(timeout=60)
    assert "Traceback" not in told
    return process.returncode, told


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["check", "good.yaml"], 0),
        (["check", "bad.yaml"], 1),
        (["check", "--format", "json", "gone.yaml"], 2),
        (["check", "--rules"], 0),
        (["manifest", "--app", "shop:life"], 0),
        (["rehearse", "--schema"], 0),
        (["stop", "--help"], 0),
        (["stop", "--pid", str(2**31 - 1)], 0),
        (["trigger", "--help"], 0),
    ],
)
def test_who_stops_reading_changes_no_exit_status(
    unread: int, words: list[str], status: int
) -> None:
    assert run(*words, stdout=unread)[0] == status


def test_a_rehearsal_that_nobody_follows_is_ended(unread: int) -> None:
    status, told = run(*REHEARSE, stdout=unread)
    assert status == 2
    assert "Error: nobody reads on: the rehearsal is ended, nothing of the pod is left\n" in told


def test_a_rehearsal_whose_summary_nobody_reads_still_writes_its_json(unread: int) -> None:
    status, told = run(*REHEARSE, "--quiet", "--json", "result.json", stdout=unread)
    assert status == 0, told
    assert json.loads(Path("result.json").read_text())["kept"] is True


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "bad.yaml"], "the findings cannot be written: No space left on device"),
        (["check", "--rules"], "the rules cannot be written: No space left on device"),
        (["manifest", "--app", "shop:life"], "the manifest cannot be written: No space left"),
        (["--help"], "this cannot be written: No space left on device"),
        (["check", "--help"], "this cannot be written: No space left on device"),
        (
            [*REHEARSE],
            "what happens cannot be written (No space left on device): the rehearsal is ended",
        ),
    ],
)
def test_a_full_disk_is_2_and_told_in_one_line(words: list[str], message: str) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        status, told = run(*words, stdout=full.fileno())
    assert status == 2
    assert f"Error: {message}" in told.splitlines()[-1]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("check - <&-", 2),
        ("check bad.yaml >&-", 1),
        ("check bad.yaml 2>&-", 1),
        ("manifest --app shop:life >&-", 0),
        (f"{' '.join(REHEARSE)} --quiet >&-", 0),
        ("stop --help >&-", 0),
        ("stop --port 1 2>&-", 3),
        ("stop --port 1 2>/dev/full", 3),
        ("trigger 2>&-", 2),
        ("trigger 2>/dev/full", 2),
    ],
)
def test_a_closed_stream_or_a_full_one_changes_no_exit_status(line: str, status: int) -> None:
    shell = ["sh", "-c", f"exec {sys.executable} -m lifecycle {line}"]
    ended = subprocess.run(shell, check=False, stderr=subprocess.PIPE, text=True, timeout=60)
    assert "Traceback" not in ended.stderr
    assert ended.returncode == status


def _begun() -> None:
    """Wait until it is in the middle of it: opening a FIFO for reading waits for somebody who writes."""
    with open("began") as fifo:  # noqa: PTH123 - a FIFO, whose opening waits
        fifo.read()


@pytest.mark.parametrize("words", [["check", "began"], ["rehearse", "began"]])
def test_ctrl_c_while_a_manifest_is_read_is_130(words: list[str]) -> None:
    process = start(*words)
    with open("began", "w"):  # noqa: PTH123 - a FIFO; opening it waits for the one who reads
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in told


@pytest.mark.parametrize(
    "words", [["manifest", "--app", "waits:life"], ["check", "good.yaml", "--app", "waits:life"]]
)
def test_ctrl_c_while_an_application_is_imported_is_130_and_leaves_no_process(
    words: list[str],
) -> None:
    process = start(*words)
    _begun()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert importers() == []


def importers() -> list[str]:
    """Those that import `waits`, here."""
    found: list[str] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if b"waits:life" in (entry / "cmdline").read_bytes() and (entry / "cwd").samefile("."):
                found.append(entry.name)
        except OSError:
            continue
    return found
