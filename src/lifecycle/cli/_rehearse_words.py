"""What the words of `lifecycle rehearse` mean: which pod, which scenarios, and how they are played."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lifecycle.cli._extra import Unusable
from lifecycle.cli._input import read_file, shown
from lifecycle.cli._output import tell

if TYPE_CHECKING:
    from lifecycle.kube import Workload
    from lifecycle.rehearse import LocalOptions, Options


def workload_in(file: str, wanted: str | None) -> "Workload":
    """The only one, or the one that is asked for.

    Raises:
        ManifestError: There is none, or no container in it.
        Unusable: Several could be meant.
    """
    from lifecycle.core import ManifestError

    manifest = read_file(file)
    found = [one for one in manifest.workloads if wanted in (None, one.title, one.name)]
    if len(found) == 1:
        _not_empty(found[0])
        return found[0]
    titles = ", ".join(one.title for one in manifest.workloads)
    if not manifest.workloads:
        raise ManifestError("there is no pod in it, nor anything that makes pods", file=shown(file))
    raise Unusable(
        f"{shown(file)}: {wanted or 'several pods'}: say which with --workload, one of {titles}"
    )


def _not_empty(workload: "Workload") -> None:
    from lifecycle.core import ManifestError

    pod = workload.pod
    if not pod.containers:
        place = pod.place.at("containers")
        what = f"{workload.title} has no containers: there is nothing to play"
        raise ManifestError(what, file=place.file, line=place.line, column=place.column)


def scenarios(workload: "Workload", name: str, *, every: bool) -> list[str]:
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
            tell(f"passed over: {scenario.name}, as {why}")
        else:
            names.append(scenario.name)
    return names


def options_in(words: Mapping[str, Any], workload: "Workload") -> "Options":
    """What is asked of the rehearsal itself."""
    from lifecycle.rehearse import Knobs, Options, Traffic, signals_of_images

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
        knobs=Knobs(
            speed=words["speed"],
            endpoint_lag=words["lag"],
            stop_signals=words["stop_signals"],
            image_signals=signals_of_images(
                workload.pod, dict(_signal(text) for text in words["image_signals"])
            ),
        ),
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


def _signal(text: str) -> tuple[str, str]:
    name, _, signal = text.rpartition("=")
    return name, signal


def local_options_in(words: Mapping[str, Any]) -> "LocalOptions":
    """What is asked of this machine."""
    from lifecycle.rehearse import LocalOptions

    return LocalOptions(
        env=dict(_pair("--env", text, "NAME=VALUE") for text in words["variables"]),
        volumes={
            name: Path(folder)
            for name, folder in (_pair("--volume", text, "NAME=DIR") for text in words["volumes"])
        },
        cwd=Path(words["folder"]).absolute(),
        isolation=words["isolation"],
    )


def _pair(option: str, text: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"{option} {text}: write {option} {form}")
    return name, value
