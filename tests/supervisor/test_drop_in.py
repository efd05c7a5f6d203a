"""Chains of three containers that were written for another wrapper, unchanged but for the binary."""

import base64
import fcntl
import json
import os
import shutil
import signal
import tarfile
import time
import zlib
from pathlib import Path

import pytest

from lifecycle.supervisor import _tekton_setup
from tests.supervisor.running import (
    WITNESS,
    Form,
    Running,
    is_namespace_allowed,
    wait_until,
)

pytestmark = pytest.mark.process


class Tekton:
    def __init__(self, supervisor: Form, folder: Path) -> None:
        self._supervisor = supervisor
        self.folder = folder

    def step(
        self, number: int, *words: object, flags: tuple[object, ...] = (), **env: str
    ) -> Running:
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
            env={"SUPERVISOR_TEKTON_DIR": str(self.folder / "tekton"), **env},
        )

    def result(self, step: str, name: str, content: str) -> None:
        """Left by a step that has ended."""
        self.leave(f"steps/step-{step}/results/{name}", content)

    def leave(self, path: str, content: str) -> None:
        target = self.folder / "tekton" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)

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


def test_what_tekton_would_be_promised_falsely_is_refused(tekton: Tekton) -> None:
    """A condition that cannot be judged fails the step and those that follow, as one with a mistake in it does."""
    (tekton.folder / "ready").write_text("READY")
    status, out, errors = tekton.step(0, "echo", "ran", flags=("-enable_spire",)).finish()
    assert (status, out) == (1, "")
    assert "results are not signed here" in errors
    cel = json.dumps([{"cel": "'a'.matches('^a$')"}])
    status, out, errors = tekton.step(0, "echo", "ran", flags=("-when_expressions", cel)).finish()
    assert (status, out) == (1, "")
    assert "matches() is not known here" in errors
    assert tekton.is_posted(0, ".err")
    unsigned = ("-enable_spire", "-spire_socket_path=")
    assert tekton.step(0, "echo", "ran", flags=unsigned).finish()[:2] == (0, "ran\n")


def test_a_tekton_step_gets_what_earlier_steps_have_left(tekton: Tekton) -> None:
    results = f"{tekton.folder}/tekton/steps/step-build/results"
    wait_for = f"mkdir -p {results}; printf 1.2 > {results}/version; "
    wait_for += f"""printf '["a b", "c"]' > {results}/names; printf '{{"url": "http://x"}}' > {results}/image"""
    words = (
        "v$(steps.build.results.version)",
        "$(steps.build.results.names[*])",
        "$(steps.build.results.names[1])!",
        "$(steps.build.results.image.url)",
        "$(steps.build.results.never)",
        "$(params.other)",
    )
    follower = tekton.step(
        1, "sh", "-c", 'printf "%s|" "$@" "$V"', "sh", *words, V="=$(steps.build.results.version)"
    )
    build = tekton.step(0, "sh", "-c", wait_for)
    (tekton.folder / "ready").write_text("READY")
    assert build.status() == 0
    status, out, errors = follower.finish()
    assert (status, out) == (
        0,
        "v1.2|a b|c|c!|http://x|$(steps.build.results.never)|$(params.other)|=1.2|",
    )
    assert "$(steps.build.results.never) is left as it is: there is no " in errors


