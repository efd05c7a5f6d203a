"""Where every form begins. Nothing is imported before the signals are ours."""

import gc
import sys

from ._native import STATIC, original_mask
from ._system import environment, posix, signal

MASK_VARIABLE = "SUPERVISOR_ORIGINAL_MASK"
# The words themselves, because the module that knows them is not needed to run a program.
TEKTON_SUBCOMMANDS = ("init", "cp", "step-init", "decode-script")
SUBCOMMANDS = (
    "--help",
    "-h",
    "--version",
    "-V",
    "install",
    "trigger",
    "stop",
    "wait",
    "status",
    "signal",
    "lint",
)


def main(words: list[str] | None = None) -> None:
    """Never returns: the process ends here, without the interpreter's own farewell."""
    # From here on a signal waits for us, instead of ending us or (as PID 1) getting lost.
    mask = {
        int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    }
    if STATIC:
        mask = set(original_mask())  # There they are blocked even before the interpreter starts.
    status = 70
    try:
        status = begin(sys.argv[1:] if words is None else words, environment(), mask)
    except BaseException as failure:
        from ._errors import write_line

        trail: list[str] = []
        trace = failure.__traceback__
        while trace is not None:
            trail.append(f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}")
            trace = trace.tb_next
        write_line(
            f"a defect of the supervisor: {type(failure).__name__}: {failure} (at {' '.join(trail)})"
        )
    # Through `os` where somebody imported it: a tool that measures us may have replaced it there.
    sys.modules.get("os", posix)._exit(status)


def begin(words: list[str], variables: dict[str, str], mask: "set[int]") -> int:
    from ._errors import SupervisorError, write_line

    try:
        return dispatch(words, variables, mask)
    except SupervisorError as failure:
        write_line(f"{failure}")
        return failure.status


def dispatch(words: list[str], variables: dict[str, str], mask: "set[int]") -> int:
    if MASK_VARIABLE in variables:
        mask = {int(number) for number in variables.pop(MASK_VARIABLE).split(",") if number}
    if words and words[0] in SUBCOMMANDS:
        from . import _subcommands

        return _subcommands.run(words, variables, mask)
    if words and words[0] in TEKTON_SUBCOMMANDS:
        from ._tekton_setup import subcommand

        status = subcommand(words)
        if status is not None:
            return status
    from ._dialect import choose
    from ._supervise import Supervision

    settings, dialect = choose(words, variables)
    supervision = Supervision(settings, dialect, variables, mask)
    # The static executable begins without: imports leave no garbage. What there is now stays, so it is not searched.
    gc.freeze()
    gc.enable()
    return supervision.run()
