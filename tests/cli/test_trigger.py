"""`lifecycle trigger`, as a real process where signals, users and file systems matter."""

import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lifecycle.cli import _trigger, main
from lifecycle.core import _trigger as judgement
from lifecycle.runtime._trigger import wait_for_file

COMMAND = [sys.executable, "-m", "lifecycle", "trigger"]
NOBODY = 65534


def run(*words: str | Path, user: int | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        user=user,
        stdin=subprocess.DEVNULL,
    )


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "done"


def test_without_a_command_it_just_writes_the_file(path: Path) -> None:
    assert main(["trigger", str(path)]) == 0
    assert path.read_bytes() == b""


@pytest.mark.parametrize("words", [["--message", "Wake up!"], ["--message=Wake up!"]])
@pytest.mark.parametrize("file_first", [True, False])
def test_the_message_is_written_with_a_newline(
    path: Path, words: list[str], file_first: bool
) -> None:
    line = [str(path), *words] if file_first else [*words, str(path)]
    assert main(["trigger", *line]) == 0
    assert path.read_text() == "Wake up!\n"


@pytest.mark.parametrize(
    "message", ["", "Wake up!", "two\nlines\n", "ünï ☕", " blanks ", "a=b", "--"]
)
async def test_the_application_reads_what_was_written(path: Path, message: str) -> None:
    assert main(["trigger", str(path), f"--message={message}"]) == 0
    assert (await wait_for_file(path, timeout=1)).message == message


def test_the_limit_is_the_one_of_the_reading_side(path: Path) -> None:
    assert _trigger.LIMIT_BYTES == judgement.LIMIT_BYTES
    assert main(["trigger", str(path), "--message", "x" * 65535]) == 0
    assert len(path.read_bytes()) == 65536


def test_the_file_can_be_read_by_others_as_the_umask_says(path: Path) -> None:
    before = os.umask(0o022)
    try:
        main(["trigger", str(path)])
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_doing_it_again_replaces_the_file_whole(path: Path) -> None:
    main(["trigger", str(path), "--message", "first and long"])
    first = path.stat().st_ino
    with path.open() as reader:
        main(["trigger", str(path), "--message", "second"])
        assert reader.read() == "first and long\n"
    assert path.read_text() == "second\n"
    assert path.stat().st_ino != first
    assert names(path.parent) == ["done"]


def test_a_symlink_is_followed_so_that_the_other_side_of_it_sees_the_file(path: Path) -> None:
    shared = path.parent / "shared"
    shared.mkdir()
    path.symlink_to(shared / "done")
    assert main(["trigger", str(path), "--message", "through"]) == 0
    assert path.is_symlink()
    assert (shared / "done").read_text() == "through\n"


@pytest.mark.process
def test_many_at_once_leave_one_whole_file_and_nothing_else(path: Path) -> None:
    messages = [str(number) * 1000 for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda message: run(path, "--message", message), messages))
    assert [each.returncode for each in runs] == [0] * 8
    assert path.read_text().removesuffix("\n") in messages
    assert names(path.parent) == ["done"]


