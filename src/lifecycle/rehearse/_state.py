"""What the kubelet knows of a pod's containers: what happened, and what of it has been seen."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import anyio

from lifecycle.kube import Container, Pod, Probe, Role
from lifecycle.rehearse._runtime import Exit, Process


class PodPhase(StrEnum):
    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class ProbeResult(StrEnum):
    UNKNOWN = "unknown"
    SUCCESS = "success"
    FAILURE = "failure"


class ProbeKind(StrEnum):
    STARTUP = "startup"
    LIVENESS = "liveness"
    READINESS = "readiness"


BEFORE_THE_FIRST: Final = {
    ProbeKind.STARTUP: ProbeResult.UNKNOWN,
    ProbeKind.LIVENESS: ProbeResult.SUCCESS,
    ProbeKind.READINESS: ProbeResult.FAILURE,
}
"""What a probe is taken for to have said as long as it has said nothing."""


def probe_of(container: Container, kind: ProbeKind) -> Probe | None:
    return {
        ProbeKind.STARTUP: container.startup,
        ProbeKind.LIVENESS: container.liveness,
        ProbeKind.READINESS: container.readiness,
    }[kind]


@dataclass(eq=False, slots=True)
class Instance:
    """One life of a container."""

    number: int
    process: Process
    exit: Exit | None = None
    exited: anyio.Event = field(default_factory=anyio.Event)
    seen_exited: bool = False
    signalled: bool = False
    """The runtime sends a stop signal once, however often it is asked to."""
    results: dict[ProbeKind, ProbeResult] = field(default_factory=dict[ProbeKind, ProbeResult])


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStatus:
    """As the API shows it. `state`: waiting, running or terminated."""

    name: str
    state: str = "waiting"
    reason: str = ""
    message: str = ""
    restarts: int = 0
    exit_code: int | None = None
    started: bool = False
    ready: bool = False


@dataclass(eq=False, slots=True)
class Box:
    """A container through all of its lives."""

    container: Container
    instance: Instance | None = None
    """The newest one."""
    visible: Instance | None = None
    """The newest one that the API's status shows: it is written when a sync begins."""
    last_dead: Exit | None = None
    """Of the newest instance that has been seen dead."""
    lives: int = 0
    waiting: tuple[str, str] = ("ContainerCreating", "")
    """Reason and message, while there is nothing else to say."""
    started: bool = False
    ready: bool = False

    @property
    def name(self) -> str:
        return self.container.name

    @property
    def running(self) -> Instance | None:
        """As far as the kubelet has seen."""
        return self.visible if self.visible and not self.visible.seen_exited else None

    @property
    def seen_exit(self) -> Exit | None:
        return self.visible.exit if self.visible and self.visible.seen_exited else None

    @property
    def restarts(self) -> int:
        return max(self.lives - 1, 0)

    def result(self, kind: ProbeKind) -> ProbeResult:
        if self.visible is None:
            return BEFORE_THE_FIRST[kind]
        return self.visible.results.get(kind, BEFORE_THE_FIRST[kind])

    def is_started(self) -> bool:
        has_startup = self.container.startup is not None
        return self.running is not None and (
            not has_startup or self.result(ProbeKind.STARTUP) is ProbeResult.SUCCESS
        )

    def is_ready(self) -> bool:
        has_readiness = self.container.readiness is not None
        return self.is_started() and (
            not has_readiness or self.result(ProbeKind.READINESS) is ProbeResult.SUCCESS
        )

    def status(self, message: Callable[[Container, Exit], str]) -> ContainerStatus:
        if self.running:
            return ContainerStatus(
                name=self.name,
                state="running",
                restarts=self.restarts,
                started=self.started,
                ready=self.ready,
            )
        if self.instance and (exit_ := self.instance.exit) and not self.waiting[0]:
            return ContainerStatus(
                name=self.name,
                state="terminated",
                reason=exit_.reason,
                message=message(self.container, exit_),
                restarts=self.restarts,
                exit_code=exit_.code,
            )
        last = self.instance.exit if self.instance else None
        return ContainerStatus(
            name=self.name,
            reason=self.waiting[0] or "ContainerCreating",
            message=self.waiting[1],
            restarts=self.restarts,
            exit_code=last.code if last else None,
        )


def should_restart(pod: Pod, container: Container, code: int, *, deleted: bool) -> bool:
    """As pkg/api/v1/pod/util.go has it; plain init containers are never restarted for succeeding."""
    policy = container.restart_policy or pod.restart_policy
    if deleted or policy == "Never":
        return False
    return code != 0 or (policy == "Always" and container.role is not Role.INIT)


def may_restart(pod: Pod, container: Container) -> bool:
    """After a kill for its probes, which does not ask for the exit code."""
    return (container.restart_policy or pod.restart_policy) != "Never"


MESSAGE_FILE: Final = 4096
MESSAGE_LOG_LINES: Final = 80
MESSAGE_LOG: Final = 2048
MESSAGE_POD: Final = 12288
"""Bytes of termination messages, as in pkg/kubelet/container/runtime.go and status/status_manager.go."""


def termination_message(pod: Pod, container: Container, exit_: Exit) -> str:
    message = exit_.file[-MESSAGE_FILE:]
    if not message and exit_.code and container.termination_message_policy != "File":
        message = b"".join(exit_.log.splitlines(keepends=True)[-MESSAGE_LOG_LINES:])[-MESSAGE_LOG:]
    share = MESSAGE_POD // len([*pod.everyone()])
    return message[:share].decode(errors="replace")
