"""What `--json` wrote is read again as it was; what is something else is refused, and says where."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lifecycle.core import RehearsalError
from lifecycle.rehearse import Result, read_results, to_html
from lifecycle.rehearse._stored import LARGEST
from tests.support.rehearsals import broken, hostile, kept


def write(folder: Path, content: Any) -> Path:
    file = folder / "before.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


@pytest.mark.parametrize("result", [broken(), kept(), hostile()], ids=["broken", "kept", "hostile"])
def test_what_was_written_is_read_again(tmp_path: Path, result: Result) -> None:
    (read,) = read_results(write(tmp_path, result.to_dict()))
    assert read.to_dict() == result.to_dict()
    assert (read.kept, read.sent, len(read.failed)) == (
        result.kept,
        result.sent,
        len(result.failed),
    )


def test_its_page_has_the_same_figures(tmp_path: Path) -> None:
    (read,) = read_results(write(tmp_path, broken().to_dict()))
    assert "of 240 lost" in to_html(broken())
    assert "of 240 lost" in to_html(read)
    assert to_html(read).count("<td") == to_html(broken()).count("<td")


def test_several_are_read_in_their_order(tmp_path: Path) -> None:
    file = write(tmp_path, {"rehearsals": [broken().to_dict(), kept().to_dict()], "advice": None})
    assert [result.kept for result in read_results(file)] == [False, True]


def test_a_file_of_before_counts_has_one_of_each(tmp_path: Path) -> None:
    content = broken().to_dict()
    for finding in content["findings"]:
        del finding["times"]
    for purse in content["purses"]:
        del purse["life"]
    (read,) = read_results(write(tmp_path, content))
    assert {finding.times for finding in read.findings} == {1}


def change(*way: Any, to: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for step in way[:-1]:
            content = content[step]
        content[way[-1]] = to

    return change


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (change("title", to=7), "title is not what it should be"),
        (change("seconds", to=float("nan")), "seconds is out of range"),
        (change("seconds", to=1e300), "seconds is out of range"),
        (change("seconds", to=True), "seconds is not what it should be"),
        (change("events", 1, "at", to="soon"), r"events\[1\].at is not what it should be"),
        (change("events", 0, "kind", to="earthquake"), r"events\[0\].kind is unknown"),
        (change("events", 0, to=[]), r"events\[0\] is no object"),
        (change("requests", "sent", to=-1), "requests.sent is out of range"),
        (change("requests", "in_flight", to=[[1]]), r"requests.in_flight\[0\] is no pair"),
        (change("requests", "latency", to={}), "requests.latency.p50 is missing"),
        (change("findings", 0, "where", to="a:b:c"), "is no place in a file"),
        (change("phases", to={"web": {}}), "phases.web is not what it should be"),
        (lambda content: content.pop("promises"), "promises is missing"),
    ],
)
def test_what_is_not_as_it_should_be_is_named(
    tmp_path: Path, damage: Callable[[Any], None], told: str
) -> None:
    content = broken().to_dict()
    damage(content)
    with pytest.raises(RehearsalError, match=f"{told}.*give a file that --json wrote"):
        read_results(write(tmp_path, content))


@pytest.mark.parametrize(
    "content", ["[" * 100_000, '{"seconds": ' + "9" * 5000 + "}", "\ufeff{}", "nothing"]
)
def test_what_is_no_json_of_ours_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(RehearsalError, match="give a file that --json wrote"):
        read_results(write(tmp_path, content))


def test_a_file_without_end_is_not_read_to_its_end() -> None:
    with pytest.raises(RehearsalError, match=f"larger than {LARGEST // 2**20} MiB"):
        read_results(Path("/dev/zero"))


def test_half_a_letter_does_not_stop_the_page(tmp_path: Path) -> None:
    content = json.dumps(broken().to_dict()).replace("web", "\\ud800")
    (read,) = read_results(write(tmp_path, content))
    assert to_html(read).encode("utf-8")
