"""What the same file does when it is called by a hook or an init container, and not by the pod's command.

A program of the same name is still run by `supervisor -- install …` or by its path.
"""

from . import _conditions, _control, _help, _markers, _specs
from ._errors import StateError, UsageError, reason, write_line
from ._install import install
from ._signals import number_of
from ._state import ENDED, look_at, names, namespace
from ._state_dir import DEFAULT
from ._statuses import CANNOT_WRITE, READINESS, UNAVAILABLE
from ._system import TYPE_CHECKING, posix, signal

if TYPE_CHECKING:
    from collections.abc import Callable

from time import monotonic, sleep

POLL_PERIOD = 0.01


class Call:
    """The words after a subcommand: its options, its arguments, and a command after `--`."""

    def __init__(
        self, words: list[str], variables: dict[str, str], allowed: tuple[str, ...]
    ) -> None:
        self.variables = variables
        self.command: list[str] = []
        if "--" in words:
            at = words.index("--")
            words, self.command = words[:at], words[at + 1 :]
        self.arguments: list[str] = []
        self.options: dict[str, str] = {}
        remaining = iter(words)
        for word in remaining:
            name, equals, value = word.partition("=")
            if not word.startswith("--"):
                self.arguments.append(word)
                continue
            if name not in allowed:
                raise UsageError(
                    f"unknown option {name!r}: allowed are {', '.join(allowed) or 'none'}"
                )
            if not equals:
                value = next(remaining, "")
            if not value:
                raise UsageError(f"{name} needs a value")
            self.options[name] = value

    def option(self, name: str) -> str | None:
        variable = "SUPERVISOR_" + name.strip("-").replace("-", "_").upper()
        return self.options.get(name) or self.variables.get(variable) or None

    def need(self, count: int, usage: str) -> None:
        if len(self.arguments) != count:
            raise UsageError(f"usage: supervisor {usage}")


def run(words: list[str], variables: dict[str, str], mask: "set[int]") -> int:
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for number in (signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    if words[0] == "lint":
        from ._lint import lint

        return lint(words[1:], variables)
    function, allowed = SUBCOMMANDS[words[0]]
    return function(Call(words[1:], variables, allowed))


def show(text: str) -> None:
    """Write what was asked for to the standard output.

    Raises:
        StateError: Its disk is full, or it is closed.
    """
    try:
        _markers.write_all(1, text.encode("utf-8", "surrogateescape"))
    except OSError as failure:
        raise StateError(
            f"cannot write to the standard output: {reason(failure)}", status=CANNOT_WRITE
        ) from None


def help_(call: Call) -> int:
    show(_help.text())
    return 0


def version(call: Call) -> int:
    show(f"supervisor {_help.VERSION}\n")
    return 0


def install_(call: Call) -> int:
    call.need(1, "install DESTINATION")
    return install(call.arguments[0])


def trigger(call: Call) -> int:
    """For an exec postStart hook: run the command, and say that it succeeded. Hooks may be run twice."""
    call.need(1, "trigger [--message TEXT] FILE [-- CMD ARGS…]")
    path = _markers.absolute(call.arguments[0])
    if _markers.is_folder(path):
        write_line(f"cannot write {path}: Is a directory")
        return CANNOT_WRITE
    if call.command:
        if _markers.is_there(path) and _conditions.written(path) >= _conditions.started_at(1):
            return 0  # An earlier run of the hook succeeded in this very container.
        pid = posix.fork()
        if pid == 0:
            _exec(call)
        status = posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])
        if status:
            return status if status > 0 else 128 - status
    try:
        # In an image from scratch there may be no /tmp.
        _markers.make_folders(_markers.parent(path))
        _markers.write(path, call.options.get("--message", ""))
    except OSError as failure:
        write_line(f"cannot write {path}: {reason(failure)}")
        return CANNOT_WRITE
    return 0


def _exec(call: Call) -> None:
    from ._child import exec_program
    from ._settings import remaining_environment

    status, failure = exec_program(call.command, remaining_environment(call.variables))
    write_line(f"cannot start {call.command[0]!r}: {reason(failure)}")
    posix._exit(status)


