"""What the kubelet's clients share: how they get a connection, leave it, and say why there is no answer."""

import ssl
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import ByteStream

Dial = Callable[[str, int], Awaitable[ByteStream]]
"""Connect to a host and a port.

Raises:
    OSError: As the system says.
"""


class closing:  # noqa: N801 - as contextlib.aclosing
    """Closed at once: a TLS peer that says nothing must not hold us."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_: object) -> None:
        await anyio.aclose_forcefully(self._stream)


def why(error: Exception) -> str:
    match error:
        case anyio.EndOfStream():
            return "EOF"
        case anyio.BrokenResourceError():
            return "connection reset by peer"
        case ssl.SSLError(reason=reason):
            return f"tls: {reason}"
        case ConnectionRefusedError():
            return "connection refused"
        case OSError(strerror=str(reason)):
            return reason
        case _:
            # anyio gathers the failures of several addresses.
            return why(error.__cause__) if isinstance(error.__cause__, OSError) else str(error)
