"""All that a manifest says of its pods: the workloads, and around them what protects or reaches their pods."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from lifecycle.kube._where import NO_PLACE, Place, Where
from lifecycle.kube._workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class DisruptionBudget:
    """A PodDisruptionBudget, as far as it says whose pods it is about."""

    name: str
    namespace: str = "default"
    selector: Mapping[str, str] = field(default_factory=dict[str, str])
    place: Place = NO_PLACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A Service, as far as it says who comes through it. `ports` are the pods' own, numbers or names."""

    name: str
    namespace: str = "default"
    kind: str = "ClusterIP"
    selector: Mapping[str, str] = field(default_factory=dict[str, str])
    ports: tuple[int | str, ...] = ()
    external_traffic_policy: str = "Cluster"
    headless: bool = False
    """Without an address of its own: DNS names the pods, and nobody routes."""
    place: Place = NO_PLACE

    def selects(self, workload: Workload) -> bool:
        """Whether its traffic goes to these pods."""
        return (
            bool(self.selector)
            and self.namespace == workload.namespace
            and self.selector.items() <= workload.labels.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that was read: what has a pod, what protects or reaches pods, and what was passed over."""

    workloads: tuple[Workload, ...] = ()
    disruption_budgets: tuple[DisruptionBudget, ...] = ()
    services: tuple[Service, ...] = ()
    passed_over: tuple[tuple[str, Where], ...] = ()
    """Kind and name of every other object, for the note."""

    @classmethod
    def joined(cls, manifests: Iterable["Manifest"]) -> "Manifest":
        """As one: what protects or reaches pods may stand in another file than they do."""
        several = [*manifests]
        return cls(
            **{
                one.name: tuple(item for each in several for item in getattr(each, one.name))
                for one in fields(cls)
            }
        )

    @property
    def objects(self) -> int:
        """How many there are of all of them."""
        return sum(len(getattr(self, one.name)) for one in fields(self))
