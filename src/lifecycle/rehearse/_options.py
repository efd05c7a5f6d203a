"""What a rehearsal is asked to be."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from lifecycle.core import RehearsalError
from lifecycle.kube import Container, HttpGet, Pod, Role, TcpSocket, Workload
from lifecycle.rehearse._kill import signal_number
from lifecycle.rehearse._knobs import Knobs
from lifecycle.rehearse._load import Traffic

LAG: Final = 1.0
"""Seconds until routers follow: a fraction of a second in a quiet cluster, several in a busy one."""


CLEARED: Final = 10.0
"""Seconds beyond its grace period within which a pod has ended, if a postStart hook does not hold it up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Seconds are the pod's own."""

    scenario: str = "delete"
    run: Mapping[str, str] = field(default_factory=dict[str, str])
    """Commands by the name of their container, in place of what the image hides. `""` is the only regular one."""
    traffic: Traffic = field(default_factory=Traffic)
    port: int | None = None
    """Where requests go; else the first port of the manifest."""
    knobs: Knobs = field(default_factory=lambda: Knobs(endpoint_lag=LAG))
    replicas: int | None = None
    """Of a rollout."""
    before: float = 1.0
    """How long it is under load before anything happens to it."""
    after: float = 1.0
    """How long the load goes on when all is calm again."""
    start_within: float = 120.0
    """What is not ready by then will not be."""
    end_within: float = 600.0
    """From the stop on: the deadline of a rollout that makes no progress."""
    slow: float = 30.0
    """How slow the start of `slow-start` is."""
    folder: Path = Path()
    """Where commands are run whose container says nothing about it."""

    def patience(self, pod: Pod, *, ready: bool) -> float:
        """Seconds for its end. A pod that did not get ready is only cleared away: there is nothing more to see."""
        return self.end_within if ready else min(self.end_within, pod.grace_period + CLEARED)


def with_commands(workload: Workload, run: Mapping[str, str]) -> Workload:
    """The workload, with a command for each container.

    Raises:
        RehearsalError: A container is unknown, or has no command.
    """
    pod = workload.pod
    commands = {_named(pod, name): _words(text) for name, text in run.items()}
    return replace(
        workload,
        pod=replace(
            pod,
            init=tuple(_with_command(one, commands.get(one.name)) for one in pod.init),
            containers=tuple(_with_command(one, commands.get(one.name)) for one in pod.containers),
        ),
    )


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise RehearsalError(f"--run {text}: {error}: write it as for a shell") from None


def _named(pod: Pod, name: str, option: str = "--run", value: str = "COMMAND") -> str:
    names = [one.name for one in pod.everyone()]
    if name in names:
        return name
    if not name and len(pod.containers) == 1:
        return pod.containers[0].name
    found = f"no container {name!r}" if name else "several containers"
    raise RehearsalError(
        f"{option}: the pod has {found}: write {option} NAME={value}, with one of {', '.join(names)}"
    )


def signals_of_images(pod: Pod, given: Mapping[str, str]) -> dict[str, int]:
    """Numbers of stop signals by container. `""` is the only regular one.

    Raises:
        RehearsalError: A container or a signal is unknown.
    """
    return {
        _named(pod, name, "--image-signal", "SIGNAL"): signal_number(text)
        for name, text in given.items()
    }


def _with_command(container: Container, command: list[str] | None) -> Container:
    if command:
        return replace(container, command=tuple(command), args=None)
    if container.command is None:
        role = "container" if container.role is Role.REGULAR else container.role.value
        raise RehearsalError(
            f"{container.place.at('image')}: the command of {role} {container.name!r} is in its image"
            f" ({container.image or 'unnamed'}), which is not run here: say it with"
            f" --run {container.name}='…'"
        )
    return container


def service_port(pod: Pod, wanted: int | None = None) -> int | None:
    """Where requests go: as asked for, else the first port of a regular container, else that of a probe."""
    if wanted is not None:
        return wanted
    for container in pod.containers:
        for port in container.ports:
            if port.protocol == "TCP":
                return port.number
    for container in pod.containers:
        for probe in container.probes.values():
            if isinstance(probe.check, HttpGet | TcpSocket):
                return container.port(probe.check.port)
    return None
