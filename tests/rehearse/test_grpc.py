"""What a gRPC server sees of the kubelet's health check, and what the kubelet makes of its answers; over real sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import anyio
import pytest
from anyio.abc import SocketStream
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded

from lifecycle.kube import Container, Grpc, Probe
from lifecycle.rehearse import NoAnswerError, PodClock
from lifecycle.rehearse._faults import Faults, FaultyNetwork
from lifecycle.rehearse._grpc import HEALTH, check_health
from lifecycle.rehearse._hooks import run_check
from lifecycle.rehearse._state import ProbeResult
from tests.rehearse.test_http import ADDRESS, NOBODY, Net
from tests.support.clock import flowing

OK = (("grpc-status", "0"),)
ONE_BACKEND = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)


def message(body: bytes, *, compressed: int = 0) -> bytes:
    return bytes([compressed]) + len(body).to_bytes(4, "big") + body


@dataclass
class Answer:
    """`end` None: there are no trailers, and all stands in the first headers."""

    body: bytes = b""
    end: tuple[tuple[str, str], ...] | None = OK
    status: str = "200"


@dataclass
class Server:
    port: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    async def talk(self, stream: SocketStream, answer: Answer) -> None:
        http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        http.initiate_connection()
        while True:
            await stream.send(http.data_to_send())
            for event in http.receive_data(await stream.receive()):
                match event:
                    case RequestReceived(headers=headers):
                        self.headers = {str(name): str(value) for name, value in headers or ()}
                    case DataReceived(data=body):
                        self.body += body or b""
                    case StreamEnded(stream_id=number):
                        self.answer(http, number or 0, answer)
                    case _:
                        pass

    def answer(self, http: H2Connection, number: int, answer: Answer) -> None:
        head = [(":status", answer.status), ("content-type", "application/grpc")]
        if answer.end is None:
            http.send_headers(number, head, end_stream=True)
            return
        http.send_headers(number, head)
        # A byte each: an answer may come in pieces.
        for byte in answer.body:
            http.send_data(number, bytes([byte]))
        http.send_headers(number, answer.end, end_stream=True)


@asynccontextmanager
async def serving(answer: Answer | bytes) -> AsyncIterator[Server]:
    """Bytes are sent as they are, and then the connection is closed."""
    with flowing():
        listener = await anyio.create_tcp_listener(local_host=ADDRESS)
        server = Server(listener.extra(anyio.abc.SocketAttribute.local_port))

        async def handle(stream: SocketStream) -> None:
            async with stream:
                with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                    if isinstance(answer, Answer):
                        await server.talk(stream, answer)
                    else:
                        await stream.receive()
                        await stream.send(answer)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, handle)
            yield server
            tasks.cancel_scope.cancel()
        await listener.aclose()


async def ask(server: Server, service: str = "") -> str:
    return await check_health(Grpc(port=server.port, service=service), ADDRESS, anyio.connect_tcp)


async def test_a_probe_asks_as_a_kubelet_of_1_36_does() -> None:
    async with serving(Answer(message(b"\x08\x01"))) as server:
        assert await ask(server) == "SERVING"
        assert server.headers == {
            ":method": "POST",
            ":scheme": "http",
            ":path": "/grpc.health.v1.Health/Check",
            ":authority": f"{ADDRESS}:{server.port}",
            "content-type": "application/grpc",
            "user-agent": "kube-probe/1.36",
            "te": "trailers",
        }
        assert server.body == message(b"")


@pytest.mark.parametrize("length", [1, 127, 128, 300])
@ONE_BACKEND
async def test_it_asks_for_the_service_of_the_manifest(length: int) -> None:
    name = "s" * length
    # As protobuf writes a string: the field's tag, seven bits of the length a byte, and the string.
    size = bytes([length]) if length < 128 else bytes([length % 128 + 128, length // 128])
    async with serving(Answer(message(b"\x08\x01"))) as server:
        await ask(server, name)
        assert server.body == message(b"\x0a" + size + name.encode())


@pytest.mark.parametrize("status", range(4))
@ONE_BACKEND
async def test_only_serving_is_a_success(status: int) -> None:
    body = message(bytes([8, status]) if status else b"")
    async with serving(Answer(body)) as server:
        check = Grpc(port=server.port)
        found = await run_check(check, Container(name="app"), NOBODY, Net(), PodClock(), 5)
        expected = ProbeResult.SUCCESS if HEALTH[status] == "SERVING" else ProbeResult.FAILURE
        assert found == (expected, HEALTH[status])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            Answer(end=(("grpc-status", "12"), ("grpc-message", "Method not found!"))),
            "rpc error UNIMPLEMENTED: the server has no grpc.health.v1.Health: add a health servicer to it",
        ),
        (
            Answer(end=(("grpc-status", "5"),)),
            "rpc error NOT_FOUND: the server's health servicer does not know that service",
        ),
        (
            Answer(end=(("grpc-status", "13"), ("grpc-message", "broken"))),
            "rpc error INTERNAL: broken",
        ),
        (Answer(end=(("grpc-status", "99"),)), "rpc error 99: it says no more"),
        (
            Answer(end=None, status="404"),
            "no gRPC is spoken there: HTTP 404 without a grpc-status",
        ),
        (Answer(message(b"\x08\x07")), "the answer is no health status"),
        (Answer(message(b"\x08\x01", compressed=1)), "the answer is no health status"),
        (Answer(b"\0"), "the answer is no health status"),
        (Answer(bytes(20000)), "the answer is no health status: it is too long"),
        (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "no HTTP/2 is spoken there"),
        (b"", "no HTTP/2 is spoken there: EOF"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@ONE_BACKEND
async def test_any_other_answer_is_a_failure_that_says_why(
    answer: Answer | bytes, why: str
) -> None:
    async with serving(answer) as server:
        with pytest.raises(NoAnswerError) as failure:
            await ask(server)
    assert str(failure.value).startswith(why)


@ONE_BACKEND
async def test_a_scenario_makes_the_liveness_probe_fail_and_no_other() -> None:
    faults = Faults(liveness_fails=True)
    async with serving(Answer(message(b"\x08\x01"))) as server:
        live, ready = Grpc(port=server.port), Grpc(port=server.port, service="ready")
        container = Container(name="app", liveness=Probe(check=live), readiness=Probe(check=ready))
        network = FaultyNetwork(Net(), faults)
        assert await network.health(ready, container) == "SERVING"
        with pytest.raises(NoAnswerError, match="the scenario makes this probe fail"):
            await network.health(live, container)
        faults.heal()
        assert await network.health(live, container) == "SERVING"
