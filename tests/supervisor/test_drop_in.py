"""Chains of three containers that were written for another wrapper, unchanged but for the binary."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.supervisor.running import WITNESS, Form, Running, wait_until

pytestmark = pytest.mark.process


class Tekton:
    def __init__(self, supervisor: Form, folder: Path) -> None:
        self._supervisor = supervisor
        self.folder = folder

    def step(self, number: int, *words: object, flags: tuple[str, ...] = ()) -> Running:
        """As the controller writes it: one dash, and the command in two parts."""
        run = self.folder / "run"
        wait = run / str(number - 1) / "out" if number else self.folder / "ready"
        content = () if number else ("-wait_file_content",)
        entrypoint, *arguments = map(str, words)
        return self._supervisor.start(
            "-wait_file",
            wait,
            *content,
            "-post_file",
            run / str(number) / "out",
            "-termination_path",
            self.folder / f"termination{number}",
            "-step_metadata_dir",
            run / str(number) / "status",
            *flags,
            "-entrypoint",
            entrypoint,
            "--",
            *arguments,
        )

    def is_posted(self, number: int, suffix: str = "") -> bool:
        return (self.folder / "run" / str(number) / f"out{suffix}").exists()


@pytest.fixture
def tekton(supervisor: Form, tmp_path: Path) -> Tekton:
    return Tekton(supervisor, tmp_path)


def test_tekton_steps_run_one_after_the_other(tekton: Tekton) -> None:
    log = tekton.folder / "log"
    steps = [tekton.step(n, "sh", "-c", f"echo {n} >> {log}") for n in (2, 1, 0)]
    time.sleep(0.3)
    assert not log.exists()
    (tekton.folder / "ready").write_text("READY")
    assert [step.status() for step in steps] == [0, 0, 0]
    assert log.read_text() == "0\n1\n2\n"
    assert (tekton.folder / "run/1/status/exitCode").read_text() == "0"
    entries = json.loads((tekton.folder / "termination1").read_text())
    assert [(entry["key"], entry["type"]) for entry in entries] == [("StartedAt", 3)]


def test_a_failed_tekton_step_skips_its_followers(tekton: Tekton) -> None:
    (tekton.folder / "ready").write_text("READY")
    steps = [tekton.step(n, "sh", "-c", f"exit {0 if n else 3}") for n in (0, 1, 2)]
    assert [step.status() for step in steps] == [3, 1, 1]
    assert [tekton.is_posted(n, ".err") for n in (0, 1, 2)] == [True] * 3
    entries = json.loads((tekton.folder / "termination2").read_text())
    assert {"key": "Reason", "value": "Skipped", "type": 3} in entries


def test_a_tekton_step_that_is_killed_fails_its_followers_at_once(
    supervisor: Form, tmp_path: Path
) -> None:
    """In whatever order they came. A busy machine may be slow once; who polls by the second is slow each time."""
    taken = []
    for attempt, order in enumerate(((1, 2), (2, 1), (1, 2))):
        tekton = Tekton(supervisor, tmp_path / str(attempt))
        tekton.folder.mkdir()
        (tekton.folder / "ready").write_text("READY")
        first = tekton.step(0, *WITNESS).until("ready")
        followers = [tekton.step(number, "true") for number in order]
        for follower in followers:
            wait_until(lambda follower=follower: len(follower.children()) == 1)
        began = time.monotonic()
        first.send(signal.SIGKILL)
        for follower in followers:
            assert follower.process.wait() == 1
        taken.append(time.monotonic() - began)
        assert [follower.status() for follower in followers] == [1, 1]
        assert first.status() == 137
    assert min(taken) < 0.3, "a poll of the marker alone would never end"


def test_tekton_continues_on_error_when_asked(tekton: Tekton) -> None:
    (tekton.folder / "ready").write_text("READY")
    step = tekton.step(0, "sh", "-c", "exit 4", flags=("-on_error", "continue"))
    assert step.status() == 0
    assert tekton.is_posted(0)
    entries = json.loads((tekton.folder / "termination0").read_text())
    assert {"key": "ExitCode", "value": "4", "type": 3} in entries


def test_tekton_timeouts_breakpoints_and_conditions(tekton: Tekton) -> None:
    (tekton.folder / "ready").write_text("READY")
    timed = tekton.step(0, "sleep", "30", flags=("-timeout=300ms",))
    assert timed.status() == 1
    assert tekton.is_posted(0, ".err")
    (tekton.folder / "run/0/out.err").unlink()
    broken = tekton.step(0, "sh", "-c", "exit 5", flags=("-breakpoint_on_failure",))
    time.sleep(0.4)
    assert not tekton.is_posted(0, ".err")
    (tekton.folder / "run/0/out.breakpointexit").write_text("0")
    assert broken.status() == 0
    unless = json.dumps([{"input": "a", "operator": "notin", "values": ["a"]}])
    skipped = tekton.step(0, "sh", "-c", "exit 5", flags=("-when_expressions", unless))
    assert skipped.finish()[:2] == (0, "")
    assert tekton.is_posted(0)


def test_tekton_takes_the_command_of_its_platform(supervisor: Form, tmp_path: Path) -> None:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    env = {"TEKTON_PLATFORM_COMMANDS": json.dumps({f"linux/{machine}": ["echo", "hello"]})}
    assert supervisor.run("-post_file", tmp_path / "out", "--", "you", env=env)[1] == "hello you\n"
    assert supervisor.run("-no_such_flag", "-entrypoint", "true")[0] == 64
    assert supervisor.run("-entrypoint", "true", "-no_such_flag")[0] == 1


def test_tekton_copies_and_decodes(supervisor: Form, tmp_path: Path) -> None:
    source, target, script = tmp_path / "a", tmp_path / "b", tmp_path / "script"
    source.write_bytes(b"binary")
    assert supervisor.run("cp", source, target)[0] == 0
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"binary", 0o755)
    script.write_text("ZWNobyBoaQo=")
    script.chmod(0o750)
    assert supervisor.run("decode-script", script)[0] == 0
    assert (script.read_text(), script.stat().st_mode & 0o777) == ("echo hi\n", 0o750)


class Argo:
    def __init__(self, supervisor: Form, folder: Path) -> None:
        self._supervisor = supervisor
        self.folder = folder
        containers = [
            {"name": "a"},
            {"name": "b", "dependencies": ["a"]},
            {"name": "c", "dependencies": ["b"]},
        ]
        (folder / "template").write_text(json.dumps({"containerSet": {"containers": containers}}))

    def start(self, name: str, *words: object, **env: str) -> Running:
        variables = {"SUPERVISOR_ARGO_DIR": str(self.folder), "ARGO_CONTAINER_NAME": name, **env}
        flags = ("emissary", "--loglevel", "info", "--log-format", "text", "--")
        return self._supervisor.start(*flags, *words, env=variables)

    def file(self, name: str, kind: str) -> Path:
        return self.folder / "ctr" / name / kind


@pytest.fixture
def argo(supervisor: Form, tmp_path: Path) -> Argo:
    return Argo(supervisor, tmp_path)


def test_argo_containers_run_in_the_order_of_their_template(argo: Argo) -> None:
    log = argo.folder / "log"
    running = [argo.start(name, "sh", "-c", f"echo {name} >> {log}") for name in "cba"]
    assert [each.status() for each in running] == [0, 0, 0]
    assert log.read_text() == "a\nb\nc\n"
    assert argo.file("b", "exitcode").read_text() == "0\n"


def test_a_failed_or_killed_argo_container_fails_its_followers(argo: Argo) -> None:
    running = [argo.start(name, "sh", "-c", "exit 3") for name in "abc"]
    assert [each.status() for each in running] == [3, 64, 64]
    assert argo.file("c", "exitcode").read_text() == "64\n"
    killed = argo.start("a", *WITNESS).until("ready")
    follower = argo.start("b", "true")
    wait_until(lambda: len(follower.children()) == 2)
    killed.send(signal.SIGKILL)
    assert follower.status() == 64


def test_an_argo_container_obeys_its_signal_file_and_pauses(argo: Argo) -> None:
    running = argo.start("a", *WITNESS, ARGO_DEBUG_PAUSE_BEFORE="true")
    wait_until(argo.file("a", "status.json").exists)
    assert running.out == b""
    argo.file("a", "before").touch()
    running.until("ready")
    argo.file("a", "signal").write_text("15")
    assert running.finish()[1].split() == ["ready", "SIGTERM", "clean"]
    assert not argo.file("a", "signal").exists()
    waiting = argo.start("b", "true")
    assert waiting.status() == 0
    deaf = argo.start("a", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    deaf.until("ready")
    follower = argo.start("b", "touch", argo.folder / "started")
    wait_until(lambda: len(follower.children()) == 2)
    argo.file("b", "signal").write_text("15")
    assert follower.status() == 143
    assert not (argo.folder / "started").exists()
    argo.file("a", "signal").write_text("9")
    assert deaf.status() == 137


def test_argos_own_exit_code_files_are_believed(argo: Argo) -> None:
    """A container of another kind leaves nothing but its `exitcode`."""
    argo.file("a", "exitcode").parent.mkdir(parents=True)
    argo.file("a", "exitcode").write_text("0")
    assert argo.start("b", "echo", "on").finish()[:2] == (0, "on\n")


def test_argo_arguments_may_come_from_a_file(argo: Argo) -> None:
    arguments = argo.folder / "args"
    arguments.write_text(json.dumps(["one", "t w o"]))
    running = argo.start("a", "printf", "%s,", ARGO_CONTAINER_ARGS_FILE=str(arguments))
    assert running.finish()[1] == "one,t w o,"
    assert argo._supervisor.run("emissary", "true")[0] == 64


class Kubexit:
    def __init__(self, supervisor: Form, folder: Path) -> None:
        self._supervisor = supervisor
        self.folder = folder

    def start(self, name: str, *words: object, **env: str) -> Running:
        variables = {"KUBEXIT_NAME": name, "KUBEXIT_GRAVEYARD": str(self.folder)}
        variables |= {f"KUBEXIT_{key}": value for key, value in env.items()}
        return self._supervisor.start(*words, env=variables)

    def tombstone(self, name: str) -> dict[str, str]:
        lines = (self.folder / name).read_text().splitlines()
        return dict(line.split(": ", 1) for line in lines)


@pytest.fixture
def kubexit(supervisor: Form, tmp_path: Path) -> Kubexit:
    return Kubexit(supervisor, tmp_path / "graveyard")


def test_kubexit_containers_are_born_and_die_together(kubexit: Kubexit) -> None:
    third = kubexit.start("third", *WITNESS, BIRTH_DEPS="second", DEATH_DEPS="first")
    second = kubexit.start("second", *WITNESS, BIRTH_DEPS="first", DEATH_DEPS="first")
    time.sleep(0.3)
    assert not (kubexit.folder / "second").exists()
    first = kubexit.start("first", "sh", "-c", "sleep 1.5; exit 3")
    second.until("ready")
    third.until("ready")
    assert kubexit.tombstone("second").keys() == {"Born"}
    assert first.status() == 3
    assert (second.status(), third.status()) == (0, 0)
    assert kubexit.tombstone("first")["ExitCode"] == "3"
    assert kubexit.tombstone("third").keys() == {"Born", "Died", "ExitCode"}


def test_kubexit_notices_deaths_that_it_used_to_miss(kubexit: Kubexit) -> None:
    assert kubexit.start("main", "true").status() == 0
    assert kubexit.start("late", "sleep", "30", DEATH_DEPS="main").status() == 143
    waiting = kubexit.start("waiting", "echo", "ran", BIRTH_DEPS="never", DEATH_DEPS="main")
    assert waiting.finish()[:2] == (143, "")


def test_kubexit_gives_up_and_complains_as_before(kubexit: Kubexit) -> None:
    assert kubexit.start("a", "true", BIRTH_DEPS="b", BIRTH_TIMEOUT="200ms").status() == 1
    assert kubexit.tombstone("a")["ExitCode"] == "1"
    assert kubexit.start("a", "true", GRACE_PERIOD="soon").status() == 2
    assert kubexit.start("a").status() == 2
