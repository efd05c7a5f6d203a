"""`lifecycle serve module:app`: uvicorn's own options, and the lifecycle in charge of listening and leaving."""

import sys
from typing import Any

import click

OURS = ("lifespan", "timeout_graceful_shutdown", "timeout_worker_healthcheck")
"""Options of uvicorn's that have no place here: the lifecycle does it, or has a setting for it."""


def command() -> click.Command:
    """The command, with the options that the installed uvicorn has."""
    from uvicorn.main import main as uvicorn_command

    theirs = [parameter for parameter in uvicorn_command.params if parameter.name not in OURS]
    return click.Command(
        "serve",
        params=theirs,
        callback=serve,
        help=(
            "Serve APP (module:attribute) with uvicorn, dropping nothing when the pod is told to go. The options are"
            " uvicorn's own; the lifecycle is set by LIFECYCLE_* variables or in the application."
        ),
        short_help="Serve an ASGI application that drops nothing when it is told to go.",
    )


def serve(app: str, **options: Any) -> None:
    """Note SIGTERM, then import the application: a signal in between is not lost."""
    from lifecycle.runtime import EarlySignals

    early = EarlySignals()
    early.install(everywhere=True)
    from lifecycle.core import LifecycleError
    from lifecycle.server import run_application

    options = {name: value for name, value in options.items() if value not in (None, (), [])}
    if "headers" in options:
        options["headers"] = [tuple(header.split(":", 1)) for header in options["headers"]]
    try:
        sys.exit(run_application(app, early, **options))
    except LifecycleError as error:
        raise click.ClickException(str(error)) from None
