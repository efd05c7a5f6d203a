"""A container, with what it is given: variables, ports, mounts. Absent fields have the API server's defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from lifecycle.kube._handlers import Handler, Probe
from lifecycle.kube._where import NO_PLACE, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvVar:
    """`value` is None where it comes from somewhere else; `source` says from where.

    For example `fieldRef:status.hostIP`, `resourceFieldRef:limits.memory` or `secretKeyRef:NAME/KEY`.
    """

    name: str
    value: str | None = ""
    source: str | None = None
    place: Place = NO_PLACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    number: int
    name: str | None = None
    protocol: str = "TCP"
    place: Place = NO_PLACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A volume where a container sees it."""

    volume: str
    path: str
    read_only: bool = False
    sub_path: str | None = None
    place: Place = NO_PLACE


class Role(StrEnum):
    INIT = "init container"
    SIDECAR = "native sidecar"
    REGULAR = "container"


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """`command` None: the image's entrypoint, which a manifest does not show; likewise `args`."""

    name: str
    role: Role = Role.REGULAR
    image: str = ""
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    working_dir: str | None = None
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[str, ...] = ()
    """`configMapRef:NAME` and `secretRef:NAME`, whose keys are variables that a manifest does not show."""
    ports: tuple[Port, ...] = ()
    mounts: tuple[Mount, ...] = ()
    post_start: Handler | None = None
    pre_stop: Handler | None = None
    stop_signal: str | None = None
    startup: Probe | None = None
    liveness: Probe | None = None
    readiness: Probe | None = None
    restart_policy: str | None = None
    termination_message_path: str = "/dev/termination-log"
    termination_message_policy: str = "File"
    read_only_root: bool = False
    place: Place = NO_PLACE
    lifecycle_place: Place = NO_PLACE
    """Of `lifecycle:`, or of the container where there is none."""

    def port(self, wanted: int | str) -> int | None:
        """The number of a port, as the kubelet finds it: a name is one of this container's, or digits."""
        if isinstance(wanted, int):
            return wanted
        named = next((port.number for port in self.ports if port.name == wanted), None)
        if named is None and wanted.isascii() and wanted.isdigit():
            return int(wanted)
        return named

    @property
    def probes(self) -> Mapping[str, Probe]:
        """Those that there are, by the names of their fields."""
        found = {
            "startupProbe": self.startup,
            "livenessProbe": self.liveness,
            "readinessProbe": self.readiness,
        }
        return {name: probe for name, probe in found.items() if probe is not None}

    @property
    def hooks(self) -> Mapping[str, Handler]:
        found = {"postStart": self.post_start, "preStop": self.pre_stop}
        return {name: hook for name, hook in found.items() if hook is not None}
