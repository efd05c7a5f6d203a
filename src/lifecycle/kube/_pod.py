"""A pod: containers that share volumes, a grace period and a fate. Absent fields have the API server's defaults."""

from collections.abc import Iterator
from dataclasses import dataclass

from lifecycle.kube._container import Container, Role
from lifecycle.kube._where import NO_PLACE, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """`kind` as the manifest says it: emptyDir, configMap, persistentVolumeClaim…"""

    name: str
    kind: str = "emptyDir"
    medium: str | None = None
    place: Place = NO_PLACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """`grace_period` in seconds; `init` in the order of the manifest, native sidecars among them."""

    containers: tuple[Container, ...]
    init: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    grace_period: float = 30
    restart_policy: str = "Always"
    host_network: bool = False
    share_process_namespace: bool = False
    os_name: str | None = None
    active_deadline: float | None = None
    place: Place = NO_PLACE

    def everyone(self) -> Iterator[Container]:
        yield from self.init
        yield from self.containers

    @property
    def sidecars(self) -> tuple[Container, ...]:
        return tuple(one for one in self.init if one.role is Role.SIDECAR)

    def volume(self, name: str) -> Volume | None:
        return next((one for one in self.volumes if one.name == name), None)
