"""WebSockets at the drain: the message in work is dealt with, then a close frame says why."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest
from starlette.websockets import WebSocket, WebSocketDisconnect

from lifecycle import End, ExitStatus, Lifecycle, LifecycleMiddleware, Phase
from lifecycle.asgi._http import Receive, Scope, Send
from tests.support.asgi import Socket, no_lifespan, serving

RESTART = (1012, "service restart")
ACCEPT = {"type": "websocket.accept"}


def starlette(handler: Callable[[WebSocket], Any]) -> Any:
    @no_lifespan
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await handler(WebSocket(scope, receive, send))

    return app


@starlette
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    with suppress(WebSocketDisconnect):
        while True:
            text = await websocket.receive_text()
            await anyio.sleep(float(text))
            await websocket.send_text(f"after {text}")


async def drained(
    app: Any,
    *,
    say: tuple[str, ...] = (),
    status: int = ExitStatus.CLEAN,
    grace: float = 30,
    path: str = "/chat",
    **options: Any,
) -> tuple[Socket, float, Lifecycle]:
    """A WebSocket that lives through a stop, the seconds from the stop to its end, and the lifecycle."""
    life = Lifecycle(grace_period=grace)
    async with serving(LifecycleMiddleware(app, life, **options)) as server:
        socket = server.connect(path)
        for text in say:
            socket.say(text)
        await anyio.sleep(1)
        stopped = anyio.current_time()
        life.request_stop("enough")
        await socket.done.wait()
        seconds = anyio.current_time() - stopped
        await server.told.wait()
    assert socket.rejected == []
    assert life.report.exit_status == status, str(life.report)
    return socket, seconds, life


async def test_a_quiet_websocket_is_closed_as_soon_as_the_drain_begins_with_the_reason() -> None:
    socket, seconds, _ = await drained(echo)
    assert socket.close == RESTART
    assert socket.error is None
    assert seconds == pytest.approx(0, abs=0.01)


async def test_the_message_in_work_is_dealt_with_first_however_long_within_the_budget() -> None:
    socket, seconds, _ = await drained(echo, say=("0.1", "12"))
    assert socket.texts == ["after 0.1", "after 12"]
    assert socket.close == RESTART
    assert seconds == pytest.approx(11.1, abs=0.1)


async def test_no_further_message_is_taken_after_it() -> None:
    socket, _, _ = await drained(echo, say=("3", "0.1"))
    assert socket.texts == ["after 3"]
    assert socket.close == RESTART


async def test_the_close_code_and_reason_can_be_chosen_by_route() -> None:
    routes = {"/game/*": End(code=4001, reason="server change")}
    socket, _, _ = await drained(echo, path="/game/7", routes=routes)
    assert socket.close == (4001, "server change")
    socket, _, _ = await drained(echo, path="/chat", routes=routes)
    assert socket.close == RESTART


async def test_the_handler_is_told_code_and_reason() -> None:
    heard: list[Any] = []

    @no_lifespan
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(ACCEPT)
        heard.append(await receive())
        heard.append(await receive())

    await drained(app)
    told = {"type": "websocket.disconnect", "code": 1012, "reason": "service restart"}
    assert heard == [told, told]


async def test_a_handler_that_only_sends_is_cancelled_and_its_client_told_why() -> None:
    cleaned_up: list[str] = []

    @starlette
    async def push(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_text("tick")
                await anyio.sleep(0.3)
        finally:
            cleaned_up.append("unsubscribed")

    socket, seconds, _ = await drained(push)
    assert socket.close == RESTART
    assert cleaned_up
    assert seconds == pytest.approx(1, abs=0.1)


async def test_a_handler_that_was_told_may_take_its_time_to_clean_up() -> None:
    saved: list[str] = []

    @starlette
    async def game(websocket: WebSocket) -> None:
        await websocket.accept()
        async for _ in websocket.iter_text():
            pass
        await anyio.sleep(6)
        saved.append("the game")

    socket, seconds, _ = await drained(game)
    assert saved
    assert socket.close == RESTART
    assert seconds == pytest.approx(6, abs=0.1)


async def test_who_was_told_and_goes_on_sending_finds_that_nobody_is_there_any_more() -> None:
    @starlette
    async def careless(websocket: WebSocket) -> None:
        await websocket.accept()

        async def push() -> None:
            while True:
                await websocket.send_text("tick")
                await anyio.sleep(0.3)

        async with anyio.create_task_group() as group:
            group.start_soon(push)
            async for _ in websocket.iter_text():
                pass

    socket, seconds, _ = await drained(careless)
    assert socket.close == RESTART
    assert socket.error is None
    assert seconds < 1.5


async def test_last_words_are_delivered() -> None:
    @starlette
    async def polite(websocket: WebSocket) -> None:
        await websocket.accept()
        async for _ in websocket.iter_text():
            pass
        await websocket.send_text("see you")

    socket, _, _ = await drained(polite)
    assert socket.texts == ["see you"]
    assert socket.close == RESTART


@pytest.mark.parametrize("code", [1000, 4000])
async def test_a_handler_that_closes_by_itself_has_the_last_word(code: int) -> None:
    @starlette
    async def own_close(websocket: WebSocket) -> None:
        await websocket.accept()
        async for _ in websocket.iter_text():
            pass
        await websocket.close(code, "my own reason")

    socket, _, _ = await drained(own_close)
    assert socket.close == (code, "my own reason")


async def test_a_handler_that_returns_without_closing_leaves_it_to_us_only_if_it_was_told() -> None:
    @starlette
    async def short(websocket: WebSocket) -> None:
        await websocket.accept()

    life = Lifecycle()
    async with serving(LifecycleMiddleware(short, life)) as server:
        socket = server.connect("/")
        await socket.done.wait()
    assert socket.sent == [{"type": "websocket.accept", "subprotocol": None, "headers": []}]


async def test_a_client_that_has_gone_is_sent_nothing_more() -> None:
    life = Lifecycle()

    @starlette
    async def slow_goodbye(websocket: WebSocket) -> None:
        await websocket.accept()
        async for _ in websocket.iter_text():
            pass
        await anyio.sleep(5)

    async with serving(LifecycleMiddleware(slow_goodbye, life)) as server:
        socket = server.connect("/")
        await anyio.sleep(1)
        socket.hang_up()
        await anyio.sleep(1)
        life.request_stop("enough")
        await server.told.wait()
    assert socket.close is None
    assert socket.error is None
    assert life.report.exit_status == 0


async def test_a_client_that_goes_while_it_is_being_closed_makes_no_trouble() -> None:
    life = Lifecycle()
    async with serving(LifecycleMiddleware(echo, life), asgi="2.4") as server:
        socket = server.connect("/")
        socket.say("3")
        await anyio.sleep(1)
        life.request_stop("enough")
        await anyio.sleep(1)
        socket.hang_up()
        await server.told.wait()
    assert socket.error is None
    assert life.report.exit_status == 0


async def test_a_handshake_that_is_pending_is_finished_and_then_closed() -> None:
    @starlette
    async def slow_login(websocket: WebSocket) -> None:
        await anyio.sleep(5)
        await websocket.accept()
        async for _ in websocket.iter_text():
            raise AssertionError("nothing was said")

    socket, seconds, _ = await drained(slow_login)
    assert socket.sent[0]["type"] == "websocket.accept"
    assert socket.close == RESTART
    assert seconds == pytest.approx(4, abs=0.1)


async def test_a_handshake_that_the_handler_refuses_is_its_own_business() -> None:
    @starlette
    async def slow_refusal(websocket: WebSocket) -> None:
        await anyio.sleep(5)
        await websocket.close(4403, "not you")

    socket, _, _ = await drained(slow_refusal)
    assert socket.sent == [{"type": "websocket.close", "code": 4403, "reason": "not you"}]


async def test_a_handshake_that_never_ends_is_cut_off_by_name() -> None:
    @starlette
    async def hung(websocket: WebSocket) -> None:
        await anyio.sleep_forever()

    socket, _, life = await drained(hung, grace=10, status=ExitStatus.WORK_ABANDONED)
    assert [work.name for work in life.report.abandoned] == ["WEBSOCKET /chat"]
    assert [m["type"] for m in socket.sent] in ([], ["websocket.close"])


async def test_a_message_in_work_when_the_budget_is_used_up_is_cut_off_and_the_client_told() -> (
    None
):
    socket, seconds, life = await drained(
        echo, say=("60",), grace=10, status=ExitStatus.WORK_ABANDONED
    )
    assert socket.texts == []
    assert socket.close == RESTART
    assert seconds == pytest.approx(4, abs=0.1)
    assert [(w.name, round(w.age)) for w in life.report.abandoned] == [("WEBSOCKET /chat", 5)]
    assert life.report.failures == []


async def test_finish_leaves_a_websocket_alone_until_the_budget_is_used_up() -> None:
    socket, seconds, life = await drained(
        echo, grace=10, websocket="finish", status=ExitStatus.WORK_ABANDONED
    )
    assert seconds == pytest.approx(4, abs=0.1)
    assert socket.close == RESTART
    assert [work.name for work in life.report.abandoned] == ["WEBSOCKET /chat"]


class Stalled(Socket):
    """A client that reads nothing any more."""

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.close":
            await anyio.sleep_forever()
        await super().send(message)


async def test_a_client_that_does_not_read_its_close_frame_is_not_stuck() -> None:
    life = Lifecycle(grace_period=10)
    middleware = LifecycleMiddleware(echo, life, websocket="finish")
    async with anyio.create_task_group() as group, serving(middleware) as server:
        socket = Stalled(server._scope("websocket", "/chat"))
        group.start_soon(socket.run, server.app)
        await anyio.sleep(1)
        life.request_stop("enough")
        await server.told.wait()
        group.cancel_scope.cancel()
    assert [work.name for work in life.report.abandoned] == ["WEBSOCKET /chat"]
    assert life.report.failures == []


async def test_under_finish_the_conversation_goes_on_and_may_end_by_itself() -> None:
    life = Lifecycle()
    async with serving(LifecycleMiddleware(echo, life, routes={"/chat": "finish"})) as server:
        socket = server.connect("/chat")
        await anyio.sleep(1)
        life.request_stop("enough")
        await anyio.sleep(1)
        assert life.phase is Phase.DRAINING
        socket.say("0.5")
        await anyio.sleep(1)
        assert socket.texts == ["after 0.5"]
        socket.hang_up()
        await server.told.wait()
    assert [message["type"] for message in socket.sent] == ["websocket.accept", "websocket.send"]
    assert life.report.exit_status == 0


async def test_websockets_are_served_in_the_lame_duck_and_ended_with_the_others() -> None:
    life = Lifecycle(shutdown_delay=3)
    async with serving(LifecycleMiddleware(echo, life)) as server:
        life.request_stop("enough")
        await anyio.sleep(1)
        socket = server.connect("/chat")
        socket.say("0.5")
        await anyio.sleep(1)
        assert socket.sent[1:] == [{"type": "websocket.send", "text": "after 0.5"}]
        await socket.done.wait()
        assert socket.close == RESTART
        await server.told.wait()


async def test_an_error_of_the_handler_is_still_an_error() -> None:
    @starlette
    async def buggy(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive()
        raise ZeroDivisionError("a bug")

    life = Lifecycle()
    async with serving(LifecycleMiddleware(buggy, life)) as server:
        socket = server.connect("/")
        await anyio.sleep(1)
        life.request_stop("enough")
        await socket.done.wait()
        assert isinstance(socket.error, ZeroDivisionError)
        await server.told.wait()


async def test_requests_and_websockets_find_the_lifecycle_in_their_state() -> None:
    life = Lifecycle()
    found: list[Any] = []

    @starlette
    async def look(websocket: WebSocket) -> None:
        found.append(websocket.state.lifecycle)
        await websocket.close()

    async with serving(LifecycleMiddleware(look, life), carries_state=False) as server:
        await server.connect("/").done.wait()
    assert found == [life]


async def test_a_thousand_websockets_close_together() -> None:
    life = Lifecycle()
    async with serving(LifecycleMiddleware(echo, life)) as server:
        sockets = [server.connect("/") for _ in range(1000)]
        await anyio.sleep(1)
        life.request_stop("enough")
        await server.told.wait()
        assert {socket.close for socket in sockets} == {RESTART}
    assert life.report.finished == 1000
    assert life.report.used < 1
