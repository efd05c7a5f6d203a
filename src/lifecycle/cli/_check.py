"""`lifecycle check FILE… | -`: what is wrong with a manifest, before a pod finds out."""

import dataclasses
import os
import sys
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Any

import click

from lifecycle.cli._app_options import app_options
from lifecycle.cli._extra import Unusable, kube_extra
from lifecycle.cli._input import read_file
from lifecycle.cli._output import show, tell
from lifecycle.cli._parameters import choice, flag, text, texts

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
            choice(
                "--format",
                "style",
                among=FORMATS,
                default="text",
                what="text for people; json; sarif for code scanning; github for its log.",
            ),
            texts(
                "--select",
                metavar="IDS",
                what="Only these rules: ids or their beginnings, such as LC2 or LC101,LC3.",
            ),
            texts(
                "--ignore",
                metavar="IDS",
                what="Not these rules. Of --select and --ignore the more exact one counts.",
            ),
            *app_options(required=False),
            text(
                "--container",
                metavar="NAME",
                what="The container that the application is in.  [default: the one whose command names MODULE]",
            ),
            flag("--rules", "list_rules", what="List all rules, and exit."),
            text(
                "--explain",
                metavar="ID",
                what="Say what a rule sees, why and what to do, and exit.",
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
        show(_rules(explain), what="the rules")
        return
    if not files:
        raise click.UsageError("which FILE? For standard input, write: lifecycle check -")
    read: list[Manifest] = []
    errors: list[ManifestError] = []
    for file in files:
        try:
            read.append(read_file(file))
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
    colours = False if os.environ.get("NO_COLOR") else None
    show(findings_as(style, outcome, paint=_painted), what="the findings", colours=colours)
    if style in ("text", "github"):
        _tell_rest(manifest, errors if style == "text" else [], summary(outcome))
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
    load = partial(load_facts, target, app_dir=app_dir, factory=factory, timeout=timeout)
    try:
        pod = environment_for(manifest, AppFacts(target=target, container=container))
        try:
            # What the pod sets is judged later, by a rule that knows where it stands.
            plain = {name: value for name, value in pod.items() if not _is_setting(name)}
            facts = load(environment={**own, **plain})
        except SettingsError:
            # It may be that the code makes sense only together with these.
            facts = load(environment={**own, **pod})
    except SettingsError as error:
        raise Unusable(str(error)) from None
    return dataclasses.replace(facts, container=container)


def _is_setting(name: str) -> bool:
    return name.startswith("LIFECYCLE_")


def _split(words: tuple[str, ...]) -> list[str]:
    return [one.strip().upper() for word in words for one in word.split(",") if one.strip()]


def _painted(severity: "Severity", text: str) -> str:
    colour = {"error": "red", "warning": "yellow"}.get(severity, "cyan")
    return click.style(text, fg=colour, bold=severity == "error")


def _tell_rest(manifest: "Manifest", errors: list[Any], sentence: str) -> None:
    """What is no finding goes to standard error."""
    from lifecycle.kube import printable

    for error in errors:
        tell(f"lifecycle check: {printable(str(error))}")
    names = [name for name, _ in manifest.passed_over]
    if names:
        shown = ", ".join(names[:5]) + (", …" if len(names) > len(names[:5]) else "")
        tell(f"lifecycle check: passed over, as no pod is in it: {printable(shown)}")
    tell(f"lifecycle check: {sentence}")


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