def test_a_tekton_step_gets_artifacts_and_reports_its_own(tekton: Tekton) -> None:
    (tekton.folder / "ready").write_text("READY")
    values = [{"uri": "pkg:x", "digest": {"sha256": "0a"}}]
    described = json.dumps({"outputs": [{"name": "image", "values": values}]})
    tekton.leave("steps/step-build/artifacts/provenance.json", described)
    tekton.leave("artifacts/provenance.json", "{}")
    tekton.leave("scripts/script-0", "#!/bin/sh\necho '$(steps.build.outputs.image)'\n")
    (tekton.folder / "tekton/scripts/script-0").chmod(0o755)
    for words in (
        ["echo", "$(steps.build.outputs.image)"],
        [f"{tekton.folder}/tekton/scripts/script-0"],
    ):
        status, out, _ = tekton.step(0, *words).finish()
        assert (status, json.loads(out)) == (0, values)
    own = tekton.folder / "run/0/status/artifacts/provenance.json"
    assert tekton.step(0, "sh", "-c", f"echo mine > {own}").status() == 0
    entries = json.loads((tekton.folder / "termination0").read_text())[-3:]
    assert [(entry["type"], entry["value"]) for entry in entries[1:]] == [(5, "mine\n"), (6, "{}")]
    assert entries[1]["key"] == str(own)


def test_tekton_conditions_see_the_results_of_earlier_steps(tekton: Tekton) -> None:
    (tekton.folder / "ready").write_text("READY")
    tekton.result("build", "kind", "release")
    tekton.result("build", "all", '["release", "test"]')
    kind = "$(steps.build.results.kind)"
    for condition, ran in (
        ({"input": kind, "operator": "in", "values": ["release"]}, True),
        ({"input": kind, "operator": "notin", "values": ["release"]}, False),
        ({"input": "test", "operator": "in", "values": ["$(steps.build.results.all[*])"]}, True),
        ({"cel": f"'{kind}' == 'release' && '{kind}'.startsWith('rel')"}, True),
        ({"cel": f"'{kind}' in ['test', 'nightly']"}, False),
    ):
        flags = ("-when_expressions", json.dumps([condition]))
        status, out, _ = tekton.step(0, "echo", "ran", flags=flags).finish()
        assert (status, out) == (0, "ran\n" if ran else ""), condition
    entries = json.loads((tekton.folder / "termination0").read_text())
    assert {"key": "Reason", "value": "Skipped", "type": 3} in entries


def test_who_debugs_a_tekton_step_may_give_it_up_or_go_on(tekton: Tekton) -> None:
    (tekton.folder / "ready").write_text("READY")
    before = tekton.step(0, "echo", "ran", flags=("-debug_before_step",))
    follower = tekton.step(1, "echo", "ran", flags=("-breakpoint_on_failure",))
    wait_until(lambda: len(before.children()) == len(follower.children()) == 1)
    (tekton.folder / "run/0/out.beforestepexit.err").write_text("1")
    assert before.finish()[:2] == (1, "")
    assert follower.finish()[:2] == (0, "ran\n"), "a breakpoint's followers go on after a failure"


ONLY_A_LOOPBACK = "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"


@pytest.mark.skipif(not is_namespace_allowed(), reason="this machine refuses namespaces")
def test_a_hermetic_tekton_step_has_no_network(tekton: Tekton) -> None:
    (tekton.folder / "ready").write_text("READY")
    program = f"{ONLY_A_LOOPBACK}; nsenter --net=/proc/1/ns/net true || echo stays; exit 5"
    step = tekton.step(0, "sh", "-c", program, TEKTON_HERMETIC="1")
    assert step.finish()[:2] == (5, "lo\nstays\n")
    owner = f"stat -c %u:%g {tekton.folder}; id -u"
    out = tekton.step(0, "sh", "-c", owner, TEKTON_HERMETIC="1").finish()[1]
    assert out.split() == [f"{os.getuid()}:{os.getgid()}", str(os.getuid())]
    running = tekton.step(0, *WITNESS, TEKTON_HERMETIC="1").until("ready")
    running.send(signal.SIGTERM)
    assert running.finish()[:2] == (0, "ready\nSIGTERM\nclean\n")
    fetched = tekton.step(
        0, "sh", "-c", ONLY_A_LOOPBACK, TEKTON_HERMETIC="1", TEKTON_RESOURCE_NAME="x"
    )
    assert fetched.status() == 0


