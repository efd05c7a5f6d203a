"""Waiting for the trigger file: real files, virtual time."""

# ruff: noqa: ASYNC240 - the files are in a folder of the test alone, and are to be written at once

import math
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from lifecycle.core._errors import SettingsError, TriggerError, TriggerTimeoutError
from lifecycle.runtime._container import container_started_at
from lifecycle.runtime._trigger import TriggerWatch, wait_for_file

NOBODY = 65534
IGNORED = "a file from before this container started (written 12.0 s earlier) is being ignored"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "postStart-done"


def age(path: Path, seconds: float) -> None:
    """Let the file look as if it had been written so many seconds before this container started."""
    moment = container_started_at() - seconds
    os.utime(path, (moment, moment))


async def later(delay: float, action: Callable[[], object]) -> None:
    await anyio.sleep(delay)
    action()


async def test_a_file_from_before_the_wait_is_taken_at_once(path: Path) -> None:
    path.write_text("Wake up!\n")
    os.utime(path, (time.time() - 0.5,) * 2)
    began = anyio.current_time()
    trigger = await wait_for_file(path, since=time.time() - 60)
    assert anyio.current_time() == began
    assert (trigger.path, trigger.message) == (path, "Wake up!")
    assert trigger.modified_at == pytest.approx(path.stat().st_mtime)


async def test_a_file_that_appears_during_the_wait_is_taken_once_it_has_settled(path: Path) -> None:
    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(later, 3, lambda: path.write_text("Wake up!\n"))
        trigger = await wait_for_file(path)
    assert trigger.message == "Wake up!"
    assert 3.1 <= anyio.current_time() - began < 3.2


async def test_a_hook_that_runs_twice_is_noticed_once(path: Path) -> None:
    path.write_text("first")
    first = await wait_for_file(path)
    path.write_text("second")
    assert first.message == "first"
    assert (await wait_for_file(path)).message == "second"


async def test_a_file_that_never_comes_is_a_timeout_that_says_so(path: Path) -> None:
    began = anyio.current_time()
    with pytest.raises(TimeoutError) as caught:
        await wait_for_file(path, timeout=30)
    assert anyio.current_time() - began == pytest.approx(30)
    assert isinstance(caught.value, TriggerTimeoutError)
    assert str(caught.value).startswith(
        f"{path} did not appear within 30.0 s: nothing is there. Let the postStart hook write it"
    )


async def test_without_a_timeout_it_waits_until_it_is_cancelled(path: Path) -> None:
    with anyio.move_on_after(60) as scope:
        await wait_for_file(path)
    assert scope.cancelled_caught


async def test_a_timeout_of_zero_looks_once(path: Path) -> None:
    path.write_text("there")
    os.utime(path, (time.time() - 0.5,) * 2)
    assert (await wait_for_file(path, timeout=0, fresh=False)).message == "there"
    path.unlink()
    with pytest.raises(TriggerTimeoutError):
        await wait_for_file(path, timeout=0)


async def test_a_wait_that_succeeds_at_once_can_still_be_cancelled(path: Path) -> None:
    path.write_text("there")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await wait_for_file(path, fresh=False, settle=0)
    assert scope.cancelled_caught


async def test_a_file_of_the_run_before_does_not_count_and_the_reason_says_so(path: Path) -> None:
    path.write_text("stale")
    age(path, 12)
    with pytest.raises(TriggerTimeoutError, match=re.escape(IGNORED)):
        await wait_for_file(path, timeout=1)


async def test_a_stale_file_that_is_written_again_counts(path: Path) -> None:
    path.write_text("stale")
    age(path, 12)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(later, 1, lambda: path.write_text("new"))
        assert (await wait_for_file(path)).message == "new"


async def test_a_stale_file_that_is_replaced_by_a_rename_counts(path: Path) -> None:
    path.write_text("stale")
    age(path, 12)
    prepared = path.with_suffix(".tmp")
    prepared.write_text("new")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(later, 1, lambda: prepared.replace(path))
        assert (await wait_for_file(path)).message == "new"


