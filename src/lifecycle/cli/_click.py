"""Every command but the two that must start at once, which are only listed here; see `_main.py`."""

from collections.abc import Callable

import click

from lifecycle.cli import _check, _manifest, _rehearse, _serve, _stop, _trigger

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
    """Run a command line and return its exit status, with click's own handling of errors and Ctrl-C."""
    try:
        commands.main(words, prog_name="lifecycle")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
