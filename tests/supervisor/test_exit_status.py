"""The status that a program ended with is the status that the supervisor ends with, unless told otherwise."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.supervisor.running import WITNESS, Form

pytestmark = pytest.mark.process


@pytest.mark.parametrize("whom", ["main", "group"])
def test_the_status_of_the_program_is_passed_on(supervisor: Form, whom: str) -> None:
    for status in (0, 1, 2, 32, 64, 127, 254, 255):
        assert supervisor.run("--signal-to", whom, "sh", "-c", f"exit {status}") == (status, "", "")


def test_a_program_that_dies_of_a_signal_gives_128_plus_its_number(
    supervisor: Form, place: str
) -> None:
    for name in ("TERM", "HUP", "QUIT", "KILL", "ABRT"):
        status = supervisor.run("sh", "-c", f"ulimit -c 0; kill -{name} $$", place=place)[0]
        assert status == 128 + signal.Signals[f"SIG{name}"]


def test_every_deadly_signal_gives_128_plus_its_number(supervisor: Form) -> None:
    harmless = {signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT}
    stopping = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
    deadly = sorted(map(int, signal.valid_signals() - harmless - stopping))
    numbers = deadly if supervisor.name == "static" else [2, 13, 15, 25, 34, 64]
    for number in numbers:
        program = f"ulimit -c 0; kill -{number} $$"
        assert supervisor.run("sh", "-c", program)[0] == 128 + number


def test_a_remapped_status_becomes_another_and_all_others_stay(supervisor: Form) -> None:
    assert supervisor.run("--remap", "143=0", "--remap", "3=4", "sh", "-c", "exit 3")[0] == 4
    assert supervisor.run("--remap", "143", "sh", "-c", "kill $$")[0] == 0
    assert supervisor.run("-e", "5", "-e6", "sh", "-c", "exit 6")[0] == 0
    assert supervisor.run("--remap", "3=4", "sh", "-c", "exit 5")[0] == 5


def test_each_of_all_statuses_can_be_remapped(executable: Path) -> None:
    """The table is the same in every form; this is the quickest."""
    script = (
        f'i=0; while [ $i -le 255 ]; do {executable} -e $i sh -c "exit $i" || echo $i; i=$((i+1)); done;'
        f"for i in 1 2 77 143 254 255; do {executable} $(seq -f '-e %g' 0 255 | grep -vx -- \"-e $i\")"
        ' sh -c "exit $i"; echo $?; done'
    )
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "2", "77", "143", "254", "255"]


def test_options_end_at_the_first_word_that_is_none(supervisor: Form) -> None:
    assert supervisor.run("echo", "--seed", "42", "--help") == (0, "--seed 42 --help\n", "")
    assert supervisor.run("--", "echo", "--", "x") == (0, "-- x\n", "")
    assert supervisor.run("--remap=1", "echo", "-v") == (0, "-v\n", "")


def test_a_program_that_is_not_there_is_127(supervisor: Form, tmp_path: Path) -> None:
    status, _, errors = supervisor.run("--post-file", tmp_path / "out", "no-such-program")
    assert status == 127
    assert errors == "supervisor: cannot start 'no-such-program': No such file or directory\n"
    assert (tmp_path / "out.err").read_text() == "127\n"


def test_a_program_that_cannot_be_executed_is_126(supervisor: Form, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("text")
    for program in (plain, tmp_path):
        status, _, errors = supervisor.run(program)
        assert status == 126
        assert errors == f"supervisor: cannot start '{program}': Permission denied\n"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_system_that_refuses_a_process_is_71(executable: Path) -> None:
    """For a user who may have one process. The other forms have an interpreter that only root can read here."""
    become = ["setpriv", "--reuid=1234568", "--regid=7", "--clear-groups", "prlimit", "--nproc=1:1"]
    done = subprocess.run(
        [*become, executable, "true"], capture_output=True, text=True, check=False, env={}
    )
    assert done.returncode == 71
    assert "cannot start a process: Resource temporarily unavailable" in done.stderr


def test_a_script_may_name_it_as_its_interpreter(executable: Path, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(f"#!{executable} /bin/sh\necho $1; exit 6\n")
    script.chmod(0o755)
    done = subprocess.run([script, "word"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (6, "word\n")


def test_a_script_whose_interpreter_is_missing_says_so(supervisor: Form, tmp_path: Path) -> None:
    """The kernel says that there is no such file, and means another one: `sh` with a carriage return, or a loader."""
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\r\nexit 0\r\n")
    script.chmod(0o755)
    status, _, errors = supervisor.run(script)
    assert status == 126
    assert "it is there, but not the interpreter or loader that it names" in errors


def test_a_script_without_an_interpreter_line_is_given_to_the_shell(
    supervisor: Form, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text("exit 9\n")
    script.chmod(0o755)
    assert supervisor.run(script)[0] == 9


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no command"),
        (("--remap", "1"), "no command"),
        (("--no-such-option", "true"), "unknown option '--no-such-option'"),
        (("-x", "true"), "unknown option '-x'"),
        (("--grace-period",), "--grace-period needs a value: DURATION"),
        (("--grace-period", "soon", "true"), "'soon' is no duration"),
        (("--grace-period", "-5", "true"), "'-5' is no duration"),
        (("--timeout", "-1s", "true"), "'-1s' is no duration"),
        (
            ("--margin", "9", "--grace-period", "5", "true"),
            "leaves nothing of a grace period of 5 s",
        ),
        (("--escalate", "TERM:20s,INT:20s,KILL", "true"), "take 40 s of a grace period of 30 s"),
        (
            ("--after", "db:sometimes", "true"),
            "'sometimes' is none of started, ready, success, exited",
        ),
        (("--after", "https://x/", "true"), "TLS is not spoken here"),
        (("--pre-stop", "https://x/", "true"), "TLS is not spoken here"),
        (("--peer-quit", "https://x/", "true"), "TLS is not spoken here"),
        (("--after", "http://x:80a/", "true"), "'http://x:80a/' is no URL"),
        (("--stop-with", "http:///quit", "true"), "'http:///quit' is no URL"),
        (("--peer-quit", "http://x/a b", "true"), "letters that no URL has"),
        (("--name", "../x", "true"), "'../x' is no name"),
        (("--watchdog", "5", "true"), "needs --notify"),
        (("",), "the command is an empty word"),
    ],
)
def test_a_wrong_command_line_is_64_and_says_what_is_wrong(
    supervisor: Form, words: tuple[str, ...], message: str
) -> None:
    status, out, errors = supervisor.run(*words)
    assert (status, out) == (64, "")
    assert errors.startswith("supervisor: ")
    assert message in errors


@pytest.mark.parametrize(
    "spec", ["", ":", "TERM", "TERM::QUIT", "x:1", "65:1", "1:65", "0:1", "KILL:1", "1:2:3"]
)
def test_a_rewrite_that_is_none_is_64(supervisor: Form, spec: str) -> None:
    assert supervisor.run("--rewrite", spec, "true")[0] == 64


def test_every_option_is_also_a_variable_and_the_command_line_wins(supervisor: Form) -> None:
    assert supervisor.run("sh", "-c", "exit 3", env={"SUPERVISOR_REMAP": "2=0,3=0"})[0] == 0
    assert supervisor.run("-e", "9", "sh", "-c", "exit 3", env={"SUPERVISOR_REMAP": "3=0"})[0] == 3
    status, _, errors = supervisor.run("true", env={"SUPERVISOR_GRACE_PERIOD": "soon"})
    assert status == 64
    assert "SUPERVISOR_GRACE_PERIOD: 'soon' is no duration" in errors


def test_the_program_inherits_the_environment_without_our_own_variables(supervisor: Form) -> None:
    env = {"SUPERVISOR_REMAP": "9", "OTHER": "x y"}
    words = ("sh", "-c", "env | grep -c SUPERVISOR; echo $OTHER")
    assert supervisor.run(*words, env=env)[1] == "0\nx y\n"


def test_help_and_version_are_on_stdout_and_0(supervisor: Form) -> None:
    status, out, _ = supervisor.run("--help")
    assert status == 0
    assert "--grace-period DURATION" in out
    assert supervisor.run("--version")[1].startswith("supervisor ")


def test_a_command_line_may_be_judged_without_being_run(supervisor: Form, tmp_path: Path) -> None:
    words = ("--grace-period", "40", "--escalate", "TERM:20s,KILL", "touch", tmp_path / "ran")
    status, out, errors = supervisor.run("lint", *words)
    assert (status, errors) == (0, "")
    plan = "when asked to stop: SIGTERM for 20 s, SIGKILL; SIGKILL after 38 s of 40 s\n"
    assert out == f"runs touch {tmp_path}/ran; {plan}"
    assert not (tmp_path / "ran").exists()
    (tmp_path / "plain").touch()
    for program, expected in (("no-such-program", 127), (tmp_path / "plain", 126)):
        assert supervisor.run("lint", program)[0] == expected
    assert supervisor.run("lint", "--grace-period", "soon", "true")[0] == 64
    files = ("--wait-file", "/never/x", "--post-file", f"{tmp_path}/plain/x", "true")
    status, out, _ = supervisor.run("lint", *files)
    assert status == 0
    assert "waits for /never/x, and there is no directory /never yet" in out
    assert f"--post-file {tmp_path}/plain/x cannot be written" in out
    assert supervisor.run("lint", "--wait-file", tmp_path, "true")[0] == 69


def test_always_zero_hides_the_failure_from_kubernetes_and_not_from_followers(
    supervisor: Form, tmp_path: Path
) -> None:
    words = ("--post-file", tmp_path / "out", "sh", "-c", "exit 3")
    assert supervisor.run("--always-zero", *words)[0] == 0
    assert (tmp_path / "out.err").read_text() == "3\n"
    assert supervisor.run("--on-error", "continue", *words)[0] == 0
    assert (tmp_path / "out").read_text() == "3\n"
    assert not (tmp_path / "out.err").exists()


def test_nested_supervisors_keep_status_and_signals(supervisor: Form) -> None:
    nested = (*supervisor.argv, *supervisor.argv)
    assert supervisor.run(*nested, "sh", "-c", "exit 42")[0] == 42
    running = supervisor.start(*nested, *WITNESS).until("ready")
    for number in (signal.SIGUSR1, signal.SIGTERM):
        running.send(number)
        running.until(number.name)
    assert running.status() == 0