@pytest.mark.skipif(
    os.getuid() != 0 or not is_namespace_allowed(), reason="needs root and namespaces"
)
def test_a_hermetic_step_whose_network_cannot_be_taken_away_does_not_run(
    supervisor: Form, tmp_path: Path
) -> None:
    """The kernel gives nobody in a chroot users of its own."""
    root = tmp_path / "root"
    root.mkdir()
    enter = f'mount --rbind / {root} && exec chroot {root} "$@"'
    inside = Form(
        supervisor.name, ["unshare", "--mount", "sh", "-c", enter, "sh", *supervisor.argv]
    )
    words = ("-post_file", tmp_path / "out", "-entrypoint", "echo", "--", "ran")
    status, out, errors = inside.run(*words, env={"TEKTON_HERMETIC": "1"})
    inside.end()
    assert (status, out) == (126, "")
    assert "cannot start 'echo': its network cannot be taken away: " in errors
    assert (tmp_path / "out.err").exists()


def test_a_tekton_step_has_the_credentials_of_its_service_account(tekton: Tekton) -> None:
    (tekton.folder / "ready").write_text("READY")
    for path, content in (
        ("login/username", "me"),
        ("login/password", "p@ss/word"),
        ("key/ssh-privatekey", "KEY"),
        ("key/known_hosts", "KNOWN"),
        ("registry/.dockerconfigjson", '{"auths": {"r.example": {"auth": "eA=="}}}'),
    ):
        tekton.leave(f"creds-secrets/{path}", content)
    home = tekton.folder / "home"
    home.mkdir()
    flags = (
        "-basic-git=login=https://git.example/team/one",
        "-basic-git=login=https://git.example",
        "-ssh-git=key=git.example:2222/team/two",
        "-basic-docker=login=d.example",
        "-docker-config=registry",
    )
    assert tekton.step(0, "true", flags=flags, HOME=str(home)).status() == 0
    assert (home / ".git-credentials").read_text() == (
        "https://me:p%40ss%2Fword@git.example\nhttps://me:p%40ss%2Fword@git.example/team/one\n"
    )
    configuration = (home / ".gitconfig").read_text()
    one = '[credential "https://git.example/team/one"]\n\tusername = me\n\tuseHttpPath = true\n'
    assert one in configuration
    there = "git.example--team--two"
    assert (
        f'[url "git@{there}:team/two.git"]\n\tinsteadOf = git@git.example:team/two.git'
        in configuration
    )
    assert "insteadOf = ssh://git.example:2222/team/two.git" in configuration
    ssh = (home / ".ssh/config").read_text().splitlines()
    assert ssh[:3] == [f"Host {there}", "    HostName git.example", "    Port 2222"]
    assert Path(ssh[3].split()[1]).read_text() == "KEY"
    assert (home / ".ssh/known_hosts").read_text() == "KNOWN"
    assert (home / ".ssh/id_key").stat().st_mode & 0o777 == 0o600
    auths = json.loads((home / ".docker/config.json").read_text())["auths"]
    assert auths["r.example"] == {"auth": "eA=="}
    assert base64.b64decode(auths["d.example"]["auth"]) == b"me:p@ss/word"
    status, _, errors = tekton.step(0, "true", flags=("-ssh-git=gone=x",)).finish()
    assert (status, "the secret 'gone' has no ssh-privatekey" in errors) == (1, True)