def stop(call: Call) -> int:
    """For an exec preStop hook: ask the supervisor to stop, and return when its program is gone.

    The kubelet's SIGTERM follows, and joins what has long begun: hook and signal are paid from one purse.
    """
    call.need(0, "stop [--name NAME] [--state-dir DIR] [--pid PID] [--timeout DURATION]")
    base = call.option("--state-dir") or DEFAULT
    name = call.option("--name")
    pid = _process_of(base, name) if name else 1
    if "--pid" in call.options:
        pid = _specs.count(call.options["--pid"])
    if pid == posix.getpid() or pid is None:
        write_line(f"no supervisor named {name!r} keeps its state in {base}")
        return READINESS
    patience = call.options.get("--timeout")
    until = monotonic() + (_specs.seconds(patience) if patience else 1e9)
    who = f"process {pid}" if pid else f"container {name}"
    try:
        if pid:
            posix.kill(pid, signal.SIGTERM)
        else:
            _control.send(f"{base}/{name}", "TERM")
    except OSError as failure:
        write_line(f"cannot reach {who}: {reason(failure)}")
        return READINESS
    while monotonic() < until:
        if _is_over(pid, base, name):
            return 0
        sleep(POLL_PERIOD)
    write_line(f"{who} still has something to stop after {patience}")
    return UNAVAILABLE


def _process_of(base: str, name: str) -> int | None:
    """Its number here; 0 in another container, whose process 1 is not ours; None if it does not live."""
    neighbour = look_at(base, name)
    pid = neighbour.status.get("pid")
    if not neighbour.alive or not isinstance(pid, int):
        return None
    there = neighbour.status.get("namespace")
    return pid if there in ("", None, namespace()) else 0


def _is_over(pid: int, base: str, name: str | None) -> bool:
    if name:
        neighbour = look_at(base, name)
        if neighbour.status.get("phase") == ENDED:
            return True
        if not pid:
            return neighbour.vanished
    children = _markers.read(f"/proc/{pid}/task/{pid}/children")
    return children is None or (not name and not children.strip())


def signal_(call: Call) -> int:
    """For a container's neighbours, to whom its process numbers mean nothing."""
    call.need(2, "signal [--state-dir DIR] NAME SIGNAL")
    base = call.option("--state-dir") or DEFAULT
    name, word = call.arguments
    number = number_of(word)
    try:
        _control.send(f"{base}/{_specs.name(name)}", str(number))
    except OSError as failure:
        write_line(f"no supervisor named {name!r} listens in {base}: {reason(failure)}")
        return READINESS
    return 0


def wait(call: Call) -> int:
    """As --after, for a script or an init container."""
    if not call.arguments or call.command:
        raise UsageError("usage: supervisor wait [--state-dir DIR] [--timeout DURATION] CONDITION…")
    base = call.option("--state-dir") or DEFAULT
    patience = call.options.get("--timeout")
    if patience:
        # SIGALRM would say nothing of the reason.
        signal.signal(signal.SIGALRM, _give_up)
        signal.setitimer(signal.ITIMER_REAL, max(_specs.seconds(patience), 0.001))
    for word in call.arguments:
        answer = _conditions.wait(_specs.condition(word), base)
        if answer.status:
            write_line(answer.text)
            return answer.status
    return 0


def _give_up(number: int, frame: object) -> None:
    write_line("what is waited for did not come in time")
    posix._exit(UNAVAILABLE)


def status(call: Call) -> int:
    """One line for each container that keeps its state here."""
    base = call.option("--state-dir") or DEFAULT
    for name in call.arguments or names(base):
        neighbour = look_at(base, name)
        phase = "killed without a word" if neighbour.vanished else neighbour.status.get("phase")
        ready = " ready" if neighbour.ready and neighbour.alive else ""
        code = neighbour.status.get("exit_status")
        ended = f" with {code}" if phase == ENDED else ""
        show(f"{name}: {phase or 'not started'}{ended}{ready}\n")
    return 0


SUBCOMMANDS: "dict[str, tuple[Callable[[Call], int], tuple[str, ...]]]" = {
    "--help": (help_, ()),
    "-h": (help_, ()),
    "--version": (version, ()),
    "-V": (version, ()),
    "install": (install_, ()),
    "trigger": (trigger, ("--message",)),
    "stop": (stop, ("--name", "--state-dir", "--pid", "--timeout")),
    "wait": (wait, ("--state-dir", "--timeout")),
    "status": (status, ("--state-dir",)),
    "signal": (signal_, ("--state-dir",)),
}
