"""`lifecycle rehearse FILE`: play the kubelet to real local processes, under load, and say what was lost."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from lifecycle.cli._extra import INTERRUPTED, Unusable, kube_extra
from lifecycle.cli._output import tell
from lifecycle.cli._rehearse_options import options
from lifecycle.cli._rehearse_report import compare, content, page, show_lines, writable, write
from lifecycle.cli._rehearse_words import local_options_in, options_in, scenarios, workload_in
from lifecycle.cli._streams import silence

if TYPE_CHECKING:
    from lifecycle.kube import Workload
    from lifecycle.rehearse import Machine, Options, Result, Watch

HELP = """
Play a pod's life here, with real processes: hooks, probes, signals and the grace period as a kubelet 1.36 has them,
under load, and say what was lost and why.

FILE is a manifest with one pod in it, or something that makes pods; `-` is standard input. No container image is
used: what an image hides is said with --run. Nothing is left behind, after Ctrl-C either.

\b
  lifecycle rehearse pod.yaml \\
    --run web="uvicorn app:app --host 0.0.0.0 --port 8080"
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
        params=[click.Argument(["file"], metavar="FILE"), *options()],
        callback=run,
        help=HELP,
        short_help="Play a pod's life here, under load, and say what was lost.",
    )


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
        tell("interrupted: nothing of the pod is left")
        sys.exit(INTERRUPTED)


def _run(file: str, **words: Any) -> int:
    with kube_extra():
        from lifecycle.rehearse import LocalMachine, read_baseline
    from lifecycle.core import ManifestError, RehearsalError

    try:
        workload = workload_in(file, words["workload"])
        asked = _Asked(
            baseline=read_baseline(Path(words["baseline"])) if words["baseline"] else {},
            json_file=words["json_file"],
            html_file=words["html_file"],
            logs=words["logs"],
            quiet=words["quiet"],
        )
        for report in (asked.json_file, asked.html_file):
            if report:
                writable(report)
        machine = LocalMachine(local_options_in(words), namespace=workload.namespace)
        names = scenarios(workload, words["scenario"], every=words["every"])
        return _play(workload, options_in(words, workload), machine, names * words["runs"], asked)
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

    from lifecycle.rehearse import (
        SCENARIOS,
        Severity,
        advise,
        findings,
        in_a_line,
        rehearse,
        side_by_side,
        summary,
        timeline,
    )

    results: list[Result] = []
    several = len(names) > 1
    width = max(map(len, names))
    for number, name in enumerate(names, start=1):
        if several and not asked.quiet:
            show_lines(["", f"{number} of {len(names)}, {name}: {SCENARIOS[name].what}", ""])
        chosen = replace(options, scenario=name)
        watch = _follow(logs=asked.logs, quiet=asked.quiet)
        result = anyio.run(partial(rehearse, workload, chosen, machine, watch=watch))
        results.append(result)
        if sys.stdout is not None and sys.stdout.isatty() and not asked.quiet:
            # The screen is gone; what was on it stays to be read.
            show_lines(timeline(result, logs=asked.logs))
        if several and asked.quiet:
            fresh = not any(one.scenario == name and not one.kept for one in results[:-1])
            told = findings(result, at_least=Severity.ERROR) if fresh and not result.kept else ()
            show_lines([in_a_line(result, width), *told])
        else:
            show_lines(["", *summary(result)])
    advice = advise(results) if len(results) > len(set(names)) else None
    if several and not asked.quiet:
        show_lines(["", *side_by_side(results)])
    if advice is not None:
        show_lines(["", *advice.lines()])
    if asked.json_file:
        write(asked.json_file, content(results, advice))
    if asked.html_file:
        write(asked.html_file, page(results, asked.baseline))
    got_worse = compare(results, asked.baseline)
    return int(got_worse or not all(result.kept for result in results))


def _follow(*, logs: bool, quiet: bool) -> "Watch | None":
    """A screen on a terminal, a line for each event elsewhere."""
    if quiet:
        return None
    from rich.console import Console

    from lifecycle.core import RehearsalError
    from lifecycle.rehearse import live

    class Heard(Console):
        """What cannot be written ends a rehearsal as anything does that cannot go on: nothing is left of it."""

        def on_broken_pipe(self) -> None:
            self._end("nobody reads on")  # `| head` has read enough

        def __exit__(self, *failure: object) -> None:
            try:
                super().__exit__(*failure)
            except OSError as error:
                self._end(f"what happens cannot be written ({error.strerror})")

        def _end(self, why: str) -> NoReturn:
            self.quiet = True
            silence(sys.stdout)
            raise RehearsalError(f"{why}: the rehearsal is ended, nothing of the pod is left")

    return live(Heard(highlight=False), logs=logs)