def test_tekton_messages_are_compressed_or_left_to_the_sidecar(tekton: Tekton) -> None:
    (tekton.folder / "ready").write_text("READY")
    results = ("-step_results", "result")
    kept = tekton.folder / "run/0/status/results/result"
    kept.parent.mkdir(parents=True)
    kept.write_text("x" * 6000)
    assert tekton.step(0, "true", flags=results).status() != 0, "too long as it is"
    packed = (*results, "-compress_termination_message")
    assert tekton.step(0, "true", flags=packed).status() == 0
    assert tekton.step(0, "true", flags=packed).status() == 0
    message = (tekton.folder / "termination0").read_bytes()
    assert len(message) <= 4096
    assert message.startswith(b"tknz:")
    text = message[5:] + b"=" * (-len(message[5:]) % 4)
    entries = json.loads(zlib.decompress(base64.b64decode(text, validate=True), -15))
    assert [entry["type"] for entry in entries] == [3, 4, 3, 4], "the first step's are kept"
    assert entries[1]["value"] == "x" * 6000
    reported = (*results, "-result_from", "sidecar-logs")
    (tekton.folder / "termination0").unlink()
    assert tekton.step(0, "true", flags=reported).status() == 0
    entries = json.loads((tekton.folder / "termination0").read_text())
    assert [entry["key"] for entry in entries] == ["StartedAt"]


def test_tekton_copies_and_decodes(supervisor: Form, tmp_path: Path) -> None:
    source, target, script = tmp_path / "a", tmp_path / "b", tmp_path / "script"
    source.write_bytes(b"binary")
    assert supervisor.run("cp", source, target)[0] == 0
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"binary", 0o755)
    script.write_text("ZWNobyBoaQo=")
    script.chmod(0o750)
    assert supervisor.run("decode-script", script)[0] == 0
    assert (script.read_text(), script.stat().st_mode & 0o777) == ("echo hi\n", 0o750)


def test_tekton_links_its_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tekton_setup, "STEPS", str(tmp_path / "steps"))
    for _ in range(2):  # an init container may run again
        assert _tekton_setup.subcommand(["step-init", "build", "test"]) == 0
    links = {path.name: str(path.readlink()) for path in (tmp_path / "steps").iterdir()}
    first, second = "/tekton/run/0/status", "/tekton/run/1/status"
    assert links == {"0": first, "build": first, "1": second, "test": second}


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

    def start(self, name: str, *words: object, cwd: Path | None = None, **env: str) -> Running:
        variables = {"SUPERVISOR_ARGO_DIR": str(self.folder), "ARGO_CONTAINER_NAME": name, **env}
        flags = ("emissary", "--loglevel", "info", "--log-format", "text", "--")
        return self._supervisor.start(*flags, *words, env=variables, cwd=cwd)

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


def test_argos_outputs_are_saved_for_the_wait_container(argo: Argo, tmp_path: Path) -> None:
    made = tmp_path / "made"
    long = "n" * 120
    template = {
        "container": {"volumeMounts": [{"mountPath": str(tmp_path / "volume")}]},
        "archiveLocation": {"archiveLogs": True},
        "outputs": {
            "parameters": [
                {"name": "p", "valueFrom": {"path": str(made / "parameter")}},
                {"name": "optional", "valueFrom": {"path": str(made / "never")}},
                {"name": "seen", "valueFrom": {"path": str(tmp_path / "volume/p")}},
            ],
            "artifacts": [
                {"name": "a", "path": f"{made}/folder/"},
                {"name": "none", "path": "/never"},
            ],
        },
    }
    (argo.folder / "template").write_text(json.dumps(template))
    program = (
        f"mkdir -p {made}/folder/inner {tmp_path}/volume; echo value > {made}/parameter; touch {tmp_path}/volume/p;"
        f"cd {made}/folder; head -c 100000 /dev/urandom > data; cp data inner/{long}; ln -s data link;"
        "mkfifo pipe; echo out; sleep 0.1; echo err >&2; exit 3"
    )
    running = argo.start("main", "sh", "-c", program)
    assert running.finish() == (3, "out\n", "err\n")
    saved = argo.folder / "outputs"
    assert (saved / f"parameters{made}/parameter").read_text() == "value\n"
    assert not (saved / f"parameters{tmp_path}/volume").exists()
    with tarfile.open(saved / f"artifacts{made}/folder.tgz") as tarball:
        names = sorted(tarball.getnames())
        assert names == [
            "folder",
            "folder/data",
            "folder/inner",
            f"folder/inner/{long}",
            "folder/link",
        ]
        extracted = tarball.extractfile(f"folder/inner/{long}")
        assert extracted is not None
        assert extracted.read() == (made / "folder/data").read_bytes()
        assert tarball.getmember("folder/link").linkname == "data"
    assert argo.file("main", "stdout").read_text() == "out\n"
    assert argo.file("main", "combined").read_text() == "out\nerr\n"
    assert argo.file("main", "exitcode").read_text() == "3\n"


