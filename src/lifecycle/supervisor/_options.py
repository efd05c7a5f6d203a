"""Every option, once: the parser, `--help`, the environment and the reference page are read from this table."""

from . import _specs as spec
from ._signals import number_of
from ._system import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX = "SUPERVISOR_"


class Option:
    """`repeat` options are lists: given several times, or separated by commas in the environment."""

    __slots__ = ("default", "help", "metavar", "name", "parse", "repeat", "short")

    def __init__(
        self,
        name: str,
        metavar: str,
        parse: "Callable[[str], object]",
        help: str,  # noqa: A002 - as argparse calls it
        *,
        default: object = None,
        repeat: bool = False,
        short: str = "",
    ) -> None:
        self.name = name
        self.metavar = metavar
        self.parse = parse
        self.help = help
        self.default: object = list[object]() if repeat else default
        self.repeat = repeat
        self.short = short

    @property
    def attribute(self) -> str:
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        return PREFIX + self.attribute.upper()

    @property
    def is_flag(self) -> bool:
        return self.parse is spec.flag


def _flag(name: str, help: str, *, short: str = "") -> Option:  # noqa: A002 - as above
    return Option(name, "", spec.flag, help, default=False, short=short)


TARGETS = ("main", "group", "tree", "auto")
GROUPS: dict[str, tuple[Option, ...]] = {
    "Signals": (
        Option(
            "signal-to",
            "WHOM",
            spec.choice(*TARGETS),
            "who gets forwarded signals: the `main` process, its process `group`, the whole `tree`; `auto` is `group` for a shell, else `main`",
            default="main",
        ),
        Option(
            "rewrite",
            "FROM:TO",
            spec.rewrite,
            "forward another signal instead, such as TERM:QUIT; HUP:0 or HUP:drop loses it",
            repeat=True,
            short="r",
        ),
        Option(
            "delay",
            "SIG=DURATION",
            spec.delay,
            "forward a signal only after this time, such as TERM=5s",
            repeat=True,
        ),
        Option(
            "stop-on", "SIGNALS", spec.signals, "the signals that ask for a stop", default=(15, 2)
        ),
        Option(
            "stop-signal",
            "SIG",
            number_of,
            "what the program is sent instead of the signal that asked for the stop",
        ),
        Option(
            "second-signal",
            "POLICY",
            spec.choice("join", "escalate", "kill"),
            "a second request to stop `join`s the first, takes the next step of --escalate at once, or `kill`s",
            default="join",
        ),
        Option(
            "parent-death-signal",
            "SIG",
            number_of,
            "what the supervisor itself is sent when its parent dies",
            short="p",
        ),
        _flag("session", "run the program in a session of its own, with the terminal"),
    ),
    "Stopping": (
        Option(
            "grace-period",
            "DURATION",
            spec.seconds,
            "terminationGracePeriodSeconds of the pod: one purse for everything between the first request and the end",
            default=30.0,
        ),
        Option(
            "margin",
            "DURATION",
            spec.seconds,
            "kill this much before the grace period ends, so that markers are still written [1 s or 5 %, whichever is more]",
        ),
        Option(
            "pre-stop",
            "COMMAND|URL",
            spec.command,
            "run this, or GET this, before the program is told to stop",
        ),
        Option(
            "stop-with",
            "COMMAND|URL",
            spec.command,
            "run this, or GET this, instead of sending the signal, such as `nginx -s quit`; if it fails the signal is sent",
        ),
        Option(
            "escalate",
            "STEPS",
            spec.escalation,
            "what is sent, and for how long each is given, such as TERM:20s,INT:5s,KILL",
        ),
        Option(
            "survivors",
            "POLICY",
            spec.choice("stop", "wait", "leave"),
            "when the program has ended and left processes behind: `stop` them with TERM, just `wait` for them, or `leave` at once",
            default="stop",
        ),
        Option(
            "timeout",
            "DURATION",
            spec.seconds,
            "stop the program when it has run this long; 0 is for ever",
            default=0.0,
        ),
    ),
    "Exit status": (
        Option(
            "remap",
            "N=M",
            spec.remap,
            "exit with M where the program ended with N; N alone becomes 0",
            repeat=True,
            short="e",
        ),
        Option(
            "on-error",
            "POLICY",
            spec.choice("stop", "continue"),
            "`continue`: a failure is written down, but followers go on and the status is 0",
            default="stop",
        ),
        _flag("always-zero", "exit 0 whatever the program did; markers still tell the truth"),
        Option("retry", "N", spec.count, "start a failed program again, up to N times", default=0),
        Option(
            "retry-on", "STATUSES", spec.statuses, "only after these, such as 1,3,10-19 [any but 0]"
        ),
        Option(
            "retry-delay",
            "DURATION",
            spec.seconds,
            "wait before the first retry, twice as long before the next",
            default=1.0,
        ),
        Option(
            "retry-limit",
            "DURATION",
            spec.seconds,
            "the longest wait before a retry; a run that lasted longer starts the count anew",
            default=30.0,
        ),
    ),
    "Order": (
        Option(
            "name",
            "NAME",
            spec.name,
            "of this container in the pod: others wait for it, and its state is kept, under this name",
        ),
        Option(
            "state-dir",
            "DIR",
            spec.text,
            "the volume that the containers share [/var/run/wrapper/state]",
        ),
        Option(
            "after",
            "CONDITION",
            spec.condition,
            "start when NAME[:started|ready|success|exited|STATUSES], file:/path[:content], tcp://host:port or http://… is there",
            repeat=True,
        ),
        Option(
            "until",
            "CONDITION",
            spec.until,
            "stop when NAME ends, or when the other condition comes true",
            repeat=True,
        ),
        _flag("until-all", "stop when all of --until came true, instead of the first"),
        Option(
            "wait-timeout",
            "DURATION",
            spec.seconds,
            "how long --after and --wait-file are waited for; 0 is for ever",
            default=0.0,
        ),
        Option(
            "on-wait-timeout",
            "POLICY",
            spec.choice("fail", "start"),
            "then `fail`, or `start` the program all the same",
            default="fail",
        ),
        Option(
            "wait-file",
            "PATHS",
            spec.text,
            "start when these files are there, separated by commas; PATH.err skips the program",
            repeat=True,
        ),
        _flag("wait-file-content", "and when they are not empty"),
        _flag("wait-file-fresh", "and when they were written after this container started"),
        Option(
            "wait-file-variable",
            "NAME",
            spec.text,
            "give the program the content of the last --wait-file in this variable",
        ),
        Option(
            "post-file",
            "PATH",
            spec.text,
            "write this when the program succeeded, PATH.err when it did not",
        ),
        _flag(
            "unordered-stop",
            "stop at once, even while containers that came `--after` this one are still stopping",
        ),
    ),
    "Readiness": (
        _flag(
            "notify",
            "give the program a NOTIFY_SOCKET, and believe its READY=1, STOPPING=1 and so on",
        ),
        Option(
            "watchdog",
            "DURATION",
            spec.seconds,
            "with --notify: stop a program that does not send WATCHDOG=1 this often",
            default=0.0,
        ),
        Option(
            "ready-when", "CONDITION", spec.condition, "the program is ready when this came true"
        ),
        Option(
            "ready-file", "PATH", spec.text, "there while the program is ready: for an exec probe"
        ),
    ),
    "Output and record": (
        Option("stdout-path", "PATH", spec.text, "append the program's stdout to this file, too"),
        Option("stderr-path", "PATH", spec.text, "append the program's stderr to this file, too"),
        Option(
            "pipe-timeout",
            "DURATION",
            spec.seconds,
            "how long output is waited for that descendants still hold open",
            default=1.0,
        ),
        Option(
            "termination-path",
            "PATH",
            spec.text,
            "where the record goes, cut to 4096 bytes, unless the program wrote there itself [/dev/termination-log]",
        ),
        _flag("verbose", "say what is done", short="v"),
        _flag("quiet", "say nothing but errors of usage"),
    ),
    "Debugging and control": (
        Option("pause-before", "PATH", spec.text, "do not start before this file is there"),
        Option("pause-after", "PATH", spec.text, "do not leave before this file is there"),
        Option(
            "pause-on-failure",
            "PATH",
            spec.text,
            "as --pause-after, after a failure only; a number in the file becomes the exit status",
        ),
        Option(
            "cancel-file",
            "PATH",
            spec.text,
            "stop the program when this file is there and not empty",
        ),
        Option(
            "signal-file",
            "PATH",
            spec.text,
            "a signal written here is sent to the program, and the file removed",
        ),
    ),
    "Peers": (
        Option(
            "mesh",
            "NAME",
            spec.choice("istio", "linkerd"),
            "wait for this sidecar's readiness, and tell it to quit at the end",
        ),
        Option(
            "peer-quit", "URL", spec.text, "POST to this when the program has ended", repeat=True
        ),
        Option(
            "peer-timeout",
            "DURATION",
            spec.seconds,
            "how long a peer's answer is waited for",
            default=2.0,
        ),
        _flag("peers-on-success", "tell peers to quit only if the program succeeded"),
    ),
}
OPTIONS = tuple(option for group in GROUPS.values() for option in group)
BY_NAME = {f"--{option.name}": option for option in OPTIONS}
BY_SHORT = {f"-{option.short}": option for option in OPTIONS if option.short}
# tini and dumb-init know these; what they ask for is either always done here or another option.
COMPATIBLE: dict[str, tuple[tuple[str, str], ...]] = {
    "-s": (),
    "-w": (),
    "-g": (("--signal-to", "group"),),
    "-c": (("--signal-to", "main"),),
    "--single-child": (("--signal-to", "main"),),
}
