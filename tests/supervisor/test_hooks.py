"""The postStart hook: the program waits for it, and hears what it has to say."""

import os
import time
from pathlib import Path

import pytest

from tests.supervisor.running import Form

pytestmark = pytest.mark.process


def test_the_hooks_message_is_logged_unless_the_program_gets_it(
    supervisor: Form, tmp_path: Path
) -> None:
    file = tmp_path / "done"
    for message, said in (
        ("cache\n is warm \n", f"supervisor: {file} says: cache is warm\n"),
        ("a\x1b[31mb", f"supervisor: {file} says: a�[31mb\n"),
        ("x" * 2000, f"supervisor: {file} says: {'x' * 500}\n"),
        ("", ""),
        ("0\n", ""),
    ):
        file.write_text(message)
        assert supervisor.run("--wait-file", file, "true") == (0, "", said)
    file.write_text("warm")
    words = ("--wait-file", file, "--wait-file-variable", "MESSAGE", "sh", "-c", "echo $MESSAGE")
    assert supervisor.run(*words) == (0, "warm\n", "")
    assert supervisor.run("--quiet", "--wait-file", file, "true")[2] == ""


def test_a_hook_that_is_run_twice_at_once_writes_one_whole_file(
    supervisor: Form, tmp_path: Path
) -> None:
    file, messages = tmp_path / "done", [letter * 20_000 for letter in "ab"]
    hooks = [supervisor.start("trigger", "--message", each, file) for each in messages]
    seen = set()
    while any(hook.process.poll() is None for hook in hooks):
        if file.exists():
            seen.add(file.read_text())
    assert [hook.status() for hook in hooks] == [0, 0]
    assert seen | {file.read_text()} <= set(messages)
    assert list(tmp_path.iterdir()) == [file]


def test_a_hook_that_is_run_again_replaces_the_file_and_never_half_of_it(
    supervisor: Form, tmp_path: Path
) -> None:
    """A reader who holds the old file open keeps it: the new one is another, put in its place."""
    file = tmp_path / "done"
    file.write_text("old" * 1000)
    with file.open() as reader:
        assert supervisor.run("trigger", "--message", "new", file)[0] == 0
        assert reader.read() == "old" * 1000
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_hook_makes_the_directory_that_a_bare_image_lacks(
    supervisor: Form, tmp_path: Path
) -> None:
    file = tmp_path / "tmp/deep/done"
    running = supervisor.start("--wait-file", file, "echo", "ran")
    assert supervisor.run("trigger", file)[0] == 0
    assert running.finish()[:2] == (0, "ran\n")


def test_a_hook_that_cannot_write_says_so_before_it_works(supervisor: Form, tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = ("--", "sh", "-c", f"echo x >> {log}")
    status, _, errors = supervisor.run("trigger", tmp_path, *command)
    assert (status, errors) == (73, f"supervisor: cannot write {tmp_path}: Is a directory\n")
    assert not log.exists()
    os.mkfifo(tmp_path / "pipe")
    status, _, errors = supervisor.run("trigger", tmp_path / "pipe")
    assert (status, "Is no regular file" in errors) == (73, True)
    (tmp_path / "file").touch()
    status, _, errors = supervisor.run("trigger", tmp_path / "file/done")
    assert (status, "Not a directory" in errors) == (73, True)


def test_a_hook_whose_command_is_killed_writes_nothing(supervisor: Form, tmp_path: Path) -> None:
    file = tmp_path / "done"
    assert supervisor.run("trigger", file, "--", "sh", "-c", "kill -9 $$")[0] == 137
    assert not file.exists()


def test_a_stale_file_does_not_stand_for_a_fresh_hook(supervisor: Form, tmp_path: Path) -> None:
    """An emptyDir survives a restart of its container: the hook's command runs again, and the program waits for it."""
    file, log = tmp_path / "done", tmp_path / "log"
    file.write_text("of the last container")
    os.utime(file, (1, 1))
    running = supervisor.start("--wait-file", file, "--wait-file-fresh", "echo", "ran")
    time.sleep(0.1)
    assert running.process.poll() is None
    assert supervisor.run("trigger", file, "--", "sh", "-c", f"echo x >> {log}")[0] == 0
    assert (running.finish()[:2], log.read_text()) == ((0, "ran\n"), "x\n")
