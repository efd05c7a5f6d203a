"""What the kubelet does to a container: the handlers of its hooks, and its probes.

Absent fields have the API server's defaults, so that nobody below has to know them twice; whether a field was written
is asked of `place`.
"""

from dataclasses import dataclass

from lifecycle.kube._where import NO_PLACE, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Exec:
    command: tuple[str, ...]
    place: Place = NO_PLACE


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpGet:
    """`port` is a number or the name of one of the container's ports."""

    port: int | str
    path: str = "/"
    host: str | None = None
    scheme: str = "HTTP"
    headers: tuple[tuple[str, str], ...] = ()
    place: Place = NO_PLACE

    @property
    def asked(self) -> str:
        """The path alone, as the server sees it: its slash need not be written, and a query may follow."""
        return f"/{self.path.partition('?')[0].removeprefix('/')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleep:
    seconds: float
    place: Place = NO_PLACE


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpSocket:
    port: int | str
    host: str | None = None
    place: Place = NO_PLACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Grpc:
    port: int
    service: str = ""
    place: Place = NO_PLACE


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
    place: Place = NO_PLACE

    @property
    def patience(self) -> float:
        """Seconds of failing before the verdict."""
        return self.period * self.failure_threshold
