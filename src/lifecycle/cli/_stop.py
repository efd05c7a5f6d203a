"""`lifecycle stop`: ask an application to stop, and wait for it. Standard library alone; see `_main.py`."""

import errno
import os
import sys
import time

from lifecycle.cli._options import UsageError, Words, is_number
from lifecycle.cli._outcome import FAILED, NOT_ALLOWED, STOPPED, TIMED_OUT, WRONG_USAGE
from lifecycle.cli._streams import say

SUMMARY = "Ask an application to stop, and wait until it has: a preStop hook."

HELP = """\
Usage: lifecycle stop [--port N | --url U | --uds PATH | --pid PID]
                      [--timeout S] [--token T]

Ask an application to stop, wait until it is done, and say how it went. To ask
again, or from several places at once, is harmless.

Options:
  --port N     Ask with GET /shutdown on loopback. Default: LIFECYCLE_PORT, or
               8000.
  --url U      Ask there: http://HOST[:PORT][/PATH]; PATH defaults to
               /shutdown.
  --uds PATH   Ask over a Unix socket.
  --pid PID    Send SIGTERM, and wait until the process is gone. For
               applications without an HTTP server.
  --timeout S  Give up waiting after S seconds. The application goes on
               stopping. Default: its own grace period bounds the wait.
  --token T    The application's shutdown token. Default:
               LIFECYCLE_SHUTDOWN_TOKEN.
  -h, --help   This text.

Exit status:
  0  stopped; nothing failed (with --pid: the process is gone, or was before)
  1  stopped, but something failed: the line that is printed says what
  2  this command line, or an environment variable, is wrong
  3  nothing listens there: wrong address, or it has stopped already
  4  not allowed: wrong or missing token, or another user's process
  5  the timeout passed
  6  something answered, but not as this library does: wrong address?
  7  the connection was lost before the answer: was the application killed?

Example, as a pod's preStop hook:
  exec:
    command: [lifecycle, stop, --port, "8080"]
"""

LONGEST_TIMEOUT = 1e6  # eleven days; poll(2) counts milliseconds in 31 bits, which is twice that

_TARGETS = ("--port", "--url", "--uds", "--pid")


def run(words: list[str]) -> int:
    try:
        line = Words(words, (*_TARGETS, "--timeout", "--token"))
        if line.help:
            say(sys.stdout, HELP)
            return 0
        if extra := [*line.arguments, *(["--"] if line.command is not None else [])]:
            raise UsageError(
                f"{extra[0]!r} is one word too many: name a target with {', '.join(_TARGETS)}"
            )
        targets = [name for name in _TARGETS if name in line.options]
        if len(targets) > 1:
            raise UsageError(f"{' and '.join(targets)} exclude each other: give one of them")
        timeout = _seconds(line.options.get("--timeout"))
        deadline = None if timeout is None else time.monotonic() + timeout
        if targets == ["--pid"]:
            status, text = _stop_process(_process(line), deadline)
        else:
            # --help and --pid open no socket.
            from lifecycle.cli._ask import ask
            from lifecycle.cli._target import target_of

            status, text = ask(target_of(line.options, dict(os.environ)), deadline)
    except UsageError as failure:
        say(sys.stderr, f"lifecycle stop: {failure}. See lifecycle stop --help\n")
        return WRONG_USAGE
    if status in {STOPPED, FAILED}:
        say(sys.stdout, f"{text}\n")
    else:
        say(sys.stderr, f"lifecycle stop: {text}\n")
    return status


def _seconds(given: str | None) -> float | None:
    if given is None:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if 0 < seconds <= LONGEST_TIMEOUT:
        return seconds
    raise UsageError(
        f"--timeout {given!r} is not a number of seconds above 0 and up to {LONGEST_TIMEOUT:.0f}"
    )


def _process(line: Words) -> int:
    if "--token" in line.options:
        raise UsageError(
            "--token has no meaning with --pid, which asks by a signal: leave one of them out"
        )
    given = line.options["--pid"]
    # 0 and negative numbers would signal whole process groups.
    if not (is_number(given) and 0 < int(given) < 2**31):
        raise UsageError(f"--pid {given!r} is not the number of a process: it must be 1 or more")
    return int(given)


def _stop_process(pid: int, deadline: float | None) -> tuple[int, str]:
    began = time.monotonic()
    try:
        # Opened before the signal is sent, so that no later process of the same number is waited for.
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return STOPPED, f"process {pid} was gone already"
    except (AttributeError, OSError):  # not on this system, or a sandbox forbids it
        descriptor = -1
    try:
        started = _start_of(pid)
        os.kill(pid, 15)  # SIGTERM; importing its name would double the time this takes to start
        gone = (
            _ended(descriptor, deadline) if descriptor >= 0 else _vanished(pid, started, deadline)
        )
    except ProcessLookupError:
        return STOPPED, f"process {pid} was gone already"
    except PermissionError:
        return NOT_ALLOWED, (
            f"user {os.geteuid()} may not send signals to process {pid}: run this as the process's own user"
        )
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    waited = time.monotonic() - began
    if gone:
        return STOPPED, f"process {pid} ended {waited:.1f} s after SIGTERM"
    return TIMED_OUT, (
        f"process {pid} has not ended within {waited:.1f} s of SIGTERM: allow more time (--timeout), "
        "or see whether it handles SIGTERM (PID 1 ignores it otherwise)"
    )


def _ended(descriptor: int, deadline: float | None) -> bool:
    """Wait for the process's descriptor, which is readable once it has ended, collected or not."""
    from select import POLLIN, poll

    waiting = poll()
    waiting.register(descriptor, POLLIN)
    left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
    return bool(waiting.poll(left))


def _vanished(pid: int, started: bytes, deadline: float | None) -> bool:
    while _start_of(pid) == started and started:
        if deadline is not None and time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def _start_of(pid: int) -> bytes:
    """What tells this process from a later one of the same number; empty once it is gone, or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - pathlib is half as large as this program's start
            fields = file.read().rpartition(b")")[2].split()
    except OSError as failure:
        if failure.errno in {errno.ENOENT, errno.ESRCH} and os.path.isdir("/proc/self"):  # noqa: PTH112 - as above
            return b""
        return _start_without_proc(pid)
    return b"" if fields[0] in {b"Z", b"X"} else fields[19]


def _start_without_proc(pid: int) -> bytes:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return b""
    except PermissionError:
        pass
    return b"?"
