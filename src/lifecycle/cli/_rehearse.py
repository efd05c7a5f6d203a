"""`lifecycle rehearse FILE`: play the kubelet to real local processes, under load, and say what was lost."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lifecycle.cli._extra import Unusable, kube_extra

if TYPE_CHECKING:
    from lifecycle.kube import Workload
    from lifecycle.rehearse import LocalOptions, Machine, Options, Result, Watch

INTERRUPTED = 128 + 2
"""As a shell says it: 128 and SIGINT."""
HELP = """
Play a pod's life here, with real processes: hooks, probes, signals and the grace period as a kubelet 1.36 has them,
under load, and say what was lost and why.

FILE is a manifest with one pod in it, or something that makes pods; `-` is standard input. No container image is
used: what an image hides is said with --run. Nothing is left behind, after Ctrl-C either.

\b
  lifecycle rehearse pod.yaml --run web="uvicorn app:app --host 0.0.0.0 --port 8080"
  lifecycle rehearse deployment.yaml --scenario rollout --html report.html
  lifecycle rehearse pod.yaml --all --json now.json --baseline before.json

\b
Exit status: 0 all promises kept
             1 a promise broken, or something worse than in the baseline
             2 a file that cannot be read, or a pod that cannot be played here
"""


def command() -> click.Command:
    """The command with its options; what plays is imported when it runs."""
    return click.Command(
        "rehearse",
        params=[
            click.Argument(["file"], metavar="FILE"),
            *_scene(),
            *_load(),
            *_pod(),
            *_reports(),
        ],
        callback=run,
        help=HELP,
        short_help="Play a pod's life here, under load, and say what was lost.",
    )


def _scene() -> list[click.Parameter]:
    return [
        click.Option(
            ["--scenario"],
            default="delete",
            show_default=True,
            metavar="NAME",
            help="What happens to the pod: --scenarios lists them.",
        ),
        click.Option(
            ["--all", "every"], is_flag=True, help="All scenarios that this pod can play, in turn."
        ),
        click.Option(
            ["--scenarios", "listing"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_list_scenarios,
            help="List the scenarios, and exit.",
        ),
        click.Option(
            ["--runs"],
            type=click.IntRange(1, 1000),
            default=1,
            show_default=True,
            metavar="N",
            help="Play it so often, and advise the delay and the grace period to set.",
        ),
        click.Option(
            ["--workload"], metavar="KIND/NAME", help="Which one, if there are several in FILE."
        ),
        click.Option(
            ["--replicas"], type=click.IntRange(1, 50), metavar="N", help="Pods of a rollout."
        ),
    ]


def _load() -> list[click.Parameter]:
    return [
        click.Option(
            ["--rate"],
            type=click.FloatRange(0, 10000),
            default=20,
            show_default=True,
            metavar="N",
            help="Requests per second, half of them on new connections.",
        ),
        click.Option(
            ["--path", "paths"],
            multiple=True,
            default=["/"],
            show_default=True,
            metavar="PATH",
            help="What is asked for; several in turn.",
        ),
        click.Option(
            ["--ws", "websockets"],
            multiple=True,
            metavar="PATH",
            help="WebSockets are held open here.",
        ),
        click.Option(
            ["--sse", "streams"],
            multiple=True,
            metavar="PATH",
            help="Event streams are listened to here.",
        ),
        click.Option(
            ["--port"],
            type=click.IntRange(1, 65535),
            metavar="N",
            help="Where requests go.  [default: the first port in FILE]",
        ),
        click.Option(
            ["--lag"],
            type=click.FloatRange(0, 600),
            default=1,
            show_default=True,
            metavar="SECONDS",
            help="From the deletion of a pod until routers know: new connections come that long.",
        ),
    ]


def _pod() -> list[click.Parameter]:
    return [
        click.Option(
            ["--run", "commands"],
            multiple=True,
            metavar="[NAME=]COMMAND",
            help="What a container runs, in place of its image, command and args.",
        ),
        click.Option(
            ["--env", "variables"],
            multiple=True,
            metavar="NAME=VALUE",
            help="A variable for all containers, also in place of one from a Secret or ConfigMap.",
        ),
        click.Option(
            ["--volume", "volumes"],
            multiple=True,
            metavar="NAME=DIR",
            help="A directory, in place of a volume that is no emptyDir.",
        ),
        click.Option(
            ["--folder"],
            type=click.Path(exists=True, file_okay=False),
            default=".",
            help="Where commands are run.  [default: this folder]",
        ),
        click.Option(
            ["--isolation"],
            type=click.Choice(["auto", "namespaces", "none"]),
            default="auto",
            show_default=True,
            help="PID and mount namespaces: where allowed, or an error, or never.",
        ),
        click.Option(
            ["--speed"],
            type=click.FloatRange(0.1, 100),
            default=1,
            show_default=True,
            metavar="N",
            help="The pod's seconds in one on the wall; programs seem slower by as much.",
        ),
        click.Option(
            ["--start-within"],
            type=click.FloatRange(1, 3600),
            default=120,
            show_default=True,
            metavar="SECONDS",
            help="What is not ready by then will not be.",
        ),
        click.Option(
            ["--slow"],
            type=click.FloatRange(0, 3600),
            default=30,
            show_default=True,
            metavar="SECONDS",
            help="How slow the start of slow-start is.",
        ),
    ]


def _reports() -> list[click.Parameter]:
    return [
        click.Option(
            ["--html", "html_file"],
            type=click.Path(dir_okay=False),
            metavar="FILE",
            help="Write the report as one page that needs nothing else.",
        ),
        click.Option(
            ["--json", "json_file"],
            type=click.Path(dir_okay=False),
            metavar="FILE",
            help="Write everything as JSON; its schema is --schema.",
        ),
        click.Option(
            ["--baseline"],
            type=click.Path(exists=True, dir_okay=False),
            metavar="FILE",
            help="Compare with an earlier --json: what got worse is exit status 1; --html sets both side by side.",
        ),
        click.Option(["--logs"], is_flag=True, help="Show what the containers print."),
        click.Option(["--quiet", "-q"], is_flag=True, help="Only what came of it."),
        click.Option(
            ["--schema"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_schema,
            help="Print the JSON schema of --json, and exit.",
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is not the rehearsal's own."""

    baseline: "Mapping[str, Result]"
    json_file: str | None
    html_file: str | None
    logs: bool
    quiet: bool