async def test_fresh_false_takes_a_file_of_any_age(path: Path) -> None:
    path.write_text("stale")
    age(path, 86400)
    assert (await wait_for_file(path, fresh=False)).message == "stale"


async def test_since_moves_the_border(path: Path) -> None:
    path.write_text("old")
    age(path, 12)
    assert (await wait_for_file(path, since=container_started_at() - 13)).message == "old"
    with pytest.raises(TriggerTimeoutError, match=r"written 1\.0 s earlier"):
        await wait_for_file(path, since=container_started_at() - 11, timeout=1)


async def test_a_half_written_file_is_not_read(path: Path) -> None:
    async def write_slowly() -> None:
        for end in range(1, len(message) + 1):
            path.write_text(message[:end])
            await anyio.sleep(0.08)

    message = "Wake up!"

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write_slowly)
        assert (await wait_for_file(path)).message == message


async def test_settling_starts_again_when_the_file_is_replaced_by_one_of_the_same_size(
    path: Path,
) -> None:
    moment = time.time() + 60
    path.write_text("one")
    os.utime(path, (moment, moment))
    twin = path.with_suffix(".twin")
    twin.write_text("two")
    os.utime(twin, (moment, moment))
    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(later, 0.09, lambda: twin.replace(path))
        assert (await wait_for_file(path)).message == "two"
    assert anyio.current_time() - began >= 0.19


async def test_a_file_that_vanishes_is_waited_for_again(path: Path) -> None:
    path.write_text("gone in a moment")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(later, 0.05, path.unlink)
        tasks.start_soon(later, 2, lambda: path.write_text("back"))
        assert (await wait_for_file(path)).message == "back"


