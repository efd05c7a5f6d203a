"""`lifecycle manifest --app module:life`: the part of the manifest that fits the application's own settings."""

import os
import shlex

import click

from lifecycle.cli._app_options import app_options
from lifecycle.cli._extra import Unusable, kube_extra
from lifecycle.cli._output import show, tell
from lifecycle.cli._parameters import flag, text, whole

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
  2  this command line is wrong, or the application cannot be imported,
     or its settings do not fit together
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
            whole("--port", most=65535, default=8000, what="Where the application listens."),
            flag("--https", what="The application listens for HTTPS there."),
            text(
                "--container",
                metavar="NAME",
                what="The container's name.  [default: that of --name, else app]",
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
            text(
                "--token-secret",
                metavar="NAME/KEY",
                what="The Secret that has the shutdown token.  [default: CONTAINER-shutdown/token]",
            ),
            flag("--patch", what="Print a strategic-merge patch, for kubectl patch and kustomize."),
            click.Option(
                ["--kind"],
                type=click.Choice(KINDS, case_sensitive=False),
                default=KINDS[0],
                metavar="KIND",
                help=f"What the patch is for: {', '.join(KINDS)}.  [default: {KINDS[0]}]",
            ),
            text(
                "--name", metavar="NAME", what="The name of what the patch is for.  [default: app]"
            ),
            flag(
                "--supervisor",
                what="With the supervisor as PID 1: its init container, volume, and CMD as its arguments.",
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
        tell(f"lifecycle manifest: {note}")
    show(stanza.text, what="the manifest")


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
