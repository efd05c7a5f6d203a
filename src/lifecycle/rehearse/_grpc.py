"""The kubelet's gRPC client: it asks `grpc.health.v1.Health/Check`, in plain text, and nothing else.

See https://github.com/grpc/grpc/blob/master/doc/health-checking.md and doc/PROTOCOL-HTTP2.md beside it, and
pkg/probe/grpc of Kubernetes 1.36.
"""

import struct
from dataclasses import dataclass, field
from typing import Final

import anyio
from anyio.abc import ByteStream
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

from lifecycle.kube import Grpc
from lifecycle.rehearse._runtime import NoAnswerError
from lifecycle.rehearse._wire import Dial, closing, why

SERVING: Final = "SERVING"
HEALTH: Final = ("UNKNOWN", SERVING, "NOT_SERVING", "SERVICE_UNKNOWN")
"""ServingStatus, by its number."""
CODES: Final = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND"),
    *("ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"),
    *("ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"),
    "UNAUTHENTICATED",
)
"""What a call ends with, by its number."""
HINTS: Final = {
    "UNIMPLEMENTED": "the server has no grpc.health.v1.Health: add a health servicer to it",
    "NOT_FOUND": "the server's health servicer does not know that service",
}
PREFIX: Final = struct.Struct("!BI")
"""Of a message: whether it is compressed, and how long it is."""
LONGEST: Final = 2**14
"""Bytes of an answer that are put up with: the longest good one has seven."""
VARINT, BYTES = 0, 2
"""Kinds of protobuf fields: https://protobuf.dev/programming-guides/encoding/"""


@dataclass(slots=True)
class _Answer:
    headers: dict[str, str] = field(default_factory=dict[str, str])
    """Those at its beginning, and those at its end."""
    body: bytes = b""
    over: bool = False


async def check_health(check: Grpc, address: str, dial: Dial) -> str:
    """What the server says of that service: one of HEALTH.

    Raises:
        NoAnswerError: It said nothing of the kind: why, it says.
    """
    try:
        stream = await dial(address, check.port)
        async with closing(stream):
            answer = await _call(stream, check.service, f"{address}:{check.port}")
    except (OSError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
        raise NoAnswerError(why(error)) from None
    except ProtocolError as error:
        raise NoAnswerError("no HTTP/2 is spoken there: " + str(error).rstrip(".")) from None
    return _read(answer)


async def _call(stream: ByteStream, service: str, authority: str) -> _Answer:
    http = H2Connection(H2Configuration(header_encoding="utf-8"))
    http.initiate_connection()
    number = http.get_next_available_stream_id()
    http.send_headers(
        number,
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/grpc.health.v1.Health/Check"),
            (":authority", authority),
            ("content-type", "application/grpc"),
            ("user-agent", "kube-probe/1.36"),
            ("te", "trailers"),
        ],
    )
    message = _request(service)
    http.send_data(number, PREFIX.pack(0, len(message)) + message, end_stream=True)
    answer = _Answer()
    greeted = False
    while not answer.over:
        await stream.send(http.data_to_send())
        try:
            events = http.receive_data(await stream.receive())
        except anyio.EndOfStream:
            if greeted:
                raise
            raise NoAnswerError("no HTTP/2 is spoken there: EOF") from None
        for event in events:
            greeted = True
            _take(event, answer, http)
    return answer


def _take(event: Event, answer: _Answer, http: H2Connection) -> None:
    """
    Raises:
        NoAnswerError: There will be none.
    """
    match event:
        case ResponseReceived(headers=headers) | TrailersReceived(headers=headers):
            answer.headers |= {str(name): str(value) for name, value in headers or ()}
        case DataReceived(data=data, flow_controlled_length=length, stream_id=number):
            answer.body += data or b""
            if len(answer.body) > LONGEST:
                raise NoAnswerError("the answer is no health status: it is too long")
            http.acknowledge_received_data(length or 0, number or 0)
        case StreamEnded():
            answer.over = True
        case StreamReset(error_code=code) | ConnectionTerminated(error_code=code):
            if not answer.over:
                raise NoAnswerError(f"the call was reset: {code!s}")
        case _:
            pass


def _read(answer: _Answer) -> str:
    status = answer.headers.get(":status")
    code = answer.headers.get("grpc-status")
    if code is None:
        raise NoAnswerError(f"no gRPC is spoken there: HTTP {status} without a grpc-status")
    if code != "0":
        name = CODES[int(code)] if code.isdigit() and int(code) < len(CODES) else code
        told = HINTS.get(name) or answer.headers.get("grpc-message") or "it says no more"
        raise NoAnswerError(f"rpc error {name}: {told}")
    try:
        return HEALTH[_status(answer.body)]
    except (ValueError, IndexError, struct.error):
        raise NoAnswerError(f"the answer is no health status: {answer.body[:32]!r}") from None


def _request(service: str) -> bytes:
    """HealthCheckRequest: its one field is the service."""
    name = service.encode()
    return bytes([1 << 3 | BYTES]) + _varint(len(name)) + name if name else b""


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits in each
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def _status(body: bytes) -> int:
    """Of a HealthCheckResponse: its one field; what stands at its default is left out.

    Raises:
        ValueError: It is none.
    """
    compressed, length = PREFIX.unpack_from(body)
    message = body[PREFIX.size :]
    if compressed or length != len(message):
        raise ValueError(body)
    if not message:
        return 0
    tag, status = message
    if tag != 1 << 3 | VARINT:
        raise ValueError(body)
    return status
