"""Under a terminal the program has the foreground, as if a shell had started it."""

import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.supervisor.running import ROOT, Form, is_namespace_allowed, wait_until

pytestmark = pytest.mark.process


class Terminal:
    """The program's standard input, output and errors, and the terminal that its session is under."""

    def __init__(self, argv: list[str]) -> None:
        # Not pty.fork(): this process may have threads, of which a forked Python knows nothing.
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *argv],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )
        os.close(slave)
        self.seen = b""

    def until(self, text: str) -> "Terminal":
        deadline = time.monotonic() + 20
        while text.encode() not in self.seen:
            ready, _, _ = select.select([self.master], [], [], deadline - time.monotonic())
            assert ready, f"{text!r} never came: {self.seen!r}"
            try:
                self.seen += os.read(self.master, 4096)
            except OSError:
                raise AssertionError(f"{text!r} never came: {self.seen!r}") from None
        return self

    def write(self, text: str) -> None:
        os.write(self.master, text.encode())

    def status(self) -> int:
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self.master)


def test_control_c_reaches_the_program(supervisor: Form) -> None:
    terminal = Terminal([*supervisor.argv, "sh", "-c", "echo ready; sleep 20"]).until("ready")
    time.sleep(0.1)
    terminal.write("\x03")
    assert terminal.status() == 130


def test_the_program_reads_from_the_terminal_and_sees_its_end(supervisor: Form) -> None:
    terminal = Terminal([*supervisor.argv, "sh", "-c", "echo ready; cat; exit 4"]).until("ready")
    terminal.write("hello\n")
    terminal.until("hello\r\nhello\r\n")
    terminal.write("\x04")
    assert terminal.status() == 4


def test_an_interactive_shell_has_job_control(supervisor: Form) -> None:
    argv = [*supervisor.argv, "/bin/bash", "--norc", "--noprofile", "-i"]
    terminal = Terminal(argv)
    terminal.write("PS1='> '; set -o\n")
    terminal.until("monitor        \ton")
    terminal.write("sleep 20\n")
    time.sleep(0.4)
    terminal.write("\x1a")
    terminal.until("Stopped")
    terminal.write("fg; exit 3\n")
    time.sleep(0.4)
    terminal.write("\x03")
    terminal.write("exit 3\n")
    assert terminal.status() == 3
    assert b"no job control" not in terminal.seen


def test_a_session_of_its_own_keeps_the_terminal_and_hears_no_hang_up(supervisor: Form) -> None:
    program = (
        "echo ready; trap 'echo HUP' HUP; ps -o sid= -p $$ | tr -d ' '; echo pid $$; read x; exit 5"
    )
    terminal = Terminal([*supervisor.argv, "--session", "sh", "-c", program]).until("pid ")
    time.sleep(0.1)
    terminal.write("x\n")
    assert terminal.status() == 5
    lines = terminal.seen.decode().split()
    assert "HUP" not in lines


def test_a_hang_up_after_the_hand_over_is_forwarded(supervisor: Form) -> None:
    program = "trap 'echo heard; exit 6' HUP; echo ready; while :; do sleep 0.05; done"
    terminal = Terminal([*supervisor.argv, "--session", "sh", "-c", program]).until("ready")
    terminal.process.send_signal(signal.SIGHUP)
    terminal.until("heard")
    assert terminal.status() == 6


@pytest.mark.skipif(
    os.getuid() != 0 or not is_namespace_allowed(), reason="needs root and namespaces"
)
@pytest.mark.parametrize("option", ["--session", "--verbose"])
def test_a_container_without_terminals_is_no_obstacle(supervisor: Form, option: str) -> None:
    """No /dev/pts, no /dev/tty, and nobody's controlling terminal."""
    hide = 'mount -t tmpfs none /dev/pts; mount --bind /dev/null /dev/tty; exec "$@"'
    argv = ["unshare", "--mount", "setsid", "sh", "-c", hide, "sh"]
    bare = Form(supervisor.name, [*argv, *supervisor.argv])
    assert bare.run(option, "sh", "-c", "ls /dev/pts; echo on; exit 3")[:2] == (3, "on\n")
    bare.end()


def test_our_directory_is_the_root_and_the_programs_is_the_callers(
    supervisor: Form, tmp_path: Path
) -> None:
    running = supervisor.start("sh", "-c", "pwd; echo ready; sleep 5", cwd=tmp_path).until("ready")
    assert running.out.decode().splitlines()[0] == str(tmp_path)
    wait_until(lambda: str(Path(f"/proc/{running.pid}/cwd").readlink()) == "/")
    running.send(15)
    assert running.status() == 143


def test_pipes_of_the_launcher_are_the_programs_and_not_ours(supervisor: Form) -> None:
    reading, writing = os.pipe()
    program = f"echo $LISTEN_PID $$; echo x >&{writing}; exec {writing}>&-; echo ready; sleep 5"
    env = {"LISTEN_PID": "1", "LISTEN_FDS": "1"}
    running = supervisor.start("bash", "-c", program, pass_fds=[writing], env=env)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b"x\n", "the end is seen while the program runs"
    running.until("ready")
    first, second = running.out.decode().splitlines()[0].split()
    assert first == second, "socket activation names the program"
    running.send(15)
    assert running.status() == 143
