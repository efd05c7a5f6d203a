"""`lifecycle manifest --app module:life`: the part of the manifest that fits the application's own settings."""

import os
import shlex
import sys

import click

from lifecycle.cli._extra import Unusable, kube_extra

HELP = """\
Print the part of a manifest that fits the application's own settings: grace period, hooks, probes, and the variables that
have to agree, each with its reason.

The application is imported (in a process of its own) with the LIFECYCLE_* variables that are set here, so

\b
  LIFECYCLE_GRACE_PERIOD=60 lifecycle manifest --app shop:app

is a manifest for 60 s. CMD is the program that the supervisor is to run.

\b
Exit status:
  0  printed
  2  this command line is wrong, or the application cannot be imported, or its settings do not fit together
"""

KINDS = ("Deployment", "StatefulSet", "DaemonSet")


def command() -> click.Command:
    """The command, with its options."""
    return click.Command(
        "manifest",
        callback=manifest,
        help=HELP,
        short_help="Print the part of a manifest that fits an application.",
        params=[
            *app_options(required=True),
            click.Option(
                ["--port"],
                type=click.IntRange(1, 65535),
                default=8000,
                show_default=True,
                help="Where the application listens.",
            ),
            click.Option(
                ["--https"], is_flag=True, help="The application listens for HTTPS there."
            ),
            click.Option(
                ["--container"],
                metavar="NAME",
                help="The container's name.  [default: that of --name, else app]",
            ),
            click.Option(
                ["--hooks"],
                type=click.Choice(["exec", "http"]),
                help="How preStop asks for the stop.  [default: exec: it needs no network, keeps the token in the container,"
                " and its failure is seen]",
            ),
            click.Option(
                ["--post-start"],
                metavar="COMMAND",
                default="",
                help="What the postStart hook runs before it writes the trigger file, in one word:"
                " --post-start './warm-up --all'",
            ),
            click.Option(
                ["--token-secret"],
                metavar="NAME/KEY",
                help="The Secret that has the shutdown token.  [default: CONTAINER-shutdown/token]",
            ),
            click.Option(
                ["--patch"],
                is_flag=True,
                help="Print a strategic-merge patch, for kubectl patch and kustomize.",
            ),
            click.Option(
                ["--kind"],
                type=click.Choice(KINDS, case_sensitive=False),
                default=KINDS[0],
                metavar="KIND",
                help=f"What the patch is for: {', '.join(KINDS)}.  [default: {KINDS[0]}]",
            ),
            click.Option(
                ["--name"],
                metavar="NAME",
                help="The name of what the patch is for.  [default: app]",
            ),
            click.Option(
                ["--supervisor"],
                is_flag=True,
                help="With the supervisor as PID 1: its init container, volume, and CMD as its arguments.",
            ),
            click.Option(
                ["--supervisor-image"],
                metavar="IMAGE",
                default="supervisor",
                show_default=True,
                help="The image that has the supervisor.",
            ),
            click.Argument(["cmd"], nargs=-1, type=click.UNPROCESSED),
        ],
        context_settings={"allow_interspersed_args": True},
    )


def app_options(*, required: bool) -> list[click.Parameter]:
    """The options that say which application, as every command has them that looks at one."""
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
        click.Option(
            ["--factory"], is_flag=True, help="NAME is a function that makes the application."
        ),
        click.Option(
            ["--app-timeout"],
            type=click.FloatRange(min=0.1, max=3600),
            metavar="SECONDS",
            default=20,
            show_default=True,
            help="Seconds for the import.",
        ),
    ]


def manifest(
    app: str,
    *,
    app_dir: str,
    factory: bool,
    app_timeout: float,
    container: str | None,
    name: str | None,
    kind: str,
    patch: bool,
    post_start: str,
    token_secret: str | None,
    cmd: tuple[str, ...],
    port: int,
    https: bool,
    hooks: str | None,
    supervisor: bool,
    supervisor_image: str,
) -> None:
    """Load the application, and write what fits it."""
    with kube_extra():
        from lifecycle.cli._app_facts import load_facts
        from lifecycle.kube import Wishes, write_stanza
    from lifecycle.core import SettingsError

    own = container or name or "app"
    environment = dict(os.environ)
    try:
        facts = load_facts(
            app, environment=environment, app_dir=app_dir, factory=factory, timeout=app_timeout
        )
        stanza = write_stanza(
            facts,
            environment,
            Wishes(
                container=own,
                port=port,
                https=https,
                hooks=hooks,
                post_start=_words(post_start),
                token_secret=_secret(token_secret, own),
                supervisor=supervisor,
                supervisor_image=supervisor_image,
                command=cmd,
                patch=(kind, name or "app") if patch else None,
            ),
        )
    except SettingsError as error:
        raise Unusable(str(error)) from None
    for note in stanza.notes:
        click.echo(f"lifecycle manifest: {note}", err=True)
    sys.stdout.write(stanza.text)


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise click.UsageError(
            f"--post-start {text!r} is no command ({error}): check its quotes"
        ) from None


def _secret(text: str | None, container: str) -> tuple[str, str]:
    if text is None:
        return f"{container}-shutdown", "token"
    name, _, key = text.partition("/")
    if not name or not key:
        raise click.UsageError(f"--token-secret {text!r}: write NAME/KEY")
    return name, key
