"""Any interleaving of an application, its client and the drain: what the client sees is well formed."""

from contextlib import suppress
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocketDisconnect

from lifecycle import Lifecycle, LifecycleMiddleware
from lifecycle.asgi._http import Message, Receive, Scope, Send
from lifecycle.asgi._interrupt import is_departure
from lifecycle.core import FAREWELL
from tests.support.asgi import Exchange, Socket, serving

examples = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

PAUSES = st.sampled_from([0.0, 0.0, 0.5, 0.9, 1.0, 1.1, 3.0, 40.0])
MOMENTS = st.sampled_from([0.0, 0.5, 1.0, 1.0, 1.5, 2.0, 4.0, 30.0])


class Scripted:
    """An application that does what it is told, and may be as stubborn as one can be without blocking the loop."""

    def __init__(self, steps: list[tuple[str, Any]]) -> None:
        self.steps = steps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        for step, value in self.steps:
            await self.do(step, value, receive, send)

    async def do(self, step: str, value: Any, receive: Receive, send: Send) -> None:
        if step == "sleep":
            await anyio.sleep(value)
        elif step == "receive":
            await receive()
        elif step == "listen":
            while not (await receive())["type"].endswith("disconnect"):
                pass
        elif step == "send":
            await send(value)
        elif step == "send all the same":
            with suppress(OSError):
                await send(value)
        elif step == "both":
            await self.both(value, receive, send)
        else:
            raise ZeroDivisionError("a bug")

    async def both(self, message: Message, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self.do, "receive", None, receive, send)
            await send(message)
            await anyio.sleep(0.7)
            group.cancel_scope.cancel()


