"""Start a process whose signals, terminal and parent are as the program expects them."""

from . import _markers
from ._errors import reason, write_line
from ._native import STATIC, die_with_parent, spawn
from ._signals import CONT, HUP, KILL
from ._statuses import INTERNAL, NOT_EXECUTABLE, NOT_FOUND
from ._system import TYPE_CHECKING, posix, signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._isolation import Isolation

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# An interpreter ignores these two from its start; a program that inherits that misses the end of its pipe.
# The static build is told to leave them alone: what is ignored there, the launcher ignored.
CHANGED_BY_PYTHON = () if STATIC else (signal.SIGPIPE, signal.SIGXFSZ)
ENOENT, ENOEXEC, EACCES, ENOTDIR = 2, 8, 13, 20
TERMINAL_LOST = 0x5422  # TIOCNOTTY in <asm-generic/ioctls.h>
TERMINAL_TAKEN = 0x540E  # TIOCSCTTY
# Where one of these is set, the child has to write its own number into it.
NUMBERED = {"LISTEN_PID", "WATCHDOG_PID"}


class Launch:
    """How the program's process differs from ours."""

    def __init__(self, mask: "set[int]", *, session: bool = False, isolated: bool = False) -> None:
        _fill_standard_descriptors()
        self.inherited = _open_descriptors()
        self.mask = mask
        self.session = session
        self.isolated = isolated
        self.foreground = True
        self.redirect: dict[int, int] = {}
        self.die_with_us = posix.getpid() != 1
        self.directory = _directory(".")

    def enter(self, path: str) -> None:
        """Something else is there now than when we began.

        Raises:
            OSError: It cannot be entered.
        """
        posix.close(self.directory)
        self.directory = _directory(path)


def _directory(path: str) -> int:
    # O_PATH: a directory may be entered by a user who may not read it.
    return posix.open(path, posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)


def _fill_standard_descriptors() -> None:
    """A launcher may have closed some of 0, 1 and 2. Then our lock must not become the place of our messages.

    The program finds them closed all the same.
    """
    for descriptor in range(3):
        try:
            posix.fstat(descriptor)
        except OSError:
            try:
                posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
            except OSError:
                return


def _open_descriptors() -> list[int]:
    """What the launcher left open beyond stdin, stdout and stderr: meant for the program."""
    try:
        return [int(name) for name in posix.listdir("/proc/self/fd") if int(name) > 2]
    except OSError:
        return []


def _candidates(program: str, environment: dict[str, str]) -> list[str]:
    if "/" in program:
        return [program]
    folders = environment.get("PATH", DEFAULT_PATH).split(":")
    return [f"{folder or '.'}/{program}" for folder in folders]


def exec_program(command: list[str], environment: dict[str, str]) -> "tuple[int, OSError]":
    """Only returns if nothing could be executed: with the status, and why. As execvp(3), without its libc."""
    found: OSError | None = None
    missing: OSError | None = None
    for candidate in _candidates(command[0], environment):
        try:
            posix.execve(candidate, command, environment)
        except OSError as failure:
            if failure.errno == ENOEXEC:
                # A script without `#!`: execvp(3) gives it to the shell, and so do its users expect.
                try:
                    posix.execve("/bin/sh", ["/bin/sh", candidate, *command[1:]], environment)
                except OSError:
                    found = failure
                    continue
            if failure.errno == ENOENT and _markers.is_there(candidate):
                # The kernel's word for it would send people to look for a file that is there.
                found = found or OSError(
                    ENOENT, "it is there, but not the interpreter or loader that it names"
                )
            elif failure.errno in (ENOENT, ENOTDIR):
                missing = missing or failure
            else:
                found = found or failure
    if found is not None:
        return NOT_EXECUTABLE, found
    return NOT_FOUND, missing or OSError(ENOENT, "No such file or directory")


def start(command: list[str], environment: dict[str, str], launch: Launch) -> int:
    """Execute it in a process of its own, whose id is returned. That it could not be, it says itself, with its status.

    Returns only when the program has replaced us in the child, so that `started` means that it started.

    Raises:
        OSError: The system refuses another process.
    """
    own = launch.session or launch.redirect or launch.isolated or NUMBERED & environment.keys()
    if STATIC and not own:
        pid = _spawn(command, environment, launch)
        if pid:
            return pid
    reading, writing = posix.pipe2(posix.O_CLOEXEC)
    terminal = launch.session and _give_up_terminal()
    isolation = _isolation() if launch.isolated else None
    try:
        pid = posix.fork()
    except OSError:
        posix.close(reading)
        posix.close(writing)
        raise
    if pid == 0:
        _execute(command, environment, launch, terminal=terminal, isolation=isolation)
    posix.close(writing)
    if isolation is not None:
        isolation.map_users(pid)
    posix.read(reading, 1)
    posix.close(reading)
    return pid


