"""A rolling update, as the workload's own controller does it: what may be deleted and created next."""

from dataclasses import dataclass
from typing import Final

from lifecycle.kube import Strategy, Workload

IN_PLACE: Final = frozenset({"StatefulSet", "DaemonSet"})
"""They replace a pod by one of the same name, after it is gone: no surge, and one at a time."""
REPLICAS: Final = 3
"""Of a DaemonSet, or of a pod without a controller: a rolling update of one is none."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Pods of the old and the new template. Those that terminate are neither, but `leaving`."""

    old: int
    old_available: int
    new: int
    new_available: int
    leaving: int = 0

    @property
    def total(self) -> int:
        return self.old + self.new

    @property
    def available(self) -> int:
        return self.old_available + self.new_available


@dataclass(frozen=True, slots=True)
class Step:
    """What the controller does now. Nothing: it waits for a pod."""

    create: int = 0
    delete: int = 0


@dataclass(frozen=True, slots=True)
class Rollout:
    """`recreate`: nothing new before all of the old is gone."""

    replicas: int
    surge: int
    unavailable: int
    recreate: bool = False
    in_place: bool = False

    @classmethod
    def of(cls, workload: Workload, replicas: int | None = None) -> "Rollout":
        count = replicas or (
            REPLICAS if workload.kind in {"DaemonSet", "Pod"} else workload.replicas
        )
        if workload.kind in IN_PLACE:
            return cls(count, surge=0, unavailable=1, in_place=True)
        strategy = workload.strategy if workload.kind == "Deployment" else Strategy()
        if strategy.kind == "Recreate":
            return cls(count, surge=0, unavailable=count, recreate=True)
        return cls(count, strategy.surge(count), strategy.unavailable(count))

    def over(self, counts: Counts) -> bool:
        return not counts.old and not counts.leaving and counts.new_available >= self.replicas

    def step(self, counts: Counts) -> Step:
        """See https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment"""
        missing = self.replicas - counts.new
        if self.recreate:
            if counts.old:
                return Step(delete=counts.old)
            return Step(create=0 if counts.leaving else missing)
        if self.in_place:
            # The name is free when its pod is gone.
            room = self.replicas - counts.total - counts.leaving
            if room > 0:
                return Step(create=min(room, missing))
            whole = counts.available == counts.total == self.replicas
            return Step(delete=min(counts.old, self.unavailable)) if whole else Step()
        create = max(min(self.replicas + self.surge - counts.total, missing), 0)
        if create:
            return Step(create=create)
        # What does not serve costs nothing.
        broken = counts.old - counts.old_available
        spare = counts.available - (self.replicas - self.unavailable)
        return Step(delete=min(counts.old, broken + max(spare, 0)))