def run(file: str, **words: Any) -> None:
    """Read, play, print, and exit with what it means."""
    try:
        sys.exit(_run(file, **words))
    except KeyboardInterrupt:
        click.echo("interrupted: nothing of the pod is left", err=True)
        sys.exit(INTERRUPTED)


def _run(file: str, **words: Any) -> int:
    with kube_extra():
        from lifecycle.rehearse import LocalMachine, read_baseline
    from lifecycle.core import ManifestError, RehearsalError

    try:
        workload = _workload(file, words["workload"])
        asked = _Asked(
            baseline=read_baseline(Path(words["baseline"])) if words["baseline"] else {},
            json_file=words["json_file"],
            html_file=words["html_file"],
            logs=words["logs"],
            quiet=words["quiet"],
        )
        machine = LocalMachine(_local_options(words), namespace=workload.namespace)
        options = _options(words, workload)
        names = _scenarios(workload, words["scenario"], every=words["every"])
        return _play(workload, options, machine, names * words["runs"], asked)
    except (ManifestError, RehearsalError) as error:
        raise Unusable(str(error)) from None


def _play(
    workload: "Workload",
    options: "Options",
    machine: "Machine",
    names: Sequence[str],
    asked: _Asked,
) -> int:
    import anyio

    from lifecycle.rehearse import advise, rehearse, side_by_side, summary, timeline

    results: list[Result] = []
    for name in names:
        chosen = replace(options, scenario=name)
        watch = _follow(logs=asked.logs, quiet=asked.quiet)
        result = anyio.run(partial(rehearse, workload, chosen, machine, watch=watch))
        results.append(result)
        if sys.stdout.isatty() and not asked.quiet:
            # The screen is gone; what was on it stays to be read.
            _print(timeline(result, logs=asked.logs))
        _print(["", *summary(result)])
    advice = advise(results) if len(results) > len(set(names)) else None
    if len(results) > 1:
        _print(["", *side_by_side(results)])
    if advice is not None:
        _print(["", *advice.lines()])
    if asked.json_file:
        _write(asked.json_file, _content(results, advice.to_dict() if advice else None))
    if asked.html_file:
        _write(asked.html_file, _page(results, asked.baseline))
    got_worse = _compare(results, asked.baseline)
    return int(got_worse or not all(result.kept for result in results))


def _page(results: "Sequence[Result]", baseline: "Mapping[str, Result]") -> str:
    """The report; each that has a baseline stands at its side."""
    from lifecycle.rehearse import to_html

    pairs = [(baseline.get(now.scenario), now) for now in results]
    if not any(before for before, _ in pairs):
        return to_html(results)
    shown: list[Result] = []
    names: list[str] = []
    for before, now in pairs:
        named = f"{now.title}: {now.scenario}"
        if before is not None:
            shown.append(before)
            names.append(f"{before.title}: {before.scenario}, before")
            named += ", now"
        shown.append(now)
        names.append(named)
    return to_html(shown, names=names, compare=True)


def _compare(results: "Iterable[Result]", baseline: "Mapping[str, Result]") -> bool:
    """Whether anything got worse."""
    from lifecycle.rehearse import worse

    told = [
        f"worse than before, {result.scenario}: {sentence}"
        for result in results
        if result.scenario in baseline
        for sentence in worse(result, baseline[result.scenario])
    ]
    _print(told)
    return bool(told)


def _content(results: "Sequence[Result]", advice: dict[str, Any] | None) -> str:
    contents = [result.to_dict() for result in results]
    content = contents[0] if len(contents) == 1 else {"rehearsals": contents, "advice": advice}
    return json.dumps(content, indent=1) + "\n"


