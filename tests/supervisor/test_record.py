"""What is left of a container's life: one JSON object, whole in the state directory, short enough for Kubernetes."""

import os
import signal
from pathlib import Path

import pytest

from lifecycle.supervisor import _json
from lifecycle.supervisor._files import GIVEN, WRITTEN
from lifecycle.supervisor._record import MESSAGE_BYTES, Record
from tests.supervisor.running import PYTHON, Form, is_namespace_allowed, read_json, wait_until

pytestmark = pytest.mark.process
LISTED = """
import os, socket, sys
assert os.environ["LISTEN_PID"] == str(os.getpid())
talk = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
talk.sendto(b"READY=1", "\\0" + os.environ["NOTIFY_SOCKET"][1:])
sys.stdin.read()
print(*os.environ)
sys.exit(int(sys.argv[1]))
"""
DEAF = ("sh", "-c", "trap '' TERM INT; echo ready; while :; do sleep 0.05; done")


def test_who_asked_what_was_granted_used_and_killed(
    supervisor: Form, place: str, state: Path, tmp_path: Path
) -> None:
    message = tmp_path / "message"
    message.touch()
    words = ("--name", "app", "--state-dir", state, "--termination-path", message)
    limits = ("--grace-period", "30", "--second-signal", "kill", "--escalate", "INT:9s,TERM")
    running = supervisor.start(*words, *limits, *DEAF, place=place).until("ready")
    running.send(signal.SIGTERM)
    wait_until(lambda: read_json(state / "app" / "status.json")["phase"] == "stopping")
    running.send(signal.SIGINT)
    assert running.status() == 137
    record = read_json(message)
    assert record == read_json(state / "app" / "record.json")
    assert (record["status"], record["stop"], record["grace"]) == (137, "SIGTERM", 30.0)
    assert 0 < record["used"] <= record["lasted"] + 0.05
    assert record["argv"].startswith("sh -c trap")
    by = {entry["signal"]: entry["by"] for entry in record["asked"]}
    expected = (
        "the kubelet or the container runtime" if place == "pid 1" else f"process {os.getpid()}"
    )
    assert {name: who.startswith(expected) for name, who in by.items()} == {
        "TERM": True,
        "INT": True,
    }
    assert record["signals"][0]["signal"] == "INT"
    assert record["asked"][0]["at"] <= record["signals"][0]["at"]
    assert record["killed"][0]["argv"].startswith("sh -c trap '' TERM INT")
    assert any(line.startswith("killing what did not end in time") for line in record["warnings"])
    assert "oom_kill" in record


def test_a_program_that_ends_by_itself_was_stopped_by_nobody(supervisor: Form, state: Path) -> None:
    assert supervisor.run("--name", "app", "--state-dir", state, "sh", "-c", "exit 4")[0] == 4
    record = read_json(state / "app" / "record.json")
    assert record["status"] == 4
    assert not {"asked", "signals", "killed", "grace", "used", "stop"} & set(record)


def test_a_program_that_never_started_leaves_its_reason(
    supervisor: Form, state: Path, tmp_path: Path
) -> None:
    message = tmp_path / "message"
    message.touch()
    words = ("--name", "app", "--state-dir", state, "--termination-path", message)
    never = f"file:/{'never' * 300}"
    assert supervisor.run(*words, "--after", never, "--wait-timeout", "50ms", "true")[0] == 69
    assert never in read_json(state / "app" / "record.json")["skipped"]
    record = read_json(message)
    assert (record["status"], record["skipped"][:13]) == (69, "not there aft")


def test_the_files_and_variables_are_those_of_the_table(supervisor: Form, tmp_path: Path) -> None:
    """What `--help` and the reference page say, no less and no more."""

    def files() -> set[str]:
        """One that is being written aside has a name that begins with a dot."""
        there = [
            path.relative_to(tmp_path)
            for path in tmp_path.rglob("*")
            if path.is_file() or path.is_fifo()
        ]
        return {str(path) for path in there if not path.name.startswith(".")}

    names = ("post-file", "ready-file", "stdout-path", "stderr-path")
    words = [word for name in names for word in (f"--{name}", name.upper())]
    words += ["--name", "NAME", "--state-dir", "STATE", "--notify", "--watchdog", "60"]
    env = {"LISTEN_FDS": "0", "LISTEN_PID": "1"}
    bare = set(supervisor.run(*PYTHON, "-c", "import os; print(*os.environ)", env=env)[1].split())
    found: set[str] = set()
    for status in (0, 3):
        running = supervisor.start(
            *words, *PYTHON, "-c", LISTED, status, cwd=tmp_path, env=env, stdin=-1
        )
        wait_until((tmp_path / "READY-FILE").exists)
        found |= files()
        ended, out, _ = running.finish()
        assert ended == status
        given = set(out.split())
        assert (given - bare) | {"LISTEN_PID"} == {name for name, _ in GIVEN}
        found |= files()
    assert found == {path for path, _, _ in WRITTEN if not path.startswith("/dev/")}


@pytest.mark.skipif(
    os.getuid() != 0 or not is_namespace_allowed(), reason="needs root and namespaces"
)
def test_the_kubelets_file_is_found_without_being_told(supervisor: Form, tmp_path: Path) -> None:
    """It is mounted there by itself: written in place, never replaced."""
    message = tmp_path / "message"
    message.touch()
    # A /dev of its own: the machine's is left alone.
    own = "mount -t tmpfs none /dev; touch /dev/termination-log; mknod /dev/null c 1 3; mknod /dev/urandom c 1 9"
    mount = f"mount --bind {message} /dev/termination-log"
    argv = ["unshare", "--mount", "sh", "-c", f'{own}; {mount}; exec "$@"', "sh"]
    inside = Form(supervisor.name, [*argv, *supervisor.argv])
    assert inside.run("sh", "-c", "exit 3")[0] == 3
    inside.end()
    assert read_json(message)["status"] == 3


def test_a_message_says_as_much_as_fits() -> None:
    """Letters that take six or twelve bytes each, long lists and long words: still an object, still the facts."""
    record = Record(["\N{SNOWMAN}" * 5000, "\N{GRINNING FACE}" * 5000])
    record.note(
        skipped="\N{GRINNING FACE}" * 5000, stop="\N{SNOWMAN}" * 5000, grace=30.0, used=29.0
    )
    for number in range(50):
        record.asked_to_stop(f"--until {'x' * 300} {number}", None)
        record.signalled(15)
    record.finish(status=137, warnings=["\N{GRINNING FACE}" * 3000] * 100)
    text = record.text(MESSAGE_BYTES)
    assert len(text.encode()) <= MESSAGE_BYTES
    told = _json.read(text)
    assert isinstance(told, dict)
    assert (told["status"], told["grace"], told["used"]) == (137, 30.0, 29.0)
    assert told["stop"] == "\N{SNOWMAN}" * 200
    whole = _json.read(record.text())
    assert isinstance(whole, dict)
    assert whole["stop"] == "\N{SNOWMAN}" * 5000
