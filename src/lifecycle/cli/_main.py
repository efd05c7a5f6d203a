"""Where a command line goes.

`stop` and `trigger` are what hooks run, inside the grace period and while a pod waits for its start, and
`supervise` is what a pod runs as PID 1. They must begin at once, so they are the standard library alone, and are
looked for before click is loaded.
"""

import sys


def main(words: list[str] | None = None) -> int:
    """Run `lifecycle WORDS…` and return its exit status."""
    if words is None:
        words = sys.argv[1:]
    try:
        match words:
            case ["stop", *rest]:
                from lifecycle.cli import _stop

                return _stop.run(rest)
            case ["trigger", *rest]:
                from lifecycle.cli import _trigger

                return _trigger.run(rest)
            case ["supervise", *rest]:
                from lifecycle.supervisor import main as supervise

                supervise(rest)  # does not return
                return 0
            case _:
                from lifecycle.cli import _click

                return _click.run(words)
    except KeyboardInterrupt:
        return 128 + 2  # as a shell says it: 128 and SIGINT
