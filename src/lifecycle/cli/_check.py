"""`lifecycle check FILE… | -`: what is wrong with a manifest, before a pod finds out."""

import dataclasses
import os
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any

import click

from lifecycle.cli._extra import Unusable, kube_extra
from lifecycle.cli._manifest import app_options

if TYPE_CHECKING:
    from lifecycle.kube import AppFacts, Manifest, Severity

FORMATS = ("text", "json", "sarif", "github")
HELP = """
Find in a manifest what a container's life will suffer from: hooks that cannot work, a grace period that does not
suffice, probes that kill what is only busy, signals that do not arrive.

FILE is YAML or JSON with any number of objects, `-` is standard input: what kustomize, helm template or
kubectl get -o json print. Pods, and what makes pods, are looked at; other kinds are passed over.

\b
Exit status: 0 nothing found, or only information
             1 errors or warnings
             2 a file that cannot be read, or is no manifest
"""


def command() -> click.Command:
    """The command with its options; rules and PyYAML are imported when it runs."""
    return click.Command(
        "check",
        params=[
            click.Argument(["files"], nargs=-1, metavar="FILE…", type=click.Path()),
            click.Option(
                ["--format", "style"],
                type=click.Choice(FORMATS),
                default="text",
                show_default=True,
                help="text for people; json; sarif for code scanning; github for its log.",
            ),
            click.Option(
                ["--select"],
                multiple=True,
                metavar="IDS",
                help="Only these rules: ids or their beginnings, such as LC2 or LC101,LC3.",
            ),
            click.Option(
                ["--ignore"],
                multiple=True,
                metavar="IDS",
                help="Not these rules. Of --select and --ignore the more exact one counts.",
            ),
            *app_options(required=False),
            click.Option(
                ["--container"],
                metavar="NAME",
                help="The container that the application is in.  [default: the one whose command names MODULE]",
            ),
            click.Option(["--rules", "list_rules"], is_flag=True, help="List all rules, and exit."),
            click.Option(
                ["--explain"],
                metavar="ID",
                help="Say what a rule sees, why and what to do, and exit.",
            ),
        ],
        callback=check,
        help=HELP,
        short_help="Find what a pod's manifest makes its containers suffer from.",
    )


def check(
    files: tuple[str, ...],
    *,
    style: str,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    list_rules: bool,
    explain: str | None,
    app: str | None,
    container: str | None,
    app_dir: str,
    factory: bool,
    app_timeout: float,
) -> None:
    """Read, judge, print, and exit with what it means."""
    with kube_extra():
        from lifecycle.kube import Manifest, Outcome, findings_as, summary
        from lifecycle.kube import check as judge
    from lifecycle.core import ManifestError, SettingsError

    if list_rules or explain:
        click.echo(_rules(explain), nl=False)
        return
    if not files:
        raise click.UsageError("which FILE? For standard input, write: lifecycle check -")
    read: list[Manifest] = []
    errors: list[ManifestError] = []
    for file in files:
        try:
            read.append(_read(file))
        except ManifestError as error:
            errors.append(error)
    manifest = Manifest.joined(read)
    facts = None
    if app is not None:
        facts = _facts(manifest, app, container, app_dir, factory=factory, timeout=app_timeout)
    try:
        found = judge(manifest, app=facts, select=_split(select), ignore=_split(ignore))
    except SettingsError as error:
        raise click.UsageError(str(error)) from None
    outcome = Outcome(
        manifest=manifest,
        findings=found,
        errors=errors,
        version=metadata.version("managed-lifecycle"),
    )
    _show(findings_as(style, outcome, paint=_painted))
    if style in ("text", "github"):
        _tell(manifest, errors if style == "text" else [], summary(outcome))
    sys.exit(outcome.status)


