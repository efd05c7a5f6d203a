"""Whatever is broken around it, the program is served where possible, the status is honest and the words are clear."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.supervisor.running import NAMESPACE, ROOT, WITNESS, Form, is_namespace_allowed

pytestmark = pytest.mark.process
root_only = pytest.mark.skipif(
    os.getuid() != 0 or not is_namespace_allowed(), reason="needs root and namespaces"
)


def inside(supervisor: Form, script: str, *words: object) -> tuple[int, str, str]:
    """In a mount namespace of its own, after a shell script that breaks something."""
    argv = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        f'{script}; exec "$@"',
        "sh",
        *supervisor.argv,
        *map(str, words),
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env, timeout=30)
    return done.returncode, done.stdout, done.stderr


def test_state_that_cannot_be_kept_costs_only_the_state(supervisor: Form, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    status, out, errors = supervisor.run("--state-dir", tmp_path / "file", "echo", "on")
    assert (status, out) == (0, "on\n")
    assert "cannot keep state in" in errors
    assert "Not a directory" in errors


@root_only
def test_a_read_only_volume_costs_only_the_state(supervisor: Form, tmp_path: Path) -> None:
    script = f"mount -t tmpfs -o ro none {tmp_path}"
    status, out, errors = inside(
        supervisor, script, "--name", "x", "--state-dir", tmp_path / "s", "echo", "on"
    )
    assert (status, out) == (0, "on\n")
    assert "Read-only file system" in errors


@root_only
def test_a_marker_that_cannot_be_written_is_never_a_success(
    supervisor: Form, tmp_path: Path
) -> None:
    script = f"mount -t tmpfs -o size=4k none {tmp_path}; head -c 8192 /dev/zero > {tmp_path}/full 2>/dev/null"
    for option in ("--always-zero", "--peers-on-success"):
        status, _, errors = inside(
            supervisor, script, option, "--post-file", tmp_path / "out", "true"
        )
        assert status == 73
        assert f"cannot write {tmp_path}/out: No space left on device" in errors
    assert inside(supervisor, script, "--post-file", tmp_path / "out", "sh", "-c", "exit 5")[0] == 5


def test_a_directory_in_place_of_a_marker_is_an_error_and_no_hang(
    supervisor: Form, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    status, _, errors = supervisor.run("--post-file", tmp_path / "out", "true")
    assert (status, "Is a directory" in errors) == (73, True)
    words = ("--wait-file", tmp_path / "out", "--wait-file-content", "true")
    status, _, errors = supervisor.run(*words)
    assert (status, "is a directory, where a file was expected" in errors) == (69, True)


def test_a_huge_command_line_and_environment_are_passed_on(supervisor: Form) -> None:
    env = {f"VARIABLE_{number}": "x" * 20 for number in range(10_000)}
    words = ["x" * 100_000, *map(str, range(5_000))]
    program = "echo $# ${#1}; env | grep -c ^VARIABLE_"
    assert supervisor.run("sh", "-c", program, "sh", *words, env=env)[:2] == (
        0,
        "5001 100000\n10000\n",
    )


LONG = "9" * 5000


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--stop-signal", LONG, "is out of range: 1 to 64"),
        ("--stop-signal", f"RTMIN+{LONG}", "is no signal"),
        ("--stop-signal", "²", "is no signal"),
        ("--remap", LONG, "is no exit status"),
        ("--retry", LONG, "is no count"),
        ("--retry-on", f"1-{LONG}", "is no exit status"),
        ("--grace-period", LONG, "is no duration"),
        ("--after", f"tcp://x:{LONG}", "is no address"),
        ("--after", "http://x:²/", "is no URL"),
        ("--after", "http://", "is no URL"),
        ("--ready-when", "http://x:65536/", "is no URL"),
        ("--until", "http://x y/", "has letters that no URL has"),
        ("--peer-quit", "ftp://x/", "is no URL"),
        ("--peer-quit", "https://x/", "TLS is not spoken here"),
        ("--pre-stop", "https://x/", "TLS is not spoken here"),
        ("--stop-with", "http://x:y/", "is no URL"),
        ("--stop-with", '["a\\u0000b"]', "has a NUL byte in it"),
        ("--wait-file", "/a,,/b", "has an empty path in it"),
        ("--wait-file-variable", "A=B", "is no name of a variable"),
    ],
)
def test_what_could_only_fail_later_is_refused_at_once(
    supervisor: Form, option: str, value: str, message: str
) -> None:
    status, out, errors = supervisor.run(option, value, "echo", "on")
    assert (status, out) == (64, "")
    assert errors.startswith(f"supervisor: {option}: ")
    assert message in errors
    variable = "SUPERVISOR_" + option[2:].replace("-", "_").upper()
    if "," not in value:
        status, _, errors = supervisor.run("true", env={variable: value})
        assert (status, errors.startswith(f"supervisor: {variable}: ")) == (64, True)


def test_a_misspelt_variable_is_named_and_left_to_the_program(supervisor: Form) -> None:
    """A Service that is called `supervisor` makes variables, too: they are nobody's mistake."""
    env = {
        "SUPERVISOR_GRACE_PEROID": "60",
        "SUPERVISOR_SERVICE_HOST": "10.0.0.1",
        "SUPERVISOR_SERVICE_PORT_HTTP": "80",
        "SUPERVISOR_PORT": "tcp://10.0.0.1:80",
        "SUPERVISOR_X_PORT_80_TCP_ADDR": "10.0.0.1",
        "SUPERVISOR_REMAP": "3",
    }
    status, out, errors = supervisor.run("sh", "-c", "env | grep -c ^SUPERVISOR_", env=env)
    assert (status, out) == (0, "5\n")
    assert errors == (
        "supervisor: SUPERVISOR_GRACE_PEROID is no setting of the supervisor, "
        "and is left to the program: see --help\n"
    )


