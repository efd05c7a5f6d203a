"""Every benchmark runs: with next to no effort, so that the figures mean nothing."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as program
from benchmarks.__main__ import BENCHMARKS
from benchmarks.figures import Aim, Finding, Spread, percentile, ratios, turns
from benchmarks.page import keep, page
from benchmarks.plot import in_flight, timeline
from benchmarks.serve_restarts import MISSING
from tests.support.servers import ROOT, environment, unmeasured

WRK = """\
#!{python}
import sys, urllib.request
print(sum(urllib.request.urlopen(sys.argv[-1]).status == 200 for _ in range(5)), "requests in 1.00s, 1.00KB read")
print("     99%    2.50ms")
print("Requests/sec:     5.00")
"""
"""In place of wrk, which measures for a second at least and is not everywhere."""


def start(folder: Path, name: str) -> subprocess.Popen[bytes]:
    words = ["-m", "benchmarks", name, "--effort", "0"]
    files = ["--json", str(folder / f"{name}.json"), "--page", str(folder / f"{name}.md")]
    path = os.pathsep.join([str(folder), os.environ["PATH"]])
    with (folder / f"{name}.txt").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, *words, *files],
            cwd=ROOT,
            env=unmeasured(environment(PATH=path)),
            stdout=output,
            stderr=subprocess.STDOUT,
        )


@pytest.fixture
def bin_with_wrk(tmp_path: Path) -> Path:
    wrk = tmp_path / "wrk"
    wrk.write_text(WRK.format(python=sys.executable))
    wrk.chmod(0o755)
    return tmp_path


@pytest.mark.process
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="half a minute: once is enough")
@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_each_benchmark_measures_and_keeps_what_it_found(bin_with_wrk: Path, name: str) -> None:
    path = bin_with_wrk / name
    process = start(bin_with_wrk, name)
    try:
        status = process.wait(120)
    finally:
        # Not SIGKILL: the servers that it has started would stay.
        process.send_signal(signal.SIGINT)
        process.wait()
    output = path.with_suffix(".txt").read_text()
    assert status == 0, output
    results = json.loads(path.with_suffix(".json").read_text())
    (finding,) = [Finding.from_dict(values) for values in results["findings"]]
    assert finding.name == name
    written = path.with_suffix(".md").read_text()
    assert f"## {finding.title}\n" in written
    if finding.missing == MISSING and not shutil.which("haproxy"):
        return
    assert finding.rows
    assert {len(row) for row in finding.rows} == {len(finding.head)}
    assert finding.raw
    assert results["machine"]["command"].startswith(f"python -m benchmarks {name} ")
    assert all(f"| {row[0]} |" in written for row in finding.rows)


def test_an_unknown_benchmark_is_named_with_those_that_exist() -> None:
    command = [sys.executable, "-m", "benchmarks", "speed"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert re.search(r"no benchmark is called speed: there are request, .*losses", done.stderr)


def test_the_page_of_the_documentation_shows_the_figures_that_were_kept() -> None:
    folder = ROOT / "docs" / "reference"
    results = json.loads((folder / "benchmarks.json").read_text())
    assert (folder / "benchmarks.md").read_text() == page(results)
    names = [finding["name"] for finding in results["findings"]]
    # What has been added since is measured the next time, in the same order.
    assert names == [name for name in BENCHMARKS if name in names]


def test_what_is_named_is_measured_anew_and_the_rest_is_taken_as_it_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(name: str, text: str) -> Finding:
        return Finding(name, name.upper(), "How.", ["", "x"], [[text, 1]], raw={"µs": [1.0]})

    kept = tmp_path / "kept.json"
    findings = [vars(measured(name, "old")) for name in "abc"]
    kept.write_text(
        json.dumps({"machine": {"command": "python -m benchmarks"}, "findings": findings})
    )
    monkeypatch.setattr(program, "BENCHMARKS", dict.fromkeys("abc", lambda _: measured("b", "new")))
    monkeypatch.setattr(sys, "argv", ["benchmarks", "b", "--from", str(kept), "--json", str(kept)])
    assert program.main() == 0
    results = json.loads(kept.read_text())
    assert [finding["rows"][0][0] for finding in results["findings"]] == ["old", "new", "old"]
    assert "| new | 1 |" in capsys.readouterr().out
    assert re.search(r"Measured: 20.* UTC, commit .*, load \d", page(results))


def test_a_missed_aim_and_a_missing_tool_are_said_on_the_page() -> None:
    missed = Finding("a", "A", "How.", ["", "x"], [["row", 1]], [Aim("at most 2", "3", met=False)])
    missing = Finding("b", "B", "How.", missing="wrk is not installed")
    findings = [vars(missed) | {"aims": [vars(missed.aims[0])]}, vars(missing)]
    text = page({"machine": {"command": "python -m benchmarks a b"}, "findings": findings})
    assert "at most 2. Found: 3, **missed**." in text
    assert "**Not measured**: wrk is not installed." in text
    assert "nox -s bench -- a b\n" in text


def test_raw_figures_are_kept_one_list_a_line_with_four_digits() -> None:
    kept = keep({"raw": {"µs": [1.23456, 20000.4, 3e-05]}, "head": ["a, b"]})
    assert '"µs": [1.235, 20000.0, 3e-05]' in kept
    assert json.loads(kept)["head"] == ["a, b"]


def test_what_is_compared_is_compared_within_its_round() -> None:
    """A machine that slows down by half in the second round changes no ratio."""
    assert ratios([2.0, 4.0], [1.0, 2.0]) == Spread(2.0, 2.0, 2.0)
    assert f"{Spread(1.5, 1.0, 2.0):.1f}" == "1.5 (1.0 to 2.0)"
    assert percentile(range(100), 0.9) == 90


def test_neither_who_comes_first_nor_who_comes_after_whom_is_always_the_same() -> None:
    orders = ["".join(turns("abc", number)) for number in range(6)]
    assert orders == ["abc", "cba", "bca", "acb", "cab", "bac"]


def test_a_timeline_draws_every_subject_and_every_failure() -> None:
    raw = {
        name: {
            "old, began": [-0.5, 0.0],
            "old, ended": [0.0, 0.5],
            "other, began": [-1.0],
            "other, ended": [2.0],
            "failed, began": failed,
            "let go": [1.0],
            "exited": [1.5],
        }
        for name, failed in (("ours", []), ("<theirs>", [0.1, 0.2]))
    }
    drawn = timeline(raw)
    assert "ours: 0 failed" in drawn
    assert "&lt;theirs&gt;: 2 failed" in drawn
    assert drawn.count("SIGTERM") == 2
    (red,) = re.findall(r'<path class="failed" d="(.*?)"', drawn)
    assert red.count("M") == 2
    assert "\n" not in drawn, "Markdown would end it at a blank line"


def test_a_request_is_in_flight_from_its_begin_to_its_end() -> None:
    assert [in_flight([0, 1], [1, 3], at) for at in (-1, 0, 1, 2.5, 3)] == [0, 1, 1, 1, 0]
