"""`lifecycle check`: files and standard input, exit statuses, and errors that say what to do."""

import contextlib
import io
import json
import sys
from pathlib import Path

import pytest

from lifecycle.cli import main

GOOD = "kind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: a}]}\n"
BAD = GOOD.replace("{containers", "{terminationGracePeriodSeconds: 0, containers")
SETTINGS = "kind: ConfigMap\nmetadata: {name: web}\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {"good": GOOD, "bad": BAD, "settings": SETTINGS, "empty": "---\n"}.items():
        Path(f"{name}.yaml").write_text(text)
    Path("folder").mkdir()


def given(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


def test_a_clean_manifest_is_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "good.yaml"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "lifecycle check: nothing found in 1 workload\n"


def test_a_finding_is_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "bad.yaml", "good.yaml", "settings.yaml"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("bad.yaml:3:8: error LC203: terminationGracePeriodSeconds is 0")
    assert "\x1b" not in out
    assert err == (
        "lifecycle check: passed over, as no pod is in it: ConfigMap/web\n"
        "lifecycle check: 1 error in 2 workloads\n"
    )


def test_other_files_are_checked_though_one_is_unusable(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", "gone.yaml", "folder/", "empty.yaml", "bad.yaml"]) == 2
    out, err = capsys.readouterr()
    assert "LC203" in out
    assert err.splitlines() == [
        "lifecycle check: gone.yaml:1:1: it cannot be read: No such file or directory",
        ("lifecycle check: folder/:1:1: it is a directory: give the files in it, folder/*.yaml"),
        (
            "lifecycle check: empty.yaml:1:1: there is nothing in it:"
            " did the command before this one print a manifest?"
        ),
        "lifecycle check: 3 unusable; 1 error in 1 workload",
    ]


def test_standard_input_is_a_file_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given(monkeypatch, json.dumps({"kind": "List", "items": [{"kind": "Pod"}]}).encode())
    assert main(["check", "-"]) == 0
    given(monkeypatch, b"")
    assert main(["check", "-"]) == 2
    assert "<stdin>:1:1: there is nothing in it" in capsys.readouterr().err


@pytest.mark.parametrize("style", ["json", "sarif"])
def test_what_programs_read_is_all_there_is(capsys: pytest.CaptureFixture[str], style: str) -> None:
    assert main(["check", "--format", style, "bad.yaml", "gone.yaml", "settings.yaml"]) == 2
    out, err = capsys.readouterr()
    assert "LC203" in json.dumps(json.loads(out))
    assert err == ""


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (["--ignore", "LC2"], 0),
        (["--ignore", "LC201,lc203"], 0),
        (["--select", "LC203"], 1),
        (["--select", "LC201", "--select", "LC205"], 0),
    ],
)
def test_rules_are_chosen(options: list[str], status: int) -> None:
    assert main(["check", *options, "bad.yaml"]) == status


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "which FILE? For standard input, write: lifecycle check -"),
        (["--select", "X1", "good.yaml"], "no rule is called or begins with 'X1'"),
        (["--explain", "LC999"], "no rule is called LC999: lifecycle check --rules lists all"),
    ],
)
def test_a_wrong_use_is_status_2(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["check", *words]) == 2
    assert message in capsys.readouterr().err


def test_rules_are_listed_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--rules"]) == 0
    assert "LC203  error    There is no grace period" in capsys.readouterr().out.splitlines()
    assert main(["check", "--explain", "lc203"]) == 0
    assert "Why: It does not mean that the pod is killed at once." in capsys.readouterr().out


def test_without_the_extra_one_line_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("lifecycle.kube")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert main(["check", "good.yaml"]) == 2
    assert capsys.readouterr().err == (
        "Error: this command needs yaml, which is not installed: pip install 'managed-lifecycle[kube]'\n"
    )


def test_help_needs_no_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert main(["check", "--help"]) == 0
    assert "Exit status: 0 nothing found" in capsys.readouterr().out


def test_a_full_disk_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["check", "bad.yaml"]) == 2
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()
    assert "the findings cannot be written: No space left on device" in capsys.readouterr().err


def test_names_in_any_alphabet_are_printed_by_any_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("bad.yaml").write_text(
        BAD.replace("name: a}", "name: ж, command: [sleep]}"), encoding="utf-8"
    )
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="latin-1") as narrow:
        monkeypatch.setattr(sys, "stdout", narrow)
        assert main(["check", "bad.yaml"]) == 1
        narrow.flush()
        assert rb"'\u0436'" in raw.getvalue()