def _facts(
    manifest: "Manifest",
    target: str,
    container: str | None,
    app_dir: str,
    *,
    factory: bool,
    timeout: float,
) -> "AppFacts":
    """The application, as it is in its container: with the variables of the manifest, and none of ours."""
    from lifecycle.cli._app_facts import load_facts
    from lifecycle.core import SettingsError
    from lifecycle.kube import AppFacts, environment_for

    own = {name: value for name, value in os.environ.items() if not _is_setting(name)}
    try:
        pod = environment_for(manifest, AppFacts(target=target, container=container))
        try:
            # What the pod sets is judged later, by a rule that knows where it stands.
            plain = {name: value for name, value in pod.items() if not _is_setting(name)}
            facts = load_facts(
                target,
                environment={**own, **plain},
                app_dir=app_dir,
                factory=factory,
                timeout=timeout,
            )
        except SettingsError:
            # It may be that the code makes sense only together with these.
            facts = load_facts(
                target,
                environment={**own, **pod},
                app_dir=app_dir,
                factory=factory,
                timeout=timeout,
            )
    except SettingsError as error:
        raise Unusable(str(error)) from None
    return dataclasses.replace(facts, container=container)


def _is_setting(name: str) -> bool:
    return name.startswith("LIFECYCLE_")


def _split(words: tuple[str, ...]) -> list[str]:
    return [one.strip().upper() for word in words for one in word.split(",") if one.strip()]


def _read(file: str) -> "Manifest":
    from lifecycle.core import ManifestError
    from lifecycle.kube import MAX_BYTES, read_manifest

    name = "<stdin>" if file == "-" else os.fsencode(file).decode("utf-8", "replace")
    try:
        with click.open_file(file, "rb") as stream:
            source: bytes = stream.read(MAX_BYTES + 1)
    except IsADirectoryError:
        raise ManifestError(
            f"it is a directory: give the files in it, {name.rstrip('/')}/*.yaml", file=name
        ) from None
    except OSError as error:
        raise ManifestError(f"it cannot be read: {error.strerror}", file=name) from None
    manifest = read_manifest(source, name)
    if not manifest.objects:
        raise ManifestError(
            "there is nothing in it: did the command before this one print a manifest?", file=name
        )
    return manifest


def _show(text: str) -> None:
    colours = False if os.environ.get("NO_COLOR") else None
    # Names in a manifest are in any alphabet, and a terminal is not. What captures output may not know how.
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    try:
        click.echo(text, nl=False, color=colours)
    except BrokenPipeError:
        raise  # click ends quietly then: whoever reads has seen enough
    except OSError as error:
        raise Unusable(f"the findings cannot be written: {error.strerror}") from None


def _painted(severity: "Severity", text: str) -> str:
    colour = {"error": "red", "warning": "yellow"}.get(severity, "cyan")
    return click.style(text, fg=colour, bold=severity == "error")


def _tell(manifest: "Manifest", errors: list[Any], sentence: str) -> None:
    """What is no finding goes to standard error."""
    from lifecycle.kube import printable

    for error in errors:
        click.echo(f"lifecycle check: {printable(str(error))}", err=True)
    names = [name for name, _ in manifest.passed_over]
    if names:
        shown = ", ".join(names[:5]) + (", …" if len(names) > len(names[:5]) else "")
        click.echo(
            f"lifecycle check: passed over, as no pod is in it: {printable(shown)}", err=True
        )
    click.echo(f"lifecycle check: {sentence}", err=True)


def _rules(explain: str | None) -> str:
    from lifecycle.kube import RULES

    if explain is None:
        return "".join(f"{rule.id}  {rule.severity:<7}  {rule.title}\n" for rule in RULES)
    for rule in RULES:
        if rule.id == explain.upper():
            return (
                f"{rule.id} {rule.severity}: {rule.title}\n\nSees: {rule.sees}\n\nWhy: {rule.why}\n\n"
                f"Fix: {rule.fix}.\n\nSource: {rule.source}\n"
            )
    raise click.UsageError(f"no rule is called {explain}: lifecycle check --rules lists all")
