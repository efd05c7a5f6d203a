"""Every file that is written, and every variable that the program is given: for `--help` and the reference page.

STATE is --state-dir, NAME is --name. A test starts a container and finds what is here, and nothing else.
"""

WRITTEN: "tuple[tuple[str, str, str], ...]" = (
    (
        "STATE/NAME/lock",
        "at the start",
        "nothing: locked with flock as long as the container lives",
    ),
    (
        "STATE/NAME/status.json",
        "at every change",
        "attempt, phase (waiting, running, stopping, ended), ready, exit_status, pid, namespace, program_pid, after, boot, since, changed; what the program says as STATUS is status",
    ),
    (
        "STATE/NAME/signal",
        "while it lives",
        "a FIFO for whoever shares the volume, as the same user or in its group: signals by name or number, a line each",
    ),
    ("STATE/NAME/record.json", "at the end", "what happened, whole"),
    ("STATE/NAME/exitcode", "at the end", "the exit status in digits"),
    ("POST-FILE", "at the end", "by --post-file, after success: the exit status in digits"),
    ("POST-FILE.err", "at the end", "by --post-file, after failure or if never started: the same"),
    ("POST-FILE.lock", "at the start", "nothing: locked, as above"),
    ("READY-FILE", "while ready", "by --ready-file: it is there, or it is not"),
    ("STDOUT-PATH", "while it runs", "by --stdout-path: appended, parents made"),
    ("STDERR-PATH", "while it runs", "by --stderr-path: the same"),
    (
        "/dev/termination-log",
        "at the end",
        "the record, cut to 4096 bytes, unless the program wrote there; --termination-path names another",
    ),
)

GIVEN: "tuple[tuple[str, str], ...]" = (
    ("NOTIFY_SOCKET", "with --notify: where READY=1 is heard"),
    ("WATCHDOG_USEC", "with --watchdog: how often WATCHDOG=1 is expected"),
    ("WATCHDOG_PID", "with --watchdog: the program's own number"),
    ("LISTEN_PID", "its own number, if the supervisor was given sockets (LISTEN_FDS)"),
)