def test_an_argo_container_waits_until_its_supervisor_is_ready(argo: Argo) -> None:
    status = argo.folder / "status"
    status.write_text("RUNNING")
    running = argo.start("a", "echo", "ran", ARGO_WAIT_FOR_READY="true")
    wait_until(lambda: len(running.children()) == 2)
    status.write_text("READY")
    assert running.finish()[:2] == (0, "ran\n")
    status.write_text("FAILED\nno such artifact")
    code, out, errors = argo.start("a", "echo", "ran", ARGO_WAIT_FOR_READY="true").finish()
    assert (code, out) == (65, "")
    assert "says FAILED: no such artifact" in errors
    assert argo.file("a", "exitcode").read_text() == "65\n"


def test_an_argo_pod_without_init_containers_follows_the_template_that_comes_late(
    argo: Argo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Argo's supervisor writes it, and what a step takes in, while the containers are there already."""
    # Coverage begins anew in every fork, and complains on stderr where the working directory is gone.
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    wanted, covered = tmp_path / "in/data", tmp_path / "in/empty"
    covered.mkdir(parents=True)
    artifacts = [
        {"name": "data", "path": str(wanted)},
        {"name": "folder", "path": str(covered)},
        {"name": "optional", "path": str(tmp_path / "in/optional")},
    ]
    containers = [{"name": "first"}, {"name": "main", "dependencies": ["first"]}]
    template = {
        "containerSet": {"containers": containers},
        "inputs": {"artifacts": artifacts},
        "archiveLocation": {"archiveLogs": True},
    }
    (argo.folder / "template").unlink()
    program = f"cat {wanted}; ls {covered}/; ls {tmp_path}/in; pwd -P; cat {tmp_path}/log"
    running = argo.start("main", "sh", "-c", program, ARGO_WAIT_FOR_READY="true", cwd=covered)
    wait_until(lambda: len(running.children()) == 2)
    for name, content in (("data", "taken in\n"), ("folder/inside", "")):
        file = argo.folder / "inputs/artifacts" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (argo.folder / "template").write_text(json.dumps(template))
    (argo.folder / "status").write_text("READY")
    time.sleep(0.2)
    assert running.process.poll() is None
    first = argo.start(
        "first", "sh", "-c", f"echo logged > {tmp_path}/log", ARGO_WAIT_FOR_READY="true"
    )
    assert first.status() == 0
    status, out, errors = running.finish()
    assert (status, errors) == (0, "")
    there = str((argo.folder / "inputs/artifacts/folder").resolve())
    assert out.split() == ["taken", "in", "inside", "data", "empty", there, "logged"]
    assert argo.file("main", "stdout").read_text() == out


def test_an_argo_artifact_never_replaces_what_is_on_a_volume(argo: Argo, tmp_path: Path) -> None:
    precious = tmp_path / "volume/data"
    precious.parent.mkdir()
    precious.write_text("precious")
    (argo.folder / "inputs/artifacts").mkdir(parents=True)
    (argo.folder / "inputs/artifacts/data").touch()
    template = {
        "container": {"volumeMounts": [{"mountPath": str(precious.parent)}]},
        "inputs": {"artifacts": [{"name": "data", "path": str(precious)}]},
    }
    (argo.folder / "template").write_text(json.dumps(template))
    (argo.folder / "status").write_text("READY")
    status, out, errors = argo.start("main", "echo", "ran", ARGO_WAIT_FOR_READY="true").finish()
    assert (status, out, precious.read_text()) == (65, "", "precious")
    assert "an artifact would replace what is on a volume" in errors
    assert argo.file("main", "exitcode").read_text() == "65\n"


def test_an_argo_template_may_come_in_a_variable(argo: Argo) -> None:
    template = (argo.folder / "template").read_text()
    (argo.folder / "template").unlink()
    for given in (template, "offloaded"):
        (argo.folder / "config").mkdir(exist_ok=True)
        (argo.folder / "config/ARGO_TEMPLATE").write_text(template)
        assert argo.start("a", "sh", "-c", "exit 3", ARGO_TEMPLATE=given).status() == 3
        assert argo.start("b", "echo", "ran", ARGO_TEMPLATE=given).finish()[:2] == (64, "")


def test_who_is_another_user_may_signal_an_argo_container(argo: Argo) -> None:
    running = argo.start("a", *WITNESS).until("ready")
    assert argo.file("a", "signal").parent.stat().st_mode & 0o777 == 0o777
    running.send(signal.SIGTERM)
    assert running.status() == 0


def test_an_argo_sidecar_ends_when_all_mains_have_ended(argo: Argo) -> None:
    containers = [{"name": "a"}, {"name": "b"}]
    template = {"containerSet": {"containers": containers}, "sidecars": [{"name": "side"}]}
    (argo.folder / "template").write_text(json.dumps(template))
    side = argo.start("side", *WITNESS).until("ready")
    first, second = (argo.start(name, *WITNESS).until("ready") for name in "ab")
    first.send(signal.SIGTERM)
    assert first.status() == 0
    assert side.process.poll() is None
    second.send(signal.SIGKILL)
    assert side.status() == 0


def test_argos_own_wrapper_is_a_neighbour(argo: Argo) -> None:
    """It locks as we do, says `ready`, and leaves `exitcode`; and it looks for the same of us."""
    for code, expected in ((b"0", 0), (None, 64)):
        folder = argo.file("a", "lock").parent
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / "ready").touch()
            follower = argo.start("b", "true")
            wait_until(argo.file("b", "ready").exists)
            wait_until(lambda follower=follower: len(follower.children()) == 2)
            if code is not None:
                (folder / "exitcode").write_bytes(code)
        assert follower.status() == expected
        argo.file("b", "ready").unlink()


