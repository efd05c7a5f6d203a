"""Where a command line goes, and what is loaded on the way."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from click.testing import CliRunner

from lifecycle.cli import _click, main

PROBE = "import sys; from lifecycle.cli import main; status = main(sys.argv[1:]); print('LOADED', *sys.modules); sys.exit(status)"

# Each of these costs milliseconds, in a command that is to start as fast as Python itself.
HEAVY = {
    "anyio", "argparse", "asyncio", "click", "collections", "contextlib", "dataclasses", "email", "enum",
    "functools", "gettext", "http", "inspect", "json", "logging", "pathlib", "re", "selectors", "shutil",
    "signal", "socket", "ssl", "starlette", "subprocess", "tempfile", "threading", "trio", "typing", "urllib",
    "uvicorn",
}  # fmt: skip # one case a line


@pytest.mark.process
@pytest.mark.parametrize(
    "words",
    [
        ["stop", "--help"],
        ["trigger", "--help"],
        ["stop", "--port", "1"],
        ["stop", "--pid", "2147483647"],
        ["trigger", "/dev/shm/lifecycle-test-loaded", "--message", "x"],
    ],
    ids=" ".join,
)
def test_what_hooks_run_loads_nothing_heavy(words: list[str]) -> None:
    # -I -S: without the environment and its .pth files, which load what they like.
    path = f"import sys; sys.path[:0] = {sys.path!r}; "
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", path + PROBE, *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    loaded = done.stdout.rpartition("LOADED")[2].split()
    assert "lifecycle.cli._main" in loaded
    assert HEAVY.intersection(loaded) == set()


def test_the_list_of_commands_has_all_of_them_with_their_help() -> None:
    result = CliRunner().invoke(_click.commands, ["-h"])
    assert result.exit_code == 0
    told = " ".join(result.output.split())
    for command in (
        "manifest Print the part of a manifest that fits an application.",
        "serve Serve an ASGI application that drops nothing when it is told to go.",
        "stop Ask an application to stop, and wait until it has: a preStop hook.",
        "supervise Run a program as its init: PID 1.",
        "trigger Write a postStart trigger file, once a command has succeeded.",
    ):
        assert command in told


@pytest.mark.parametrize("name", ["check", "manifest", "rehearse", "serve"])
def test_a_help_fits_a_terminal_of_eighty_columns(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([name, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > 80] == []


def test_the_version_is_the_one_that_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"lifecycle, version {version('managed-lifecycle')}\n"


@pytest.mark.parametrize("name", ["stop", "trigger"])
def test_a_command_reached_through_the_list_gets_its_words_untouched(name: str) -> None:
    result = CliRunner().invoke(_click.commands, [name, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: lifecycle {name} ")
    assert CliRunner().invoke(_click.commands, [name, "--", "x"]).exit_code == 2


def test_an_unknown_command_is_2_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["halt"]) == 2
    assert "No such command 'halt'" in capsys.readouterr().err


def test_a_mistyped_command_is_2_and_the_meant_one_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["chek", "pod.yaml"]) == 2
    assert "there is no command 'chek': did you mean check?" in capsys.readouterr().err


@pytest.mark.process
@pytest.mark.parametrize("words", [["--help"], ["stop", "--help"], ["trigger", "--help"]])
def test_python_m_is_the_same_as_the_command(words: list[str]) -> None:
    module = subprocess.run(
        [sys.executable, "-m", "lifecycle", *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert module.stdout.startswith("Usage: lifecycle")


@pytest.mark.process
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("lifecycle man", "plain,manifest"),
        ("lifecycle manifest --su", "plain,--supervisor"),
        ("lifecycle manifest --hooks ", "plain,exec"),
    ],
)
def test_the_shell_completes_commands_and_options(typed: str, completed: str) -> None:
    environment = {
        **os.environ,
        "_LIFECYCLE_COMPLETE": "bash_complete",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split(" ")) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "lifecycle"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert completed in done.stdout.split()
