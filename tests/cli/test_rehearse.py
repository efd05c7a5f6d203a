"""`lifecycle rehearse`, up to the first process: what it refuses, and how."""

import itertools
import json
from pathlib import Path

import jsonschema
import pytest

import lifecycle.rehearse
from lifecycle.cli import main
from lifecycle.cli._rehearse_report import page
from lifecycle.rehearse import SCENARIOS, Result, Severity, schema
from tests.support.rehearsals import broken, kept

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - name: web
      image: nginx
"""


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    file = tmp_path / "pod.yaml"
    file.write_text(POD)
    return file


def test_an_image_that_hides_its_command_is_pointed_at(
    pod: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rehearse", str(pod)]) == 2
    told = capsys.readouterr().err
    assert f"{pod}:8:7: the command of container 'web' is in its image (nginx)" in told
    assert "say it with --run web='…'" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--scenario", "earthquake"], "no scenario earthquake: known are delete, rollout"),
        (
            ["--scenario", "hook-hangs"],
            "Pod/web cannot play hook-hangs: no container has a preStop",
        ),
        (
            ["--run", "wep=true"],
            "the pod has no container 'wep': write --run NAME=COMMAND, with one of web",
        ),
        (["--run", "web='"], "No closing quotation: write it as for a shell"),
        (
            ["--run", "true", "--image-signal", "wep=INT"],
            "--image-signal: the pod has no container 'wep': write --image-signal NAME=SIGNAL, with one of web",
        ),
        (
            ["--run", "true", "--image-signal", "STOP IT"],
            "there is no signal 'STOP IT': write it as SIGINT, INT or 2",
        ),
        (["--run", "true", "--env", "NAME"], "write --env NAME=VALUE"),
        (["--run", "no-such-program"], "'no-such-program' is not on this machine"),
        (["--workload", "Pod/other"], "say which with --workload, one of Pod/web"),
    ],
)
def test_what_cannot_be_played_is_refused_with_a_way_out(
    pod: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert main(["rehearse", str(pod), *words]) == 2
    assert told in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("kind: [", "pod.yaml:2:1: this is no YAML"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: []}\n",
            "pod.yaml:4:8: Pod/a has no containers: there is nothing to play",
        ),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n", "there is no pod in it"),
        (
            f"{POD}---{POD.replace('name: web}', 'name: web2}')}",
            "say which with --workload, one of Pod/web, Pod/web2",
        ),
    ],
)
def test_a_file_without_one_pod_is_refused(
    pod: Path, capsys: pytest.CaptureFixture[str], content: str, told: str
) -> None:
    pod.write_text(content)
    assert main(["rehearse", str(pod)]) == 2
    assert told in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rehearse", "nowhere.yaml"]) == 2
    assert "nowhere.yaml:1:1: it cannot be read: No such file" in capsys.readouterr().err
    assert main(["rehearse", ""]) == 2
    assert "'':1:1: it cannot be read: No such file" in capsys.readouterr().err


def test_a_folder_and_an_empty_file_are_refused_with_a_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rehearse", str(tmp_path)]) == 2
    assert f"it is a directory: give the files in it, {tmp_path}/*.yaml" in capsys.readouterr().err
    assert main(["rehearse", "/dev/null"]) == 2
    assert "/dev/null:1:1: there is nothing in it" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--html", "--json"])
def test_a_report_that_has_no_folder_is_refused_before_anything_is_played(
    pod: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert main(["rehearse", str(pod), "--run", "true", option, "/nowhere/report"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "/nowhere/report cannot be written: there is no folder /nowhere; make it first" in err


def test_it_lists_its_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rehearse", "--scenarios"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*SCENARIOS]


def test_it_prints_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rehearse", "--schema"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == schema()
    jsonschema.Draft202012Validator.check_schema(printed)


def test_the_page_of_several_has_each() -> None:
    assert page([broken(), kept()], {}).count("<article") == 2


def test_a_baseline_stands_beside_what_is_compared_with_it() -> None:
    shown = page([kept()], {"delete": broken()})
    assert shown.index(": delete, before") < shown.index(": delete, now")
    assert shown.count("<article") == 2
    assert 'class="pair"' in shown
    assert page([kept()], {"crash": broken()}) == page([kept()], {})


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is played, and every other rehearsal is broken."""
    results = itertools.cycle([kept(), broken()])

    async def play(*_: object, **__: object) -> Result:
        return next(results)

    monkeypatch.setattr(lifecycle.rehearse, "rehearse", play)


@pytest.mark.usefixtures("played")
def test_several_quiet_runs_are_a_line_each_and_what_broke_is_told_once(
    pod: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rehearse", str(pod), "--run", "true", "--quiet", "--runs", "4"]) == 1
    lines = capsys.readouterr().out.splitlines()
    runs = [line for line in lines if line.startswith("  delete ")]
    errors = [one for one in broken().findings if one.severity is Severity.ERROR]
    assert [line.endswith("kept") for line in runs] == [True, False, True, False]
    assert sum("    fix: " in line for line in lines) == len(errors)
    assert "over 4 runs: " in "\n".join(lines)
    assert "kept     No request was lost" not in "\n".join(lines)


@pytest.mark.usefixtures("played")
def test_one_quiet_run_has_its_summary_and_several_others_have_a_head_each(
    pod: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["rehearse", str(pod), "--run", "true"]
    assert main([*words, "--quiet"]) == 0
    assert "kept     No request was lost" in capsys.readouterr().out
    assert main([*words, "--runs", "2"]) == 1
    told = capsys.readouterr().out
    assert f"1 of 2, delete: {SCENARIOS['delete'].what}" in told
    assert told.count("kept     ") > 2
