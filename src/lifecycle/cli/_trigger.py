"""`lifecycle trigger`: the writing side of the postStart trigger. Standard library alone; see `_main.py`."""

import errno
import os
import stat
import sys

from lifecycle.cli._options import UsageError, Words
from lifecycle.cli._streams import say

SUMMARY = "Write a postStart trigger file, once a command has succeeded."

HELP = """\
Usage: lifecycle trigger FILE [--message M] [-- CMD [ARG]...]

Run CMD, and if it succeeds write FILE, for which the application waits
(LIFECYCLE_POST_START_FILE). Without CMD, just write it. FILE appears whole or
not at all; to do it again, or twice at once, is harmless.

Options:
  --message M  What FILE says to the application (UTF-8, at most 64 KiB).
               Default: nothing.
  -h, --help   This text.

CMD is run without a shell, with this command's input and output. SIGTERM,
SIGINT, SIGHUP and SIGQUIT are forwarded to it; FILE is then not written.

Exit status:
  that of CMD  CMD failed, and FILE was not written
  0            FILE is written
  2            this command line is wrong
  125          FILE could not be written
  126, 127     CMD cannot be run; CMD was not found
  128+N        CMD was ended by signal N, or was told to end by it

Example, in a pod's postStart hook:
  exec:
    command: [lifecycle, trigger, /tmp/postStart-done, --message, warm,
              --, ./warm-up, --all]
"""

CANNOT_WRITE = 125  # as env(1), nohup(1) and timeout(1) say it: the tool itself failed
CANNOT_RUN = 126
NOT_FOUND = 127
WRONG_USAGE = 2

LIMIT_BYTES = (
    64 * 1024
)  # lifecycle.core's, which a test compares: importing it would take ten times as long


class WriteError(Exception):
    """The file could not be written; the message says why, and what to do."""


def run(words: list[str]) -> int:
    try:
        line = Words(words, ("--message",))
        if line.help:
            say(sys.stdout, HELP)
            return 0
        path, message = _checked(line)
    except UsageError as failure:
        say(sys.stderr, f"lifecycle trigger: {failure}. See lifecycle trigger --help\n")
        return WRONG_USAGE
    try:
        _check_place(path)  # before a command that may take minutes
        if line.command:
            status = _run_command(line.command)
            if status:
                return status
        write(path, message)
    except WriteError as failure:
        say(sys.stderr, f"lifecycle trigger: {failure}\n")
        return CANNOT_WRITE
    return 0


def _checked(line: Words) -> tuple[str, bytes]:
    if not line.arguments:
        raise UsageError("which file? Name it as the first word")
    path, *more = line.arguments
    if more:
        raise UsageError(f"{more[0]!r} is one word too many: put -- before the command")
    if not path:
        raise UsageError("the name of the file is empty: is a variable not set?")
    if line.command == []:
        raise UsageError("there is no command after --: name one, or leave -- out")
    text = line.options.get("--message", "")
    try:
        message = text.encode()
    except UnicodeEncodeError:
        raise UsageError("the message is not UTF-8: encode it so, or leave it out") from None
    # A newline is written after it, so that `cat` looks well, and is not part of it when it is read.
    message += b"\n" if message else b""
    if len(message) > LIMIT_BYTES:
        raise UsageError(
            f"the message has {len(message)} bytes with its newline, and may have {LIMIT_BYTES}: "
            "put large data into another file, and name that"
        )
    return path, message


