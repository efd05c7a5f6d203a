"""What of a manifest concerns the lives of its containers: the pod, what runs in it, and the workload around it.

Absent fields have the API server's defaults, so that nobody below has to know them twice; whether a field was written
is asked of `place`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum


@dataclass(frozen=True, slots=True, order=True)
class Where:
    """A position in a file; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


NOWHERE = Where("<nowhere>", 1, 1)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a piece of the manifest stands, and where each of the keys stands that are written in it."""

    where: Where = NOWHERE
    keys: Mapping[str, Where] = field(default_factory=dict[str, Where])

    def at(self, *names: str) -> Where:
        """The first of these keys that is written, else the piece itself."""
        return next((self.keys[name] for name in names if name in self.keys), self.where)

    def has(self, name: str) -> bool:
        return name in self.keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Exec:
    command: tuple[str, ...]
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpGet:
    """`port` is a number or the name of one of the container's ports."""

    port: int | str
    path: str = "/"
    host: str | None = None
    scheme: str = "HTTP"
    headers: tuple[tuple[str, str], ...] = ()
    place: Place = Place()

    @property
    def asked(self) -> str:
        """The path alone, as the server sees it: its slash need not be written, and a query may follow."""
        return f"/{self.path.partition('?')[0].removeprefix('/')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleep:
    seconds: float
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpSocket:
    port: int | str
    host: str | None = None
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grpc:
    port: int
    service: str = ""
    place: Place = Place()


Handler = Exec | HttpGet | Sleep | TcpSocket
"""What a hook does."""
Check = Exec | HttpGet | TcpSocket | Grpc
"""What a probe does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Seconds and counts; the defaults are the API server's (pkg/apis/core/v1/defaults.go)."""

    check: Check
    initial_delay: float = 0
    period: float = 10
    timeout: float = 1
    success_threshold: int = 1
    failure_threshold: int = 3
    grace_period: float | None = None
    place: Place = Place()

    @property
    def patience(self) -> float:
        """Seconds of failing before the verdict."""
        return self.period * self.failure_threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvVar:
    """`value` is None where it comes from somewhere else; `source` says from where.

    For example `fieldRef:status.hostIP`, `resourceFieldRef:limits.memory` or `secretKeyRef:NAME/KEY`.
    """

    name: str
    value: str | None = ""
    source: str | None = None
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    number: int
    name: str | None = None
    protocol: str = "TCP"
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A volume where a container sees it."""

    volume: str
    path: str
    read_only: bool = False
    sub_path: str | None = None
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """`kind` as the manifest says it: emptyDir, configMap, persistentVolumeClaim…"""

    name: str
    kind: str = "emptyDir"
    medium: str | None = None
    place: Place = Place()


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
    place: Place = Place()
    lifecycle_place: Place = Place()
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
    place: Place = Place()

    def everyone(self) -> Iterator[Container]:
        yield from self.init
        yield from self.containers

    @property
    def sidecars(self) -> tuple[Container, ...]:
        return tuple(one for one in self.init if one.role is Role.SIDECAR)

    def volume(self, name: str) -> Volume | None:
        return next((one for one in self.volumes if one.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How a workload replaces its pods; `OnDelete` where nothing does. Shares are as written: 1 or "25%"."""

    kind: str = "RollingUpdate"
    max_unavailable: int | str = "25%"
    max_surge: int | str = "25%"
    place: Place = Place()

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
    place: Place = Place()
    """Where the object begins; its keys, and those of the `spec` around the pod's template."""

    @property
    def title(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisruptionBudget:
    """A PodDisruptionBudget, as far as it says whose pods it is about."""

    name: str
    namespace: str = "default"
    selector: Mapping[str, str] = field(default_factory=dict[str, str])
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A Service, as far as it says who comes through it. `ports` are the pods' own, numbers or names."""

    name: str
    namespace: str = "default"
    kind: str = "ClusterIP"
    selector: Mapping[str, str] = field(default_factory=dict[str, str])
    ports: tuple[int | str, ...] = ()
    external_traffic_policy: str = "Cluster"
    place: Place = Place()

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
