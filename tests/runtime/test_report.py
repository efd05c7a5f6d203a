"""Where the report goes, and that writing it harms nobody."""

import json
import os
from pathlib import Path

import pytest

from lifecycle.core import Abandoned, Report
from lifecycle.runtime import _report
from lifecycle.runtime._report import report_path, write_report


def test_what_was_set_is_where_it_goes(tmp_path: Path) -> None:
    assert report_path(tmp_path / "report") == tmp_path / "report"


def test_else_it_is_the_termination_message_where_a_runtime_has_mounted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "termination-log"
    monkeypatch.setattr(_report, "TERMINATION_LOG", log)
    assert report_path(None) is None
    log.touch()
    assert report_path(None) == log


def test_nowhere_is_no_error() -> None:
    assert write_report(Report(), None) is None


def test_it_is_one_json_object_of_at_most_4096_bytes(tmp_path: Path) -> None:
    report = Report(
        exit_status=4, abandoned=[Abandoned(f"job {n} {'ü' * 50}", 1.0) for n in range(500)]
    )
    file = tmp_path / "report"
    assert write_report(report, file) is None
    content = file.read_bytes()
    assert len(content) <= 4096
    assert json.loads(content)["abandoned_count"] == 500


def test_a_file_is_written_in_place_for_a_mounted_one_cannot_be_replaced(tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_text("of the run before, and longer than this one" * 100)
    before = file.stat().st_ino
    assert write_report(Report(exit_status=0), file) is None
    assert file.stat().st_ino == before
    assert json.loads(file.read_text())["exit_status"] == 0


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert write_report(Report(exit_status=0), tmp_path / "link") is None
    assert (tmp_path / "target").exists()


def test_a_fifo_with_a_reader_gets_it_and_one_without_holds_nobody(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert isinstance(write_report(Report(), fifo), OSError)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    assert write_report(Report(exit_status=0), fifo) is None
    assert json.loads(os.read(reader, 8192))["exit_status"] == 0
    os.close(reader)


@pytest.mark.parametrize("where", ["", "no/such/folder", "file/inside"])
def test_what_goes_wrong_is_returned(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    assert isinstance(write_report(Report(), tmp_path / where), OSError)


def test_a_full_disk_is_an_error_like_any_other() -> None:
    error = write_report(Report(), Path("/dev/full"))
    assert error is not None
    assert "No space left" in str(error)