@pytest.mark.process
def test_the_file_is_written_only_after_the_command_has_succeeded(path: Path) -> None:
    done = run(path, "--", "sh", "-c", f"test ! -e {path} && cat && echo out && echo err >&2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "err\n")
    assert path.exists()


@pytest.mark.process
@pytest.mark.parametrize("status", [1, 2, 42, 125, 255])
def test_the_status_of_a_command_that_fails_is_passed_on_and_nothing_written(
    path: Path, status: int
) -> None:
    assert run(path, "--", "sh", "-c", f"exit {status}").returncode == status
    assert names(path.parent) == []


@pytest.mark.process
def test_a_command_that_is_killed_ends_it_with_128_and_the_signal(path: Path) -> None:
    assert run(path, "--", "sh", "-c", "kill -KILL $$").returncode == 128 + signal.SIGKILL
    assert names(path.parent) == []


@pytest.mark.process
def test_a_command_that_is_not_there_is_127_and_named(path: Path) -> None:
    done = run(path, "--", "no-such-command")
    assert done.returncode == 127
    assert "no-such-command was not found" in done.stderr
    assert names(path.parent) == []


@pytest.mark.process
@pytest.mark.parametrize(
    ("content", "mode", "complaint"),
    [
        ("#!/bin/sh\n", 0o644, "cannot be run (Permission denied): is it an executable file?"),
        ("no interpreter named\n", 0o755, "is not a program: begin it with #!"),
    ],
)
def test_a_command_that_cannot_be_run_is_126_and_named(
    path: Path, content: str, mode: int, complaint: str
) -> None:
    script = path.parent / "script"
    script.write_text(content)
    script.chmod(mode)
    done = run(path, "--", script)
    assert done.returncode == 126
    assert f"{script} {complaint}" in done.stderr
    assert not path.exists()


@pytest.mark.process
def test_a_command_keeps_its_own_dashes(path: Path) -> None:
    done = run(path, "--", "printf", "%s ", "--message", "--", "-h", "--help")
    assert (done.returncode, done.stdout) == (0, "--message -- -h --help ")


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """A FIFO: reading it waits until the command has opened it for writing."""
    path = tmp_path / "ready"
    os.mkfifo(path)
    return path


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_reaches_the_command_which_decides_what_it_does(
    path: Path, ready: Path, number: signal.Signals
) -> None:
    name = number.name.removeprefix("SIG")
    script = f"trap 'echo got {name}; exit 9' {name}; : > {ready}; while :; do sleep 0.01; done"
    with subprocess.Popen(
        [*COMMAND, str(path), "--", "sh", "-c", script], stdout=subprocess.PIPE, text=True
    ) as process:
        ready.read_bytes()
        process.send_signal(number)
        output, _ = process.communicate(timeout=20)
    assert (process.returncode, output) == (9, f"got {name}\n")
    assert not path.exists()


@pytest.mark.process
@pytest.mark.parametrize("in_the_foreground", [True, False])
def test_ctrl_c_reaches_the_command_from_the_terminal_alone(
    path: Path, ready: Path, in_the_foreground: bool
) -> None:
    # Forwarded as well, it would be a second SIGINT, which many take for "at once!". Two that come together are
    # one to the kernel, so the proof is a command that has left the terminal's foreground: it gets none.
    script = (
        "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT]); "
        f"{'' if in_the_foreground else 'os.setpgid(0, 0); '}open({str(ready)!r}, 'w').close(); "
        f"got = signal.sigtimedwait([signal.SIGINT], {10 if in_the_foreground else 0.5}); "
        "sys.exit(100 if got is None else 101)"
    )
    line = [*COMMAND, str(path), "--", sys.executable, "-c", script]
    terminal = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    with subprocess.Popen(
        [sys.executable, "-c", terminal, *line], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        ready.read_bytes()
        assert process.stdin is not None
        process.stdin.write(b"\x03")
        process.stdin.flush()
        process.wait(timeout=20)
    assert process.returncode == (101 if in_the_foreground else 100)


@pytest.mark.process
def test_a_command_that_was_told_to_end_and_says_success_has_not_warmed_up(
    path: Path, ready: Path
) -> None:
    script = f"trap 'exit 0' TERM; : > {ready}; while :; do sleep 0.01; done"
    with subprocess.Popen(
        [*COMMAND, str(path), "--", "sh", "-c", script], stderr=subprocess.PIPE, text=True
    ) as process:
        ready.read_bytes()
        process.terminate()
        _, complaint = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert "told to end by signal 15 while sh ran: nothing was written" in complaint
    assert not path.exists()


@pytest.mark.process
def test_a_signal_that_is_ignored_stays_ignored_as_under_nohup(path: Path) -> None:
    script = "kill -HUP $PPID; kill -HUP $$; exit 3"
    done = subprocess.run(
        ["sh", "-c", 'trap "" HUP; exec "$@"', "-", *COMMAND, str(path), "--", "sh", "-c", script],
        timeout=30,
        check=False,
    )
    assert done.returncode == 3


@pytest.mark.process
def test_a_parent_that_ignores_its_children_does_not_hide_how_the_command_ended(path: Path) -> None:
    ignore = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    words = [sys.executable, "-c", ignore, *COMMAND, str(path), "--", "sh", "-c", "exit 7"]
    assert subprocess.run(words, timeout=30, check=False).returncode == 7


@pytest.mark.process
def test_a_broken_pipe_ends_the_command_as_it_would_under_a_shell(path: Path) -> None:
    done = run(path, "--", "sh", "-c", "(yes; echo $? >&2) | head -n 1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "y\n", f"{128 + signal.SIGPIPE}\n")


# ---- what cannot be written ----------------------------------------------------------------------------------


def complaint(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    assert main(["trigger", *map(str, words)]) == 125
    return capsys.readouterr().err


def test_a_missing_directory_is_named_with_the_way_to_make_it(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complaint(capsys, path / "sub") == (
        f"lifecycle trigger: {path}/sub cannot be written: there is no directory {path}: "
        f"make it first (mkdir -p {path}), or mount the volume there\n"
    )


@pytest.mark.process
def test_the_command_may_make_the_directory(path: Path) -> None:
    assert run(path / "sub", "--", "mkdir", path).returncode == 0
    assert (path / "sub").exists()


def test_a_directory_in_the_files_place_is_refused_before_the_command_runs(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.mkdir()
    text = complaint(capsys, path, "--", "touch", path.parent / "ran")
    assert f"{path} cannot be written, because it is a directory: remove it" in text
    assert names(path.parent) == ["done"]


@pytest.mark.process
def test_a_directory_that_the_command_puts_there_is_refused(path: Path) -> None:
    done = run(path, "--", "mkdir", path)
    assert done.returncode == 125
    assert "because it is a directory" in done.stderr


def test_a_device_or_a_fifo_is_never_replaced(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(path)
    assert "because it is no regular file" in complaint(capsys, path)
    assert path.is_fifo()
    path.unlink()
    path.symlink_to("/dev/null")
    assert "because it is no regular file" in complaint(capsys, path)
    assert Path("/dev/null").is_char_device()


def test_a_file_among_the_directories_is_named(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text("")
    assert f"{path} is not a directory: name another path" in complaint(capsys, path / "sub")


def test_a_name_that_is_too_long_leaves_nothing_behind(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "File name too long" in complaint(capsys, path.with_name("x" * 256))
    assert names(path.parent) == []


def test_a_name_as_long_as_names_can_be_is_written(path: Path) -> None:
    assert main(["trigger", str(path.with_name("x" * 255))]) == 0


def test_a_link_that_lies_in_wait_for_the_temporary_file_is_not_followed(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = path.with_name("victim")
    monkeypatch.setattr(os, "urandom", bytes)
    path.with_name(f".lifecycle-{'00' * 8}").symlink_to(victim)
    assert "File exists" in complaint(capsys, path, "--message", "x")
    assert not victim.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_directory_that_may_not_be_written_is_named_with_the_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path("/dev/shm") / f"lifecycle-{os.getpid()}"
    folder.mkdir(mode=0o755)
    try:
        os.seteuid(NOBODY)
        try:
            text = complaint(capsys, folder / "done")
        finally:
            os.seteuid(0)
        assert f"user {NOBODY} may not write in {folder}: allow it, or name another" in text
    finally:
        folder.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_file_of_somebody_else_in_a_sticky_directory_is_an_error_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = Path("/dev/shm") / f"lifecycle-{os.getpid()}"
    folder.mkdir()
    folder.chmod(0o1777)
    (folder / "done").write_text("root's")
    try:
        os.seteuid(NOBODY)
        try:
            text = complaint(capsys, folder / "done")
        finally:
            os.seteuid(0)
        assert f"user {NOBODY} may not replace it in {folder}" in text
        assert names(folder) == ["done"]
        assert (folder / "done").read_text() == "root's"
    finally:
        (folder / "done").unlink()
        folder.rmdir()


def in_mount(options: str, script: str) -> "subprocess.CompletedProcess[str]":
    """Run a script with a small file system of its own at /mnt."""
    script = f"mount -t tmpfs -o {options} none /mnt || exit 77; cd /mnt; {script}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=os.environ | {"TRIGGER": " ".join(COMMAND)},
    )
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("no right to mount")
    return done


@pytest.mark.process
def test_a_full_volume_is_an_error_and_the_half_written_file_is_removed() -> None:
    done = in_mount(
        "size=64k",
        "head -c 57344 /dev/zero > filler; "
        "$TRIGGER done --message $(printf %20000s | tr ' ' x); echo $?; ls -A",
    )
    assert done.stdout == "125\nfiller\n"
    assert "no space is left in /mnt: make room, or raise the volume's sizeLimit" in done.stderr


@pytest.mark.process
def test_a_read_only_volume_is_an_error_that_says_what_to_mount() -> None:
    done = in_mount("ro", "$TRIGGER done; echo $?; ls -A")
    assert done.stdout == "125\n"
    assert "/mnt is read-only: mount an emptyDir there" in done.stderr


# ---- the command line ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "which file? Name it as the first word"),
        (["--", "true"], "which file?"),
        ([""], "the name of the file is empty: is a variable not set?"),
        (["done", "true"], "'true' is one word too many: put -- before the command"),
        (["done", "--"], "there is no command after --"),
        (["done", "--message"], "option --message needs a value after it"),
        (
            ["done", "--massage", "x"],
            "there is no option --massage: known are --message and --help",
        ),
        (["done", "-m", "x"], "there is no option -m"),
        (["done", "--message", "a", "--message=b"], "option --message is given twice"),
        (["done", "--message", "\udcff"], "the message is not UTF-8"),
        (
            ["done", "--message", "x" * 65536],
            "has 65537 bytes with its newline, and may have 65536",
        ),
    ],
)
def test_a_wrong_command_line_is_2_and_writes_nothing(
    words: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["trigger", *words]) == 2
    text = capsys.readouterr().err
    assert text.startswith("lifecycle trigger: ")
    assert complaint in text
    assert text.endswith("See lifecycle trigger --help\n")
    assert names(tmp_path) == []


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["done", "-h"], ["--help", "--", "false"]])
def test_help_is_0_on_standard_output_and_writes_nothing(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["trigger", *words]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Usage: lifecycle trigger FILE")
    assert max(map(len, text.splitlines())) <= 80
    assert names(tmp_path) == []
