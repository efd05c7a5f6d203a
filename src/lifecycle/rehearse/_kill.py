"""Stopping containers: the hook, the turn, the signal, and SIGKILL, all paid from one grace period.

See killContainer and terminationOrdering in pkg/kubelet/kuberuntime of Kubernetes 1.36.
"""

import re
import signal
from collections.abc import Mapping
from typing import Final

import anyio

from lifecycle.core import RehearsalError
from lifecycle.kube import Container, Pod, Role
from lifecycle.rehearse._clock import PodClock
from lifecycle.rehearse._knobs import Knobs
from lifecycle.rehearse._plan import LIVENESS, STARTUP
from lifecycle.rehearse._state import Box

MIN_STOP: Final = 2.0
"""Seconds between stop signal and SIGKILL at least: minimumGracePeriodInSeconds."""
MIN_EFFECTIVE: Final = 1.0
"""What a grace period of 0 becomes when a pod is ended: calculateEffectiveGracePeriod."""


def grace_of(pod: Pod, container: Container, reason: str, deletion_grace: float | None) -> float:
    """For a kill that is not the end of the pod, or has no grace period of its own."""
    if deletion_grace is not None:
        return deletion_grace
    probe = {STARTUP: container.startup, LIVENESS: container.liveness}.get(reason)
    if probe is not None and probe.grace_period is not None:
        return probe.grace_period
    return pod.grace_period


_RELATIVE = re.compile(r"SIGRT(MIN|MAX)([+-]\d+)?")


def stop_signal(container: Container, knobs: Knobs) -> int:
    """The container's, if its feature gate is open; else that of its image; else SIGTERM."""
    if container.stop_signal is not None and knobs.stop_signals:
        return signal_number(container.stop_signal)
    return knobs.image_signals.get(container.name, signal.SIGTERM)


def signal_number(name: str) -> int:
    """Of SIGINT, INT, 2 or SIGRTMIN+3, as images and manifests name them.

    Raises:
        RehearsalError: There is no such signal.
    """
    full = name if name.startswith("SIG") else f"SIG{name}"
    if relative := _RELATIVE.fullmatch(full):
        base = signal.SIGRTMIN if relative[1] == "MIN" else signal.SIGRTMAX
        return base + int(relative[2] or 0)
    numbers = {str(int(one)): one for one in signal.valid_signals()}
    found = numbers.get(name) or signal.Signals.__members__.get(full)
    if found is None:
        raise RehearsalError(f"there is no signal {name!r}: write it as SIGINT, INT or 2")
    return int(found)


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


class Turns:
    """Sidecars stop after the regular containers, the last one first. Who does not run has stopped."""

    def __init__(self, pod: Pod, running: Mapping[str, Box]) -> None:
        self._stopped = {name: anyio.Event() for name in running}
        regular = [container.name for container in pod.containers]
        self._after: dict[str, list[str]] = {}
        sidecars = [one.name for one in pod.init if one.role is Role.SIDECAR]
        for this, later in zip(sidecars, [*sidecars[1:], None], strict=True):
            self._after[this] = [*regular, *([later] if later else [])]

    def stopped(self, name: str) -> None:
        self._stopped[name].set()

    async def wait(self, name: str, clock: PodClock, at_most: float) -> None:
        with clock.move_on_after(at_most):
            for other in self._after.get(name, ()):
                if other in self._stopped:
                    await self._stopped[other].wait()
