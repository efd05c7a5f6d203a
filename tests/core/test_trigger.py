"""What is judged from a stat alone."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.core._errors import TriggerError
from lifecycle.core._trigger import (
    LIMIT_BYTES,
    Stamp,
    check_kind,
    check_size,
    is_settled,
    message_of,
    seconds_too_old,
)

PATH = Path("/tmp/postStart-done")
START = 1_700_000_000.5
NS = 1_000_000_000


def ns(seconds: float) -> int:
    return round(seconds * 1000) * (NS // 1000)


@pytest.mark.parametrize("after", [0.0, 0.001, 5.0, 3600.0])
def test_a_file_written_at_or_after_the_start_is_fresh(after: float) -> None:
    assert seconds_too_old(ns(START + after), START) == 0


def test_the_coarse_clock_of_files_costs_no_trigger() -> None:
    assert seconds_too_old(ns(START - 0.04), START) == 0
    assert seconds_too_old(ns(START - 0.06), START) == pytest.approx(0.06, abs=1e-3)


def test_a_file_system_with_whole_seconds_costs_no_trigger() -> None:
    assert seconds_too_old(int(START) * NS, START) == 0
    assert seconds_too_old((int(START) - 1) * NS, START) == pytest.approx(1.5)


def test_an_older_file_is_stale_by_as_much_as_it_is_older() -> None:
    assert seconds_too_old(ns(START - 12.25), START) == pytest.approx(12.25, abs=1e-3)


def test_a_stamp_changes_when_a_file_is_written_to_touched_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "done"
    path.write_text("Wake up!")
    os.utime(path, ns=(0, 0))
    stamps = [Stamp.of(path.stat()), Stamp.of(path.stat())]
    os.utime(path, ns=(0, 1))
    stamps.append(Stamp.of(path.stat()))
    path.write_text("Wake up, please!")
    os.utime(path, ns=(0, 1))
    stamps.append(Stamp.of(path.stat()))
    (tmp_path / "new").write_text("Wake up, please!")
    os.utime(tmp_path / "new", ns=(0, 1))
    (tmp_path / "new").rename(path)
    stamps.append(Stamp.of(path.stat()))
    assert stamps[0] == stamps[1]
    assert len(set(stamps)) == 4


def test_a_file_is_settled_when_nobody_touched_it_for_long_enough() -> None:
    stamp = Stamp(1, 2, 3, ns(START))
    assert not is_settled(stamp, unchanged=0.09, wall=START, settle=0.1)
    assert is_settled(stamp, unchanged=0.1, wall=START, settle=0.1)


def test_a_file_finished_long_ago_need_not_be_watched() -> None:
    stamp = Stamp(1, 2, 3, ns(START))
    assert is_settled(stamp, unchanged=0, wall=START + 0.2, settle=0.1)


def test_a_file_from_the_future_is_watched_like_any_other() -> None:
    stamp = Stamp(1, 2, 3, ns(START + 3600))
    assert not is_settled(stamp, unchanged=0, wall=START, settle=0.1)
    assert is_settled(stamp, unchanged=0.1, wall=START, settle=0.1)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (stat.S_IFDIR, "a directory"),
        (stat.S_IFIFO, "a FIFO"),
        (stat.S_IFSOCK, "a socket"),
        (stat.S_IFCHR, "a character device"),
        (stat.S_IFBLK, "a block device"),
        (0, "of an unknown kind"),
    ],
)
def test_only_a_regular_file_can_become_a_trigger(kind: int, name: str) -> None:
    check_kind(PATH, stat.S_IFREG | 0o644)
    with pytest.raises(TriggerError, match=rf"{PATH} is {name}.*: remove it, or "):
        check_kind(PATH, kind | 0o644)


def test_a_file_over_the_limit_is_refused_with_both_numbers() -> None:
    check_size(PATH, LIMIT_BYTES)
    with pytest.raises(TriggerError, match=r"has 65537 bytes, and a trigger may have 65536"):
        check_size(PATH, LIMIT_BYTES + 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ""),
        (b"\n", ""),
        (b"Wake up!", "Wake up!"),
        (b"Wake up!\n", "Wake up!"),
        (b"Wake up!\r\n", "Wake up!"),
        (b"two\nlines\n\n", "two\nlines\n"),
        (b"  blanks stay \n", "  blanks stay "),
        (b"a lone return stays\r", "a lone return stays\r"),
    ],
)
def test_one_trailing_newline_is_not_part_of_the_message(content: bytes, message: str) -> None:
    assert message_of(PATH, content) == message


@given(st.text())
def test_a_message_written_with_a_newline_after_it_comes_back_as_it_was(text: str) -> None:
    assert message_of(PATH, text.encode() + b"\n") == text.removesuffix("\r")


def test_content_that_is_not_utf_8_is_refused_with_the_byte_and_its_place() -> None:
    with pytest.raises(TriggerError, match=r"is not UTF-8: byte 0xff at offset 3\. Write"):
        message_of(PATH, b"abc\xff\xfe")