def _isolation() -> "Isolation":
    from ._isolation import Isolation

    return Isolation()


def _execute(
    command: list[str],
    environment: dict[str, str],
    launch: Launch,
    *,
    terminal: bool,
    isolation: "Isolation | None",
) -> None:
    status = 1
    try:
        if isolation is not None:
            # Before it asks for our death's signal, which a change of users takes back.
            isolation.enter()
        _become(launch, terminal=terminal)
        if "LISTEN_PID" in environment and "LISTEN_FDS" in environment:
            # Socket activation names the process that may take the sockets: that is no longer us.
            environment["LISTEN_PID"] = str(posix.getpid())
        if environment.get("WATCHDOG_PID") == "":
            environment["WATCHDOG_PID"] = str(posix.getpid())
        status, failure = exec_program(command, environment)
        write_line(f"cannot start {command[0]!r}: {reason(failure)}")
    except OSError as failure:
        write_line(f"cannot start {command[0]!r}: {reason(failure)}")
        status = NOT_EXECUTABLE
    except BaseException as failure:
        write_line(f"cannot start {command[0]!r}: {failure}")
        status = NOT_EXECUTABLE
    finally:
        posix._exit(status)


def _spawn(command: list[str], environment: dict[str, str], launch: Launch) -> int:
    """The same in C, without a copy of our memory, which would cost us a fault for every page that we write next.

    0 for whatever is not a plain program: a script without `#!`, a file that is not there, a NUL byte.
    """

    def encoded(texts: "Iterable[str]") -> list[bytes]:
        return [text.encode("utf-8", "surrogateescape") for text in texts]

    try:
        return spawn(
            encoded(_candidates(command[0], environment)),
            encoded(command),
            encoded(f"{name}={value}" for name, value in environment.items()),
            list(launch.mask),
            launch.directory,
            launch.foreground,
            launch.die_with_us,
        )
    except ValueError:
        return 0


def _become(launch: Launch, *, terminal: bool) -> None:
    if launch.session:
        posix.setsid()
        if terminal:
            _take_terminal()
    else:
        posix.setpgid(0, 0)
        if launch.foreground:
            give_terminal(posix.getpid())
    parent = posix.getppid()
    if launch.die_with_us and die_with_parent(KILL) and posix.getppid() != parent:
        posix._exit(1)  # It died before we asked to be told.
    for target, source in launch.redirect.items():
        posix.dup2(source, target)
    posix.fchdir(launch.directory)
    restore(launch.mask)


def restore(mask: "set[int]") -> None:
    """The signals as the launcher left them: dispositions first, then the mask.

    A signal that is already pending must meet the default when the mask opens; caught by Python's own handler
    it would be lost in the exec.
    """
    for number in CHANGED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def give_terminal(group: int) -> None:
    """The foreground is a matter of the terminal, if there is one: done by the child itself, as by a shell."""
    try:
        if posix.isatty(0) and posix.tcgetpgrp(0) != group:
            posix.tcsetpgrp(0, group)
    except OSError:
        pass  # Not ours to give: no controlling terminal, or another session's.


def _give_up_terminal() -> bool:
    """A new session can only take a terminal that no other session holds. The kernel answers with HUP and CONT."""
    if not posix.isatty(0):
        return False
    from fcntl import ioctl

    try:
        ioctl(0, TERMINAL_LOST)
    except OSError:
        return False
    if posix.getsid(0) == posix.getpid():
        for number in (HUP, CONT):
            # Those two are answers to us, and not for the program. Later ones are.
            signal.sigtimedwait([number], 0)
    return True


def _take_terminal() -> None:
    from fcntl import ioctl

    try:
        ioctl(0, TERMINAL_TAKEN, 0)
    except OSError:
        pass


def fork_worker(work: "Callable[[], int]", *, closing: "tuple[int, ...]" = ()) -> int:
    """Run a function that may block in a process of its own, so that the supervisor never does.

    `closing` are descriptors that must not live on there: above all the lock that tells others that we are alive.
    """
    parent = posix.getpid()
    pid = posix.fork()
    if pid:
        return pid
    status = INTERNAL
    try:
        for descriptor in closing:
            posix.close(descriptor)
        posix.setpgid(0, 0)
        die_with_parent(KILL)
        if posix.getppid() != parent:
            posix._exit(1)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        # A worker that copies output must see the error, in the static build, too.
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        status = work()
    except BaseException as failure:
        write_line(f"{type(failure).__name__}: {failure}")
    finally:
        posix._exit(status)
