"""What the README tells a stranger to run is what is run."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def commands(readme: str) -> list[str]:
    """The commands in the README's `sh` blocks."""
    return [
        line
        for block in re.findall(r"```sh\n(.*?)```", readme, re.DOTALL)
        for line in block.splitlines()
    ]


def faults(readme: str, script: str) -> list[str]:
    """Where the README and the script of the continuous integration differ."""
    match commands(readme):
        case [demo, tests]:
            pass
        case other:
            return [f"the README has {len(other)} commands, not two"]
    found: list[str] = []
    if not demo.endswith("nox -s demo"):
        found.append(f"the README's first command runs no demo: {demo}")
    last = script.rstrip().splitlines()[-1]
    if last != tests:
        found.append(f"the script runs {last!r}, the README says {tests!r}")
    return found


def test_the_readme_and_the_script_agree() -> None:
    script = ROOT / ".ci" / "run"
    assert faults((ROOT / "README.md").read_text("utf-8"), script.read_text("utf-8")) == []
    assert os.access(script, os.X_OK)


DEMO = "```sh\nnox -s demo\n```\n"


@pytest.mark.parametrize(
    ("readme", "script", "fault"),
    [
        (DEMO, "nox -s tests", "the README has 1 commands, not two"),
        (DEMO + "```sh\nnox -s tests\n```\n", "nox -s test\n", "the script runs 'nox -s test'"),
        ("```sh\nnox -s tests\nnox -s tests\n```\n", "nox -s tests", "runs no demo"),
    ],
)
def test_a_difference_is_found(readme: str, script: str, fault: str) -> None:
    (found,) = faults(readme, script)
    assert fault in found


def test_all_sessions_are_run_that_the_readme_names() -> None:
    noxfile = (ROOT / "noxfile.py").read_text("utf-8")
    for command in commands((ROOT / "README.md").read_text("utf-8")):
        for session in command.partition("nox -s ")[2].split():
            assert f"def {session}(session: nox.Session)" in noxfile