def test_an_argument_that_exec_cannot_take_is_offloaded(argo: Argo) -> None:
    arguments = argo.folder / "args"
    arguments.write_text(json.dumps(["short", "y" * 200_000]))
    running = argo.start("a", "echo", ARGO_CONTAINER_ARGS_FILE=str(arguments))
    assert running.finish()[1] == "short @/tmp/argo_arg_1.txt\n"
    assert Path("/tmp/argo_arg_1.txt").read_text() == "y" * 200_000
    Path("/tmp/argo_arg_1.txt").unlink()


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


def test_kubexits_own_tombstones_are_read(kubexit: Kubexit) -> None:
    """A neighbour under kubexit itself, not changed over yet: it is born, it lives, it is written as dead."""
    kubexit.folder.mkdir()
    tombstone = kubexit.folder / "main"
    side = kubexit.start("side", *WITNESS, BIRTH_DEPS="main", DEATH_DEPS="main")
    wait_until(lambda: len(side.children()) >= 2)
    assert side.out == b""
    tombstone.write_text('Born: "2026-01-01T00:00:00Z"\nDied: null\n')
    side.until("ready")
    tombstone.write_text("")
    tombstone.write_text(
        'Born: "2026-01-01T00:00:00Z"\nDied: "2026-01-01T00:00:09Z"\nExitCode: -1\n'
    )
    assert side.status() == 0
    early = kubexit.start("early", "echo", "ran", BIRTH_DEPS="never", DEATH_DEPS="main")
    assert early.finish()[:2] == (143, ""), "a death before the watch is one, too"