@pytest.fixture
def between_look_and_read(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """Actions to be run, one each time, after the file was judged and before it is opened."""
    actions: list[Callable[[], object]] = []
    original = os.open

    def meddling_open(*args: Any, **kwargs: Any) -> int:
        if actions:
            actions.pop(0)()
        return original(*args, **kwargs)

    monkeypatch.setattr(os, "open", meddling_open)
    return actions


async def test_a_file_that_vanishes_between_the_look_and_the_reading_is_waited_for_again(
    path: Path, between_look_and_read: list[Callable[[], object]]
) -> None:
    path.write_text("gone in a moment")
    between_look_and_read.append(path.unlink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(later, 2, lambda: path.write_text("back"))
        assert (await wait_for_file(path)).message == "back"


async def test_a_file_that_is_rewritten_between_the_look_and_the_reading_is_read_when_it_is_whole(
    path: Path, between_look_and_read: list[Callable[[], object]]
) -> None:
    path.write_text("before")
    between_look_and_read.append(lambda: path.write_text("ha"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(later, 0.15, lambda: path.write_text("half"))
        assert (await wait_for_file(path)).message == "half"


@pytest.mark.parametrize("kind", ["FIFO", "directory", "socket"])
async def test_what_takes_the_files_place_does_not_hold_the_loop_and_is_named(
    path: Path, kind: str, between_look_and_read: list[Callable[[], object]]
) -> None:
    def swap() -> None:
        path.unlink()
        makers: dict[str, Callable[[Path], None]] = {
            "FIFO": os.mkfifo,
            "directory": Path.mkdir,
            "socket": bind,
        }
        makers[kind](path)

    path.write_text("soon something else")
    between_look_and_read.append(swap)
    with pytest.raises(TriggerError, match=f"is a {kind}"):
        await wait_for_file(path, timeout=5)


def bind(path: Path) -> None:
    # A socket's path may have 107 bytes, and pytest's folders are long.
    descriptor = os.open(path.parent, os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"/proc/self/fd/{descriptor}/{path.name}")
    finally:
        os.close(descriptor)


async def test_a_symlink_is_followed_and_its_target_may_come_later(path: Path) -> None:
    target = path.with_name("target")
    path.symlink_to(target)
    watch = TriggerWatch(path)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(
            later,
            1,
            lambda: reasons.append(watch.reason(anyio.current_time())),
        )
        reasons: list[str] = []
        tasks.start_soon(later, 30, lambda: target.write_text("through the link"))
        assert (await watch.wait()).message == "through the link"
    assert reasons == [f"waiting for {path}, 1.0 s: the symlink's target {target} is not there yet"]


async def test_a_symlink_that_moves_to_another_file_is_read_from_there(path: Path) -> None:
    (path.parent / "old").write_text("old")
    age(path.parent / "old", 60)
    path.symlink_to("old")

    def move() -> None:
        (path.parent / "new").write_text("new")
        (path.parent / "link").symlink_to("new")
        (path.parent / "link").replace(path)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(later, 1, move)
        assert (await wait_for_file(path)).message == "new"


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (Path.mkdir, "a directory"),
        (os.mkfifo, "a FIFO"),
        (bind, "a socket"),
        (lambda path: path.symlink_to("/dev/null"), "a character device"),
        (lambda path: path.symlink_to("/tmp"), "a directory"),
    ],
)
async def test_anything_but_a_file_is_refused_at_once(
    path: Path, make: Callable[[Path], object], found: str
) -> None:
    make(path)
    began = anyio.current_time()
    with pytest.raises(TriggerError, match=f"{path} is {found}, and a trigger must be a regular"):
        await wait_for_file(path)
    assert anyio.current_time() == began


async def test_a_directory_that_the_hook_makes_late_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "made" / "by" / "hook"
    watch = TriggerWatch(path)

    def make() -> None:
        assert watch.reason(anyio.current_time()).endswith(
            f"its directory {path.parent} does not exist yet"
        )
        path.parent.mkdir(parents=True)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(later, 4.5, make)
        tasks.start_soon(later, 60, lambda: path.write_text("done"))
        assert (await watch.wait()).message == "done"


async def test_a_directory_that_stays_missing_is_an_error_that_names_what_exists(
    tmp_path: Path,
) -> None:
    path = tmp_path / "not" / "there" / "done"
    began = anyio.current_time()
    with pytest.raises(TriggerError) as caught:
        await wait_for_file(path)
    assert anyio.current_time() - began == pytest.approx(5, abs=0.03)
    assert not isinstance(caught.value, TriggerTimeoutError)
    assert f"only {tmp_path} exists" in str(caught.value)
    assert f"`mkdir -p {path.parent}`" in str(caught.value)


@pytest.mark.parametrize("with_a_file", [False, True])
async def test_a_directory_that_is_made_anew_has_its_five_seconds_again(
    tmp_path: Path, with_a_file: bool
) -> None:
    path = tmp_path / "volume" / "done"

    def make() -> None:
        path.parent.mkdir()
        if with_a_file:
            path.write_text("stale")
            age(path, 12)

    def remove() -> None:
        path.unlink(missing_ok=True)
        path.parent.rmdir()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(later, 4, make)
        tasks.start_soon(later, 5, remove)
        tasks.start_soon(later, 9, path.parent.mkdir)
        tasks.start_soon(later, 9.5, lambda: path.write_text("done"))
        assert (await wait_for_file(path)).message == "done"


async def test_a_file_among_the_directories_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TriggerError, match=f"because {tmp_path}/file is not a directory: remove"):
        await wait_for_file(tmp_path / "file" / "sub" / "done")


@pytest.fixture
def open_to_all(tmp_path: Path) -> Iterator[Path]:
    """A directory that everybody can search, and a process that is not root while it is used."""
    opened = [
        (folder, folder.stat().st_mode)
        for folder in (tmp_path, *tmp_path.parents)
        if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & 0o001
    ]
    for folder, mode in opened:
        folder.chmod(mode | 0o001)
    try:
        yield tmp_path
    finally:
        for folder, mode in opened:
            folder.chmod(mode)


@pytest.fixture
def as_nobody() -> Iterator[Callable[[], None]]:
    """To be called once the files are in place: root is refused nothing."""
    user = os.geteuid()
    yield lambda: os.seteuid(NOBODY) if user == 0 else None
    os.seteuid(user)


async def test_a_file_that_may_not_be_read_is_an_error(
    open_to_all: Path, as_nobody: Callable[[], None]
) -> None:
    path = open_to_all / "done"
    path.write_text("secret")
    path.chmod(0o000)
    as_nobody()
    with pytest.raises(TriggerError, match=rf"{path} may not be read by user \d+ \(Permission"):
        await wait_for_file(path, timeout=5)


async def test_a_directory_that_may_not_be_searched_is_an_error(
    open_to_all: Path, as_nobody: Callable[[], None]
) -> None:
    path = open_to_all / "closed" / "done"
    path.parent.mkdir(mode=0o000)
    as_nobody()
    with pytest.raises(TriggerError, match=r"allow the file to be read and its directories to be"):
        await wait_for_file(path, timeout=5)


async def test_a_file_of_10_mb_is_refused_without_being_read(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10_000_000)
    with pytest.raises(TriggerError, match=r"has 10000000 bytes, and a trigger may have 65536"):
        await wait_for_file(path)


async def test_a_file_of_exactly_64_kib_is_read(path: Path) -> None:
    path.write_bytes(b"x" * 65536)
    assert len((await wait_for_file(path)).message) == 65536


async def test_content_that_is_not_utf_8_is_an_error(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(TriggerError, match=r"is not UTF-8: byte 0xff at offset 0"):
        await wait_for_file(path)


async def test_it_works_on_tmpfs() -> None:
    path = Path(f"/dev/shm/lifecycle-test-{os.getpid()}")
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(later, 1, lambda: path.write_text("in memory\n"))
            assert (await wait_for_file(path)).message == "in memory"
    finally:
        path.unlink()


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("", "the trigger's path is empty: name a file"),
        ("/tmp/a\0b", "contains a NUL byte"),
        (b"/tmp/done", "must be text, not b'/tmp/done'"),
        ("/tmp/\ud800", "cannot be encoded for the file system"),
        ("/tmp/" + "x" * 300, "is 305 bytes long, which the file system does not take"),
        ("/tmp/" + "x/" * 3000, "bytes long, which the file system does not take"),
        ("/proc/self/mem/x", "because /proc/.*/mem is not a directory"),
        (".", "is a directory"),
    ],
)
async def test_a_path_that_cannot_be_one_is_an_error(given: Any, complaint: str) -> None:
    with pytest.raises(TriggerError, match=complaint):
        await wait_for_file(given, timeout=10)


