"""Options about the program itself: what it is sent, how it is stopped, what its end means."""

from . import _specs as spec
from ._option import Option, flag
from ._signals import number_of

GROUPS: dict[str, tuple[Option, ...]] = {
    "Signals": (
        Option(
            "signal-to",
            "WHOM",
            spec.choice("main", "group", "tree", "auto"),
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
        flag("session", "run the program in a session of its own, with the terminal"),
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
        flag("always-zero", "exit 0 whatever the program did; markers still tell the truth"),
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
}