def test_what_is_no_file_is_neither_replaced_nor_waited_for(
    supervisor: Form, tmp_path: Path
) -> None:
    """As root a rename would put a file in the place of a device, and a pipe without a reader blocks who opens it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refused = f"supervisor: cannot write {pipe}: Is no regular file\n"
    assert supervisor.run("--post-file", pipe, "true") == (73, "", refused)
    assert supervisor.run("--post-file", pipe, "sh", "-c", "exit 5")[0] == 5
    status, _, errors = supervisor.run("--termination-path", pipe, "true")
    assert (status, errors) == (
        73,
        f"supervisor: cannot write {pipe}: No such device or address\n",
    )
    running = supervisor.start("--signal-file", pipe, "--cancel-file", pipe, *WITNESS)
    running.until("ready").send(15)
    assert running.finish()[:2] == (0, "ready\nSIGTERM\nclean\n")
    assert pipe.is_fifo()


@root_only
def test_a_volume_without_room_costs_only_the_state(supervisor: Form, tmp_path: Path) -> None:
    script = f"mount -t tmpfs -o size=4k,nr_inodes=2 none {tmp_path}; echo x > {tmp_path}/full"
    words = ("--name", "x", "--state-dir", tmp_path / "s", "--stdout-path", tmp_path / "out")
    status, out, errors = inside(supervisor, script, *words, "sh", "-c", "echo on; exit 5")
    assert (status, out) == (5, "on\n")
    assert f"cannot keep state in {tmp_path}/s/x: No space left on device" in errors
    assert "No space left on device; output goes on without a copy" in errors


def test_bytes_that_are_no_text_are_passed_on(supervisor: Form) -> None:
    word = b"\xff\xfe"
    argv = [
        *map(os.fsencode, supervisor.argv),
        b"sh",
        b"-c",
        b'printf "%s,%s" "$1" "$X"',
        b"sh",
        word,
    ]
    env = {**os.environb, b"X": b"\xc3", b"PYTHONPATH": os.fsencode(ROOT / "src")}
    done = subprocess.run(argv, capture_output=True, check=False, env=env)
    assert (done.returncode, done.stdout) == (0, word + b",\xc3")


def test_a_closed_stderr_or_stdout_does_not_stop_the_program(supervisor: Form) -> None:
    for closed in ("2>&-", "2>&- >&- <&-"):
        script = f'"$@" {closed}; echo $?'
        argv = ["sh", "-c", script, "sh", *supervisor.argv, "--verbose", "sh", "-c", "exit 6"]
        env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
        assert done.stdout == "6\n"


@pytest.mark.parametrize("words", ["--help", "--version", "lint true"])
def test_an_answer_that_cannot_be_written_is_73_and_told_in_one_line(
    supervisor: Form, words: str
) -> None:
    for bad, why in ((">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")):
        argv = ["sh", "-c", f'"$@" {words} {bad}', "sh", *supervisor.argv]
        env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
        told = f"supervisor: cannot write to the standard output: {why}\n"
        assert (done.returncode, done.stderr) == (73, told)


def test_a_message_with_a_nul_byte_is_passed_on_without_it(
    supervisor: Form, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"a\0b\n")
    words = ("--wait-file", tmp_path / "file", "--wait-file-variable", "M", "sh", "-c", "echo $M")
    assert supervisor.run(*words) == (0, "ab\n", "")


@root_only
@pytest.mark.parametrize("place", ["pid 1", "child"])
def test_a_missing_proc_costs_only_what_it_is_needed_for(supervisor: Form, place: str) -> None:
    prefix = NAMESPACE if place == "pid 1" else ["unshare", "--mount"]
    script = 'mount -t tmpfs none /proc; exec "$@"'
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    program = "trap '' TERM; (sleep 0.1; kill -TERM $PPID) & sleep 30; sleep 30"
    argv = [
        *prefix,
        "sh",
        "-c",
        script,
        "sh",
        *supervisor.argv,
        "--grace-period",
        "1",
        "sh",
        "-c",
        program,
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env, timeout=20)
    assert done.returncode == 137, done.stderr
    assert "unknown without /proc" in done.stderr


@root_only
def test_a_random_user_without_a_name_is_served(supervisor: Form, tmp_path: Path) -> None:
    own = supervisor.argv
    if supervisor.name != "static":
        python = Path("/usr/bin/python3.11")
        if supervisor.name == "module" or not python.exists():
            pytest.skip("the interpreter of this machine is readable by root alone")
        # The fixtures' folders are readable by root alone, too: an emptyDir is not.
        shutil.copy(own[-1], "/tmp/supervisor-of-all.pyz")
        own = [str(python), "-I", "-S", "/tmp/supervisor-of-all.pyz"]
    argv = ["setpriv", "--reuid=1234567", "--regid=7", "--clear-groups", *own]
    done = subprocess.run(
        [*argv, "sh", "-c", "id -u; exit 4"], capture_output=True, text=True, check=False, env={}
    )
    assert (done.returncode, done.stdout, done.stderr) == (4, "1234567\n", "")


@root_only
def test_a_working_directory_that_cannot_be_read_or_is_gone_is_no_obstacle(
    supervisor: Form, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    leave = f'cd {gone} && rmdir {gone} && exec "$@"'
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    argv = ["sh", "-c", leave, "sh", *supervisor.argv, "sh", "-c", "exit 4"]
    assert subprocess.run(argv, check=False, env=env, capture_output=True).returncode == 4
    if supervisor.name == "static":
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o711)
        become = ["setpriv", "--reuid=1234567", "--regid=7", "--clear-groups", *supervisor.argv]
        done = subprocess.run([*become, "sh", "-c", "exit 4"], check=False, cwd=closed, env={})
        assert done.returncode == 4


@root_only
def test_a_filter_that_forbids_prctl_costs_one_warning(supervisor: Form, tmp_path: Path) -> None:
    """A seccomp filter answers EPERM to prctl(2), which is number 157 on x86-64."""
    if os.uname().machine != "x86_64":
        pytest.skip("the filter is written in system call numbers of x86-64")
    launcher = tmp_path / "launcher.py"
    launcher.write_text(
        "import ctypes, os, struct, sys\n"
        "program = [(0x20, 0, 0, 0), (0x15, 0, 1, 157), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)]\n"
        "code = b''.join(struct.pack('HBBI', *row) for row in program)\n"
        "buffer = ctypes.create_string_buffer(code)\n"
        "class Filter(ctypes.Structure): _fields_ = [('n', ctypes.c_ushort), ('p', ctypes.c_void_p)]\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "assert libc.prctl(38, 1, 0, 0, 0) == 0\n"
        "f = Filter(len(program), ctypes.addressof(buffer))\n"
        "assert libc.prctl(22, 2, ctypes.byref(f), 0, 0) == 0, ctypes.get_errno()\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    argv = [WITNESS[0], str(launcher), *supervisor.argv, "sh", "-c", "exit 5"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 5
    assert done.stderr == (
        "supervisor: neither PID 1 nor allowed to adopt orphans: some may be left behind\n"
    )