def chunk(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


chunks = st.sampled_from([b"", b"data: x\n\n", b"data: ", b"x\n", b"\n"]).map(chunk)
http_steps = st.one_of(
    st.tuples(st.just("sleep"), PAUSES),
    st.tuples(st.sampled_from(["receive", "listen"]), st.none()),
    st.tuples(st.sampled_from(["send", "send all the same", "both"]), chunks),
    st.tuples(st.just("fail"), st.none()),
)
beginnings = st.lists(st.tuples(st.just("sleep"), PAUSES), max_size=1)
ends = st.sampled_from(
    [[], [("send", chunk(b"", more=False))], [("send", chunk(b"end", more=False))]]
)
starts = st.sampled_from(
    [
        {"type": "http.response.start", "status": 200, "headers": headers}
        for headers in (
            [],
            [(b"content-type", b"text/event-stream")],
            [(b"content-encoding", b"gzip")],
            [(b"content-length", b"1000")],
        )
    ]
)


async def live_through(
    app: Any, conversation: Any, *, stop_at: float, gone_at: float | None
) -> Any:
    """The conversation, after a stop and perhaps a hang-up in the middle of it."""
    life = Lifecycle(grace_period=12)
    async with (
        anyio.create_task_group() as group,
        serving(LifecycleMiddleware(app, life, http="end")) as server,
    ):
        talk = conversation(server)
        group.start_soon(talk.run, server.app)

        async def hang_up() -> None:
            if gone_at is not None:
                await anyio.sleep(gone_at)
                talk.hang_up()

        group.start_soon(hang_up)
        await anyio.sleep(stop_at)
        life.request_stop("enough")
        await server.told.wait()
        assert talk.done.is_set(), "the server was told to leave while somebody was still at work"
    assert life.report.used < 12
    return talk, life


@examples
@given(
    begin=beginnings,
    start=starts,
    steps=st.lists(http_steps, max_size=6),
    end=ends,
    stop_at=MOMENTS,
    gone_at=st.none() | MOMENTS,
    asgi=st.sampled_from(["2.3", "2.4"]),
)
async def test_whatever_happens_an_http_client_sees_one_start_and_at_most_one_end(
    begin: Any,
    start: Message,
    steps: Any,
    end: Any,
    stop_at: float,
    gone_at: float | None,
    asgi: str,
) -> None:
    app = Scripted([*begin, ("send", start), *steps, *end])

    def converse(server: Any) -> Exchange:
        server._asgi["spec_version"] = asgi
        return Exchange(server._scope("http", "/", method="GET"))

    talk, life = await live_through(app, converse, stop_at=stop_at, gone_at=gone_at)
    answer = await talk.answer()
    kinds = [message["type"] for message in talk.sent]
    assert kinds == ["http.response.start"][: len(kinds)] + ["http.response.body"] * (
        len(kinds) - 1
    )
    # The only messages out of their place are ours, which find out whether an answer has begun.
    assert all(message.get("status") == 503 for message in talk.rejected)
    assert [m.get("more_body", False) for m in talk.sent[1:]].count(False) <= 1
    if answer.complete and FAREWELL in answer.body:
        assert answer.body.count(FAREWELL) == 1
        assert answer.body.endswith(FAREWELL)
        assert answer.body.removesuffix(FAREWELL) in (b"", b"\n") or answer.body.removesuffix(
            FAREWELL
        ).endswith(b"\n\n")
    if not talk.error and not life.report.abandoned and gone_at is None and end:
        assert answer.complete


texts = st.just({"type": "websocket.send", "text": "x"})
socket_steps = st.one_of(
    st.tuples(st.just("sleep"), PAUSES),
    st.tuples(st.sampled_from(["receive", "listen"]), st.none()),
    st.tuples(st.sampled_from(["send", "send all the same", "both"]), texts),
    st.tuples(st.just("fail"), st.none()),
)
closes = st.sampled_from(
    [[], [("send", {"type": "websocket.close", "code": 1000, "reason": "done"})]]
)


@examples
@given(
    begin=beginnings,
    steps=st.lists(socket_steps, max_size=6),
    end=closes,
    stop_at=MOMENTS,
    gone_at=st.none() | MOMENTS,
    said=st.lists(st.just("word"), max_size=3),
)
async def test_whatever_happens_a_websocket_sees_one_accept_and_at_most_one_close(
    begin: Any, steps: Any, end: Any, stop_at: float, gone_at: float | None, said: list[str]
) -> None:
    accept = ("send", {"type": "websocket.accept"})
    app = Scripted([*begin, ("receive", None), accept, *steps, *end])

    def converse(server: Any) -> Socket:
        socket = Socket(server._scope("websocket", "/"))
        for word in said:
            socket.say(word)
        return socket

    talk, life = await live_through(app, converse, stop_at=stop_at, gone_at=gone_at)
    assert talk.rejected == []
    kinds = [message["type"].removeprefix("websocket.") for message in talk.sent]
    assert kinds[:1] in ([], ["accept"])
    assert set(kinds[1:-1]) <= {"send"}
    assert kinds.count("close") <= 1
    if talk.close is not None:
        assert kinds[-1] == "close"
        assert talk.close in ((1000, "done"), (1012, "service restart"))
    if life.report.abandoned and kinds and gone_at is None and talk.error is None:
        assert talk.close == (1012, "service restart")


class UnrelatedError(Exception):
    pass


@pytest.mark.parametrize(
    ("failure", "departs"),
    [
        (OSError("gone"), True),
        (ConnectionResetError(), True),
        (WebSocketDisconnect(), True),
        (ClientDisconnect(), True),
        (ExceptionGroup("", [OSError(), WebSocketDisconnect()]), True),
        (ExceptionGroup("", [ExceptionGroup("", [OSError()])]), True),
        (ExceptionGroup("", [OSError(), ValueError()]), False),
        (UnrelatedError(), False),
        (ValueError("gone"), False),
    ],
)
def test_only_the_usual_signs_of_a_departed_client_are_taken_for_it(
    failure: Exception, departs: bool
) -> None:
    assert is_departure(failure) == departs


async def test_a_message_that_has_arrived_is_not_lost_to_the_interruption() -> None:
    """The drain begins in the very moment in which the application's `receive` returns."""
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            heard.append(message["text"])

    life = Lifecycle()
    async with serving(LifecycleMiddleware(app, life)) as server:
        socket = server.connect("/")
        await anyio.sleep(1)
        socket.say("just in time")
        await anyio.lowlevel.checkpoint()
        life.request_stop("enough")
        await socket.done.wait()
    assert heard in ([], ["just in time"])
    assert len(socket._incoming) + len(heard) == 1, (
        "taken from the server, and not given to anybody"
    )
