"""The object that a pod comes from, and how it replaces its pods."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from lifecycle.kube._pod import Pod
from lifecycle.kube._where import NO_PLACE, Place

JOBS: Final = frozenset({"Job", "CronJob"})
"""Kinds whose pods end by themselves, when their work is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How a workload replaces its pods; `OnDelete` where nothing does. Shares are as written: 1 or "25%"."""

    kind: str = "RollingUpdate"
    max_unavailable: int | str = "25%"
    max_surge: int | str = "25%"
    place: Place = NO_PLACE

    def unavailable(self, replicas: int) -> int:
        """Rounded down; and not both of them zero, as the Deployment controller has it."""
        return math.floor(_share(self.max_unavailable, replicas)) or int(not self.surge(replicas))

    def surge(self, replicas: int) -> int:
        """Rounded up."""
        return math.ceil(_share(self.max_surge, replicas))


def _share(written: int | str, replicas: int) -> float:
    return written if isinstance(written, int) else int(written.removesuffix("%")) * replicas / 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One object of the manifest that has a pod in it. A bare Pod is a workload of one replica."""

    kind: str
    name: str
    pod: Pod
    namespace: str = "default"
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the pod."""
    replicas: int = 1
    strategy: Strategy = Strategy()
    min_ready_seconds: float = 0
    active_deadline: float | None = None
    """A Job's, in seconds."""
    place: Place = NO_PLACE
    """Where the object begins; its keys, and those of the `spec` around the pod's template."""

    @property
    def title(self) -> str:
        return f"{self.kind}/{self.name}"
