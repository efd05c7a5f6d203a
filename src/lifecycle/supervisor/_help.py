"""`--help`, from the tables of options, files, variables and exit statuses."""

from ._files import GIVEN, WRITTEN
from ._options import GROUPS
from ._signals import name_of
from ._statuses import MEANINGS
from ._system import cast

VERSION = "0.1.0"
USAGE = """\
usage: supervisor [OPTIONS] [--] CMD ARGS…
       supervisor install DESTINATION
       supervisor trigger [--message TEXT] FILE [-- CMD ARGS…]
       supervisor stop [--name NAME] [--state-dir DIR] [--pid PID] [--timeout DURATION]
       supervisor wait [--state-dir DIR] [--timeout DURATION] CONDITION…
       supervisor status [--state-dir DIR] [NAME…]
       supervisor signal [--state-dir DIR] NAME SIGNAL
       supervisor lint [OPTIONS] [--] CMD ARGS…

Runs a program and answers for it: signals, children, exit status, order in the pod, grace period.
Options end at the first word that is none. Each is also a variable, SUPERVISOR_GRACE_PERIOD=30s.
"""


def text() -> str:
    lines = [USAGE]
    for group, options in GROUPS.items():
        lines.append(f"{group}:")
        for option in options:
            short = f"-{option.short}, " if option.short else ""
            value, default = option.default, ""
            if isinstance(value, float) and value:
                default = f" [{value:g}]"
            elif isinstance(value, str):
                default = f" [{value}]"
            elif isinstance(value, tuple):
                signals = cast("tuple[int, ...]", value)
                default = f" [{','.join(map(name_of, signals))}]"
            lines.append(f"  {short}--{option.name} {option.metavar}".rstrip())
            lines.append(f"      {option.help}{default}")
        lines.append("")
    lines.append(
        "Files that it writes, aside and renamed into place; STATE is --state-dir, NAME --name:"
    )
    lines += [f"  {path}\n      {when}: {what}" for path, when, what in WRITTEN]
    lines.append("\nVariables that the program gets, beside its own and --wait-file-variable:")
    lines += [f"  {name}\n      {what}" for name, what in GIVEN]
    lines.append("")
    lines.append("Exit status: the program's own, or")
    lines += [f"  {status:3}  {meaning}" for status, meaning in MEANINGS.items()]
    return "\n".join(lines) + "\n"
