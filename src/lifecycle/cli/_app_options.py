"""The options that say which application, as every command has them that looks at one."""

import click

from lifecycle.cli._parameters import flag, seconds


def app_options(*, required: bool) -> list[click.Parameter]:
    return [
        click.Option(
            ["--app"],
            required=required,
            metavar="MODULE:NAME",
            help="The application, or its Lifecycle: package.module:app.",
        ),
        click.Option(
            ["--app-dir"],
            metavar="DIR",
            default="",
            help="Where the module is.  [default: this folder]",
        ),
        flag("--factory", what="NAME is a function that makes the application."),
        seconds("--app-timeout", least=0.1, most=3600, default=20, what="Seconds for the import."),
    ]
