"""What the kubelet needs of the machine below it. It knows nothing of processes and sockets; `_local` does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from anyio.abc import ByteStream

from lifecycle.kube import Container, Grpc, HttpGet


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a container's first process ended: `code` is 128 + n for signal n.

    `file` is the tail of its termination message file, `log` that of its output.
    """

    code: int
    at: float
    reason: str = ""
    file: bytes = b""
    log: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecResult:
    """`error` says why the runtime could not run it at all; then there is no code to go by."""

    code: int
    output: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResult:
    status: int
    body: bytes = b""
    warning: str = ""
    """An event of type Warning that came of it, as `LifecycleHTTPFallback: …`."""


class CannotStartError(Exception):
    """The runtime cannot start a container: RunContainerError in its status."""


class NoAnswerError(Exception):
    """A request came to nothing: no connection, a broken one, a timeout."""


class Process(Protocol):
    """One instance of a container."""

    @property
    def pid(self) -> int: ...
    @property
    def started_at(self) -> float: ...
    @property
    def alive(self) -> bool: ...

    async def signal(self, number: int) -> bool:
        """To its PID 1 alone; False if that ignores it."""
        ...

    async def kill(self) -> None:
        """SIGKILL to all that is in the container."""
        ...

    async def wait(self) -> Exit:
        """Until PID 1 has exited and all of the container is gone. May be called by several, and again."""
        ...

    async def run(self, command: Sequence[str]) -> ExecResult:
        """Run a command inside, until it has exited and nobody has its output open any more.

        It dies with the container (137). Cancelled: the command is killed, and only it. A command that does not exist,
        or a container that does not run, is an `error`.
        """
        ...


class Runtime(Protocol):
    async def start(self, container: Container, instance: int) -> Process:
        """Create and start; instance 0 is the first.

        Raises:
            CannotStartError: As it says.
        """
        ...


class Network(Protocol):
    """Seen from the node, where the kubelet is."""

    @property
    def address(self) -> str:
        """The pod's IP."""
        ...

    async def dial(self, host: str, port: int) -> ByteStream:
        """A connection that stays open. Of a pod with a network of its own, nobody else may make one.

        Raises:
            OSError: As the system says.
        """
        ...

    async def hook(self, get: HttpGet, container: Container) -> HttpResult:
        """As a hook: no timeout.

        Raises:
            NoAnswerError: Nothing else makes a hook fail.
        """
        ...

    async def probe(self, get: HttpGet, container: Container) -> HttpResult:
        """As a probe. The caller cancels it when its time is over.

        Raises:
            NoAnswerError: As it says.
        """
        ...

    async def connect(self, host: str | None, port: int) -> None:
        """A TCP connection, closed at once.

        Raises:
            NoAnswerError: As it says.
        """
        ...

    async def health(self, check: Grpc, container: Container) -> str:
        """As a gRPC probe: a status of `grpc.health.v1`. The caller cancels it when its time is over.

        Raises:
            NoAnswerError: As it says.
        """
        ...
