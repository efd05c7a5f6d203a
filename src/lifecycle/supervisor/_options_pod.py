"""Options about what is around the program: other containers, probes, files, peers."""

from . import _specs as spec
from ._option import Option, flag

GROUPS: dict[str, tuple[Option, ...]] = {
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
        flag("until-all", "stop when all of --until came true, instead of the first"),
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
            spec.paths,
            "start when these files are there, separated by commas; PATH.err skips the program",
            repeat=True,
        ),
        flag("wait-file-content", "and when they are not empty"),
        flag("wait-file-fresh", "and when they were written after this container started"),
        Option(
            "wait-file-variable",
            "NAME",
            spec.variable,
            "give the program the content of the last --wait-file in this variable",
        ),
        Option(
            "post-file",
            "PATH",
            spec.text,
            "write this when the program succeeded, PATH.err when it did not",
        ),
        flag(
            "unordered-stop",
            "stop at once, even while containers that came `--after` this one are still stopping",
        ),
    ),
    "Readiness": (
        flag(
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
        flag("verbose", "say what is done", short="v"),
        flag("quiet", "say nothing but errors of usage"),
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
            "peer-quit", "URL", spec.url, "POST to this when the program has ended", repeat=True
        ),
        Option(
            "peer-timeout",
            "DURATION",
            spec.seconds,
            "how long a peer's answer is waited for",
            default=2.0,
        ),
        flag("peers-on-success", "tell peers to quit only if the program succeeded"),
    ),
}