async def test_symlinks_in_a_circle_are_an_error(path: Path) -> None:
    path.symlink_to(path)
    with pytest.raises(TriggerError, match="symlinks that point in a circle"):
        await wait_for_file(path)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": -1},
        {"timeout": math.nan},
        {"timeout": "30"},
        {"poll_interval": 0},
        {"poll_interval": -0.02},
        {"poll_interval": math.inf},
        {"settle": -1},
        {"settle": math.inf},
        {"settle": None},
        {"since": math.nan},
        {"since": "yesterday"},
        {"since": 1.0, "fresh": False},
    ],
)
async def test_an_option_out_of_range_is_refused_by_name_with_its_value(
    path: Path, options: dict[str, Any]
) -> None:
    name, value = next(iter(options.items()))
    with pytest.raises(SettingsError, match=f"{name}={value!r} "):
        await wait_for_file(path, **options)


async def test_a_watch_says_at_any_time_what_it_waits_for(path: Path) -> None:
    watch = TriggerWatch(path)
    assert watch.reason(anyio.current_time()) == f"not waiting for {path} yet"
    reasons: list[str] = []

    def note() -> None:
        reasons.append(watch.reason(anyio.current_time()))

    def write_stale() -> None:
        path.write_text("stale")
        age(path, 12)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(later, 12.3, note)
        tasks.start_soon(later, 13, write_stale)
        tasks.start_soon(later, 14, note)
        tasks.start_soon(later, 15, lambda: path.write_text("now"))
        tasks.start_soon(later, 15.05, note)
        await watch.wait()
    note()
    assert reasons == [
        f"waiting for {path}, 12.3 s",
        f"waiting for {path}, 14.0 s: {IGNORED}",
        f"waiting for {path}, 15.1 s: it has just been written to (3 bytes), and may not be whole",
        f"{path} has appeared",
    ]


async def test_nothing_is_left_open(path: Path) -> None:
    path.write_text("x")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        await wait_for_file(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
