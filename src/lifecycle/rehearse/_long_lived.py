"""Clients that stay: a stream of events, a WebSocket. They may be let go, by the rules, but not cut off."""

from typing import Any, Final

import anyio

from lifecycle.core import RehearsalError
from lifecycle.rehearse._connection import (
    SERVER_ERROR,
    Connection,
    HttpConnection,
    LostError,
)
from lifecycle.rehearse._result import Outcome
from lifecycle.rehearse._service import Backend

BY_THE_RULES: Final = frozenset({1000, 1001, 1005, 1012, 1013})
"""Close codes of a server that leaves: normal, going away, none given, restarts, try again later (RFC 6455, 7.4)."""
ALIVE_EVERY: Final = 1.0
"""Seconds between two pings: a connection on which nothing is sent learns of nothing."""


class WebSocketsMissingError(RehearsalError):
    """WebSockets were asked for, and the package that speaks them is not there."""

    def __init__(self) -> None:
        super().__init__(
            "--ws needs the package websockets: pip install 'managed-lifecycle[kube]', or leave --ws out"
        )


async def listen(backend: Backend, path: str) -> str:
    """Server-sent events, until the stream ends."""
    with HttpConnection(backend) as connection:
        await connection.open()
        status = await connection.ask(path, keep=False, accept="text/event-stream")
        size = 0
        while (piece := await connection.read()) is not None:
            size += len(piece)
        if status >= SERVER_ERROR:
            raise LostError(Outcome.SERVER_ERROR, str(status))
        return f"{status}, ended whole after {size} bytes"


async def talk(backend: Backend, path: str) -> str:
    """A WebSocket that says nothing but pings, until it is closed: what the application wants to hear is unknown."""
    try:
        from websockets.client import ClientProtocol  # noqa: PLC0415 - only for those who ask for it
        from websockets.uri import parse_uri  # noqa: PLC0415 - as above
    except ImportError:
        raise WebSocketsMissingError from None
    with Connection(backend) as connection:
        await connection.open()
        protocol = ClientProtocol(parse_uri(f"ws://{backend.host}{path}"))
        protocol.send_request(protocol.connect())
        while (told := _farewell(protocol)) is None:
            for data in protocol.data_to_send():
                await connection.send(data)
            received = await _received(connection)
            if received is None:
                if protocol.state.name == "OPEN":
                    protocol.send_ping(b"")
            elif received:
                protocol.receive_data(received)
            elif protocol.state.name == "CONNECTING":
                protocol.receive_eof()
            else:
                raise LostError(Outcome.CUT_OFF, "1006, ended without a close frame")
        return told


def _farewell(protocol: Any) -> str | None:
    """How the server ended it; None while it has not."""
    failure = protocol.handshake_exc
    if failure is not None:
        status = getattr(getattr(failure, "response", None), "status_code", 0)
        outcome = Outcome.SERVER_ERROR if status >= SERVER_ERROR else Outcome.CUT_OFF
        raise LostError(outcome, str(failure))
    closed = protocol.close_rcvd
    if closed is None:
        return None
    told = f"closed with {closed.code} {closed.reason}".rstrip()
    if closed.code not in BY_THE_RULES:
        raise LostError(Outcome.CUT_OFF, told)
    return told


async def _received(connection: Connection) -> bytes | None:
    """None: nothing came for a while."""
    with anyio.move_on_after(ALIVE_EVERY):
        try:
            return await connection.receive()
        except LostError as lost:
            raise LostError(Outcome.CUT_OFF, f"1006, {lost.detail}") from None
    return None
