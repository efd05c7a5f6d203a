"""Who was served, and who was let down how: real sockets, and servers that misbehave on purpose."""

import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from websockets.server import ServerProtocol

from lifecycle.rehearse import Journal, Kind, Outcome, PodClock, Sample, Way
from lifecycle.rehearse._load import KEPT, Load, Traffic
from lifecycle.rehearse._proxy import RESET_ON_CLOSE, Proxy
from lifecycle.rehearse._service import Backend, Service
from tests.support.clock import flowing

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
ENOUGH = 8
"""Requests after which a load is stopped."""

Handler = Callable[[SocketStream], Awaitable[None]]


def answers(data: bytes, *, once: bool = False) -> Handler:
    """To each request the same; `once`: then the connection is closed, without a word."""

    async def handle(stream: SocketStream) -> None:
        async with stream:
            async for _ in stream:
                await stream.send(data)
                if once:
                    return

    return handle


async def hangs_up(stream: SocketStream) -> None:
    async with stream:
        await stream.receive()
        raw = stream.extra(SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


async def says_nothing(stream: SocketStream) -> None:
    async with stream:
        async for _ in stream:
            pass


@asynccontextmanager
async def listening(handle: Handler) -> AsyncIterator[int]:
    async def serve(stream: SocketStream) -> None:
        # The client may hang up first.
        with suppress(anyio.BrokenResourceError, anyio.EndOfStream):
            await handle(stream)

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve)
        yield listener.extra(SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


async def load_on(port: int, traffic: Traffic, enough: int = ENOUGH) -> Load:
    """Until so many requests have ended."""
    clock = PodClock()
    journal = Journal(clock)
    service = Service(clock, journal, lag=0)
    service.add(Backend("web", "127.0.0.1", port))
    ended = anyio.Event()

    def tell(_: Sample) -> None:
        if len(load.samples) >= enough:
            ended.set()

    load = Load(service, clock, traffic, tell)
    async with service.follow(), anyio.create_task_group() as tasks:
        journal.append(Kind.POD_READY, pod="web")
        service.catch_up()
        tasks.start_soon(load.run)
        with anyio.fail_after(20):
            await ended.wait()
        load.stop()
    return load


@pytest.mark.parametrize(
    ("handle", "outcome"),
    [
        (answers(WHOLE), Outcome.ANSWERED),
        (answers(UNAVAILABLE, once=True), Outcome.SERVER_ERROR),
        (answers(HALF, once=True), Outcome.TRUNCATED),
        (hangs_up, Outcome.RESET),
        (says_nothing, Outcome.TIMEOUT),
        (answers(b"220 mail.example ESMTP\r\n", once=True), Outcome.TRUNCATED),
    ],
)
async def test_every_way_of_letting_a_client_down_has_its_name(
    handle: Handler, outcome: Outcome
) -> None:
    with flowing():
        async with listening(handle) as port:
            # Only who waits in vain needs little of it.
            patience = 0.3 if outcome is Outcome.TIMEOUT else 10.0
            load = await load_on(port, Traffic(rate=200, patience=patience))
    ways = {sample.way for sample in load.samples}
    assert {sample.outcome for sample in load.samples} == {outcome}
    assert ways == {Way.NEW, Way.KEPT}
    assert load.under_way == 0


async def test_a_port_where_nobody_listens_refuses() -> None:
    with socket.socket() as taken, flowing():
        taken.bind(("127.0.0.1", 0))  # bound, and not listening
        load = await load_on(taken.getsockname()[1], Traffic(rate=200))
    assert {sample.outcome for sample in load.samples} == {Outcome.REFUSED}


async def test_a_connection_that_was_closed_while_idle_is_replaced_and_is_no_failure() -> None:
    with flowing():
        async with listening(answers(WHOLE, once=True)) as port:
            # A server on a busy machine may be slow to close: what is sent before it does is lost.
            load = await load_on(port, Traffic(rate=20), enough=12)
    assert not [sample for sample in load.samples if sample.failed]
    assert load.reconnected > 0


async def test_kept_connections_are_kept() -> None:
    connections = 0

    async def handle(stream: SocketStream) -> None:
        nonlocal connections
        connections += 1
        await answers(WHOLE)(stream)

    with flowing():
        async with listening(handle) as port:
            load = await load_on(port, Traffic(rate=100), enough=40)
    new = sum(sample.way is Way.NEW for sample in load.samples)
    assert connections - new <= KEPT + 2  # two may have been slow, and one more was opened


def says_farewell(code: int | None) -> Handler:
    """A WebSocket that is closed with this code; None: without a word."""

    async def handle(stream: SocketStream) -> None:
        protocol = ServerProtocol()
        async with stream:
            while True:
                protocol.receive_data(await stream.receive())
                for event in protocol.events_received():
                    if hasattr(event, "path"):
                        protocol.send_response(protocol.accept(event))  # type: ignore[arg-type]  # the request
                        if code is not None:
                            protocol.send_close(code, "bye")
                for data in protocol.data_to_send():
                    await stream.send(data)
                if code is None:
                    return

    return handle


@pytest.mark.parametrize(
    ("handle", "outcome", "detail"),
    [
        (says_farewell(1012), Outcome.ANSWERED, "closed with 1012 bye"),
        (says_farewell(1011), Outcome.CUT_OFF, "closed with 1011 bye"),
        (says_farewell(None), Outcome.CUT_OFF, "1006, ended without a close frame"),
        (answers(WHOLE, once=True), Outcome.CUT_OFF, "HTTP 200"),
        (answers(UNAVAILABLE, once=True), Outcome.SERVER_ERROR, "HTTP 503"),
    ],
)
async def test_a_websocket_may_be_closed_but_not_cut_off(
    handle: Handler, outcome: Outcome, detail: str
) -> None:
    with flowing():
        async with listening(handle) as port:
            load = await load_on(port, Traffic(rate=0, websockets=("/ws",)), enough=2)
    first = load.samples[0]
    assert (first.outcome, first.way) == (outcome, Way.WEBSOCKET)
    assert detail in first.detail


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\ndata: 1\n\r\n"


@pytest.mark.parametrize(
    ("data", "outcome"),
    [(CHUNKED + b"0\r\n\r\n", Outcome.ANSWERED), (CHUNKED, Outcome.TRUNCATED)],
)
async def test_a_stream_may_end_but_not_break_off(data: bytes, outcome: Outcome) -> None:
    with flowing():
        async with listening(answers(data, once=True)) as port:
            load = await load_on(port, Traffic(rate=0, streams=("/events",)), enough=2)
    assert load.samples[0].outcome is outcome
    assert load.samples[0].way is Way.STREAM


async def test_the_proxy_leads_others_to_the_pods() -> None:
    clock = PodClock()
    journal = Journal(clock)
    service = Service(clock, journal, lag=0)
    proxy = Proxy(service)
    with flowing():
        async with listening(answers(WHOLE)) as port, service.follow(), proxy.open():
            service.add(Backend("web", "127.0.0.1", port))
            journal.append(Kind.POD_READY, pod="web")
            service.catch_up()
            host, _, proxied = proxy.address.partition(":")
            async with await anyio.connect_tcp(host, int(proxied)) as stream:
                await stream.send(b"GET / HTTP/1.1\r\n\r\n")
                assert await stream.receive() == WHOLE
            journal.append(Kind.DELETED, pod="web")
            journal.append(Kind.POD_NOT_READY, pod="web")
            service.catch_up()
            async with await anyio.connect_tcp(host, int(proxied)) as stream:
                with pytest.raises(anyio.BrokenResourceError):
                    await stream.receive()


async def test_several_paths_are_asked_for_in_turn() -> None:
    with flowing():
        async with listening(answers(WHOLE)) as port:
            load = await load_on(port, Traffic(rate=100, paths=("/a", "/b")), enough=20)
    asked = Counter(sample.path for sample in load.samples)
    assert abs(asked["/a"] - asked["/b"]) <= 2