def _write(file: str, content: str) -> None:
    try:
        Path(file).write_text(content, encoding="utf-8")
    except OSError as error:
        raise Unusable(f"{file} cannot be written: {error.strerror}") from None


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


def _follow(*, logs: bool, quiet: bool) -> "Watch | None":
    """A screen on a terminal, a line for each event elsewhere."""
    if quiet:
        return None
    from rich.console import Console

    from lifecycle.core import RehearsalError
    from lifecycle.rehearse import live

    class Heard(Console):
        def on_broken_pipe(self) -> None:
            """`| head` has read enough: it ends as any rehearsal does that cannot go on, and leaves nothing."""
            self.quiet = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise RehearsalError(
                "nobody reads on: the rehearsal is ended, nothing of the pod is left"
            )

    return live(Heard(highlight=False), logs=logs)


def _scenarios(workload: "Workload", name: str, *, every: bool) -> list[str]:
    """Those to play; what this pod cannot play is passed over with `--all`, and else an error."""
    from lifecycle.rehearse import SCENARIOS

    if not every:
        scenario = SCENARIOS.get(name)
        if scenario is None:
            raise click.UsageError(f"no scenario {name}: known are {', '.join(SCENARIOS)}")
        if why := scenario.needs(workload.pod):
            raise Unusable(f"{workload.title} cannot play {name}: {why}")
        return [name]
    names: list[str] = []
    for scenario in SCENARIOS.values():
        if why := scenario.needs(workload.pod):
            click.echo(f"passed over: {scenario.name}, as {why}", err=True)
        else:
            names.append(scenario.name)
    return names


def _options(words: Mapping[str, Any], workload: "Workload") -> "Options":
    from lifecycle.rehearse import Knobs, Options, Traffic

    names = {container.name for container in workload.pod.everyone()}
    return Options(
        run=dict(_command(text, names) for text in words["commands"]),
        traffic=Traffic(
            rate=words["rate"],
            paths=tuple(words["paths"]),
            websockets=tuple(words["websockets"]),
            streams=tuple(words["streams"]),
        ),
        port=words["port"],
        knobs=Knobs(speed=words["speed"], endpoint_lag=words["lag"]),
        replicas=words["replicas"],
        start_within=words["start_within"],
        slow=words["slow"],
    )


def _command(text: str, names: set[str]) -> tuple[str, str]:
    """A command may have a = in it: only the name of a container counts as one."""
    name, equals, command = text.partition("=")
    if equals and (name in names or name.replace("-", "").isalnum()):
        return name, command
    return "", text


def _local_options(words: Mapping[str, Any]) -> "LocalOptions":
    from lifecycle.rehearse import LocalOptions

    return LocalOptions(
        env=dict(_pair("--env", text) for text in words["variables"]),
        volumes={
            name: Path(folder)
            for name, folder in (_pair("--volume", text) for text in words["volumes"])
        },
        cwd=Path(words["folder"]).absolute(),
        isolation=words["isolation"],
    )


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"{option} {text}: write {option} NAME=VALUE")
    return name, value


def _workload(file: str, wanted: str | None) -> "Workload":
    """The only one, or the one that is asked for."""
    from lifecycle.core import ManifestError
    from lifecycle.kube import MAX_BYTES, read_manifest

    name = "<stdin>" if file == "-" else os.fsencode(file).decode("utf-8", "replace")
    try:
        with click.open_file(file, "rb") as stream:
            manifest = read_manifest(stream.read(MAX_BYTES + 1), name)
    except OSError as error:
        raise ManifestError(f"it cannot be read: {error.strerror}", file=name) from None
    found = [one for one in manifest.workloads if wanted in (None, one.title, one.name)]
    if len(found) == 1:
        _not_empty(found[0])
        return found[0]
    titles = ", ".join(one.title for one in manifest.workloads)
    if not manifest.workloads:
        raise ManifestError("there is no pod in it, nor anything that makes pods", file=name)
    raise Unusable(
        f"{name}: {wanted or 'several pods'}: say which with --workload, one of {titles}"
    )


def _not_empty(workload: "Workload") -> None:
    from lifecycle.core import ManifestError

    pod = workload.pod
    if not pod.containers:
        place = pod.place.at("containers")
        what = f"{workload.title} has no containers: there is nothing to play"
        raise ManifestError(what, file=place.file, line=place.line, column=place.column)


def _list_scenarios(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's signature
    if not wanted:
        return
    with kube_extra():
        from lifecycle.rehearse import SCENARIOS
    width = max(map(len, SCENARIOS))
    _print(f"{scenario.name:<{width}}  {scenario.what}" for scenario in SCENARIOS.values())
    ctx.exit()


def _print_schema(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's signature
    if not wanted:
        return
    with kube_extra():
        from lifecycle.rehearse import schema
    click.echo(json.dumps(schema(), indent=2))
    ctx.exit()