def _run_command(command: list[str]) -> int:
    """Run it to its end and return its exit status, as a shell would say it."""
    # Costs 5 to 10 ms (it builds enums), hence only where it is needed.
    import signal

    told: list[int] = []
    child = 0

    def forward(number: int, _frame: object) -> None:
        told.append(number)
        # Ctrl-C reaches the whole foreground group: the child has had it from the terminal.
        if child and not (number in {signal.SIGINT, signal.SIGQUIT} and _in_foreground()):
            _send(child, number)

    forwarded = [
        number
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
        if signal.getsignal(number) != signal.SIG_IGN  # under nohup it is to stay ignored
    ]
    before = [(number, signal.signal(number, forward)) for number in forwarded]
    # Who ignores SIGCHLD, or inherited that, is not told how a child ended.
    before.append((signal.SIGCHLD, signal.signal(signal.SIGCHLD, signal.SIG_DFL)))
    # Python ignores these two for itself; a child would inherit that, and run on writing to a broken pipe.
    reset = [signal.SIGPIPE, signal.SIGXFSZ]
    try:
        child = os.posix_spawnp(command[0], command, os.environ, setsigdef=reset)
        if told:  # while there was no child yet
            _send(child, told[-1])
        # Only looked at, not collected yet: until the handlers are back its number cannot be another's.
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    except OSError as failure:
        say(sys.stderr, f"lifecycle trigger: {_why_not_run(command[0], failure)}\n")
        return NOT_FOUND if failure.errno == errno.ENOENT else CANNOT_RUN
    finally:
        for number, handler in before:
            signal.signal(number, handler)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 0 and told:
        say(
            sys.stderr,
            f"lifecycle trigger: told to end by signal {told[0]:d} while {command[0]} ran: nothing was written\n",
        )
        return 128 + told[0]
    return code if code >= 0 else 128 - code


def _send(child: int, number: int) -> None:
    try:
        os.kill(child, number)
    except OSError as failure:  # a child that has become another user
        say(
            sys.stderr,
            f"lifecycle trigger: signal {number:d} was not forwarded ({failure.strerror})\n",
        )


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def _why_not_run(name: str, failure: OSError) -> str:
    if failure.errno == errno.ENOENT:
        return f"{name} was not found, or the interpreter that its first line names: check PATH"
    if failure.errno == errno.ENOEXEC:
        return f"{name} is not a program: begin it with #! and its interpreter"
    return f"{name} cannot be run ({failure.strerror}): is it an executable file?"


def write(path: str, content: bytes) -> None:
    """Put the file there in one step: whoever looks sees nothing, what was there before, or all of it."""
    _check_place(path)
    # A symlink may lead to a volume that another container shares: what it points to is replaced, not the link.
    target = os.path.realpath(path)
    # Short and random: the file's own name may be as long as names can be, and two may run at once.
    temporary = os.path.join(os.path.dirname(target), f".lifecycle-{os.urandom(8).hex()}")  # noqa: PTH118, PTH120 - pathlib is half as large as this program's start
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            _fill(descriptor, content)
            os.rename(temporary, target)  # noqa: PTH104 - as above: no pathlib
        except BaseException:
            os.unlink(temporary)  # noqa: PTH108 - as above: no pathlib
            raise
    except OSError as failure:
        raise WriteError(_why_not_written(path, target, failure)) from failure


def _fill(descriptor: int, content: bytes) -> None:
    try:
        while content:
            content = content[os.write(descriptor, content) :]
        os.fsync(descriptor)  # some file systems rename before they write
    finally:
        os.close(descriptor)


def _check_place(path: str) -> None:
    """Refuse what a rename would fail on, or would destroy: as root, `trigger /dev/null` must not replace it."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - as above: no pathlib
    except (OSError, ValueError):
        return
    if not stat.S_ISREG(mode):
        kind = "a directory" if stat.S_ISDIR(mode) else "no regular file"
        raise WriteError(
            f"{path} cannot be written, because it is {kind}: remove it, or name another path"
        )


def _why_not_written(path: str, target: str, failure: OSError) -> str:
    directory = os.path.dirname(target)  # noqa: PTH120 - as above: no pathlib
    advice = {
        errno.ENOENT: f"there is no directory {directory}: make it first (mkdir -p {directory}), or mount the volume there",
        errno.ENOTDIR: f"{directory} is not a directory: name another path",
        errno.EACCES: f"user {os.geteuid()} may not write in {directory}: allow it, or name another path",
        errno.EPERM: f"user {os.geteuid()} may not replace it in {directory}: allow it, or name another path",
        errno.EROFS: f"{directory} is read-only: mount an emptyDir there, or name another path",
        errno.ENOSPC: f"no space is left in {directory}: make room, or raise the volume's sizeLimit",
        errno.EDQUOT: f"the quota of {directory} is used up: make room, or raise it",
    }.get(failure.errno or 0, f"{failure.strerror}: check the path and its volume")
    return f"{path} cannot be written: {advice}"
