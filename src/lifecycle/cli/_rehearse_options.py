"""What may be said to `lifecycle rehearse`."""

import json

import click

from lifecycle.cli._extra import kube_extra
from lifecycle.cli._output import show
from lifecycle.cli._parameters import (
    choice,
    file,
    flag,
    instead,
    number,
    seconds,
    text,
    texts,
    whole,
)


def options() -> list[click.Parameter]:
    """In the order of `--help`."""
    return [*_scene(), *_load(), *_pod(), *_reports()]


def _scene() -> list[click.Parameter]:
    return [
        click.Option(
            ["--scenario"],
            default="delete",
            show_default=True,
            metavar="NAME",
            help="What happens to the pod: --scenarios lists them.",
        ),
        flag("--all", "every", what="All scenarios that this pod can play, in turn."),
        instead(
            "--scenarios", "listing", show=_show_scenarios, what="List the scenarios, and exit."
        ),
        whole(
            "--runs",
            most=1000,
            default=1,
            what="Play it so often, and advise the delay and the grace period to set.",
        ),
        text("--workload", metavar="KIND/NAME", what="Which one, if there are several in FILE."),
        whole("--replicas", most=50, what="Pods of a rollout."),
    ]


def _load() -> list[click.Parameter]:
    return [
        number(
            "--rate",
            most=10000,
            default=20,
            what="Requests per second, half of them on new connections.",
        ),
        texts(
            "--path",
            "paths",
            default=["/"],
            metavar="PATH",
            what="What is asked for; several in turn.",
        ),
        texts("--ws", "websockets", metavar="PATH", what="WebSockets are held open here."),
        texts("--sse", "streams", metavar="PATH", what="Event streams are listened to here."),
        whole("--port", most=65535, what="Where requests go.  [default: the first port in FILE]"),
        seconds(
            "--lag",
            most=600,
            default=1,
            what="From the deletion of a pod until routers know: new connections come that long.",
        ),
    ]


def _pod() -> list[click.Parameter]:
    return [
        texts(
            "--run",
            "commands",
            metavar="[NAME=]COMMAND",
            what="What a container runs, in place of its image, command and args.",
        ),
        texts(
            "--env",
            "variables",
            metavar="NAME=VALUE",
            what="A variable for all containers, also in place of one from a Secret or ConfigMap.",
        ),
        texts(
            "--volume",
            "volumes",
            metavar="NAME=DIR",
            what="A directory, in place of a volume that is no emptyDir.",
        ),
        click.Option(
            ["--folder"],
            type=click.Path(exists=True, file_okay=False),
            default=".",
            help="Where commands are run.  [default: this folder]",
        ),
        texts(
            "--image-signal",
            "image_signals",
            metavar="[NAME=]SIGNAL",
            what="The STOPSIGNAL of a container's image, which a manifest does not show.  [default: SIGTERM]",
        ),
        flag(
            "--stop-signals",
            what="Heed lifecycle.stopSignal, as a cluster does with the feature gate ContainerStopSignals.",
        ),
        choice(
            "--isolation",
            among=["auto", "namespaces", "none"],
            default="auto",
            what="PID and mount namespaces: where allowed, or an error, or never.",
        ),
        number(
            "--speed",
            least=0.1,
            most=100,
            default=1,
            what="The pod's seconds in one on the wall; programs seem slower by as much.",
        ),
        seconds(
            "--start-within",
            least=1,
            most=3600,
            default=120,
            what="What is not ready by then will not be.",
        ),
        seconds("--slow", most=3600, default=30, what="How slow the start of slow-start is."),
    ]


def _reports() -> list[click.Parameter]:
    return [
        file("--html", "html_file", what="Write the report as one page that needs nothing else."),
        file("--json", "json_file", what="Write everything as JSON; its schema is --schema."),
        file(
            "--baseline",
            exists=True,
            what="Compare with an earlier --json: what got worse is exit status 1; --html sets both side by side.",
        ),
        flag("--logs", what="Show what the containers print."),
        flag("--quiet", "-q", what="Only what came of it; a line for each of several."),
        instead("--schema", show=_show_schema, what="Print the JSON schema of --json, and exit."),
    ]


def _show_scenarios() -> None:
    with kube_extra():
        from lifecycle.rehearse import SCENARIOS
    width = max(map(len, SCENARIOS))
    lines = [f"{scenario.name:<{width}}  {scenario.what}\n" for scenario in SCENARIOS.values()]
    show("".join(lines), what="the scenarios")


def _show_schema() -> None:
    with kube_extra():
        from lifecycle.rehearse import schema
    show(f"{json.dumps(schema(), indent=2)}\n", what="the schema")
