"""Every command but the two that must start at once, which are only listed here; see `_main.py`."""

import difflib
import errno
import sys
from collections.abc import Callable
from typing import Any

import click

from lifecycle.cli import _check, _manifest, _rehearse, _serve, _stop, _trigger
from lifecycle.cli._extra import INTERRUPTED
from lifecycle.cli._streams import say, silence

LAZY: dict[str, Callable[[], click.Command]] = {
    "check": _check.command,
    "manifest": _manifest.command,
    "rehearse": _rehearse.command,
    "serve": _serve.command,
}
"""Commands that import what they are about when they are asked for: a server, a reader of manifests."""


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *LAZY])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in LAZY:
            return LAZY[cmd_name]()
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        near = difflib.get_close_matches(args[0], known, n=1)
        # A shell that asks for completions wants no errors.
        if near and args[0] not in known and not ctx.resilient_parsing:
            ctx.fail(f"there is no command {args[0]!r}: did you mean {near[0]}?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            # click would exit with 1, which is what a command found, or that something failed.
            ctx.exit(INTERRUPTED)


@click.group(
    cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(None, "--version", package_name="managed-lifecycle", prog_name="lifecycle")
def commands() -> None:
    """Let an application live through the life of its pod."""


class _Forwarded(click.Command):
    """A command with a parser of its own, which gets its words untouched."""

    def __init__(self, name: str, run: Callable[[list[str]], int], summary: str) -> None:
        super().__init__(name, short_help=summary, add_help_option=False)
        self._run = run

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.args = args
        return args

    def invoke(self, ctx: click.Context) -> None:
        ctx.exit(self._run(ctx.args))


def _supervise(words: list[str]) -> int:
    from lifecycle.supervisor import main

    main(words)  # does not return
    return 0


commands.add_command(_Forwarded("stop", _stop.run, _stop.SUMMARY))
commands.add_command(_Forwarded("supervise", _supervise, "Run a program as its init: PID 1."))
commands.add_command(_Forwarded("trigger", _trigger.run, _trigger.SUMMARY))


def run(words: list[str]) -> int:
    """Run a command line and return its exit status, with click's own handling of errors."""
    try:
        commands.main(words, prog_name="lifecycle")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except OSError as error:
        # The commands say what they cannot write; `--help` and `--version` are click's.
        if error.errno != errno.ENOSPC:
            raise
        silence(sys.stdout)
        say(sys.stderr, f"Error: this cannot be written: {error.strerror}\n")
        return 2
