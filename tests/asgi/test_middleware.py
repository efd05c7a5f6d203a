"""What happens to requests, from READY to the end."""

import asyncio
import logging
import threading
from typing import Any

import anyio
import anyio.to_thread
import pytest

from lifecycle import (
    End,
    Endpoints,
    ExitStatus,
    Lifecycle,
    LifecycleMiddleware,
    Phase,
    SettingsError,
)
from lifecycle.asgi._http import Receive, Scope, Send
from lifecycle.core import PROMISES
from tests.support.asgi import Exchange, no_lifespan, serving
from tests.support.clock import flowing
from tests.support.phases import held_in, hello


class Recorder:
    """An application that keeps what it is called with, and answers when it is released."""

    def __init__(self) -> None:
        self.calls: list[tuple[Scope, Receive, Send]] = []
        self.release = anyio.Event()
        self.begins = False
        """The answer has begun before the release."""
        self.cleaned_up: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        self.calls.append((scope, receive, send))
        start = {"type": "http.response.start", "status": 200, "headers": []}
        try:
            if self.begins:
                await send(start)
                await send({"type": "http.response.body", "body": b"begun,", "more_body": True})
            await self.release.wait()
        finally:
            self.cleaned_up.append(scope["path"])
        if not self.begins:
            await send(start)
        await send({"type": "http.response.body", "body": b"done"})


# While all is well.


async def test_while_ready_the_application_gets_the_very_send_and_receive_of_the_server() -> None:
    app = Recorder()
    app.release.set()
    async with serving(LifecycleMiddleware(app, Lifecycle(), routes={"/sse": "end"})) as server:
        exchange = server.begin("/")
        assert (await exchange.answer()).body == b"done"
        scope, receive, send = app.calls[0]
        assert receive == exchange.receive
        assert send == exchange.send
        assert scope is exchange.scope


async def test_while_ready_nothing_is_added_to_an_answer() -> None:
    async with serving(LifecycleMiddleware(hello, Lifecycle())) as server:
        answer = await server.ask("/")
    assert (answer.status, answer.headers, answer.body) == (200, [], b"hello")


@pytest.mark.parametrize("carries_state", [True, False])
async def test_requests_find_the_lifecycle_and_the_resources_in_their_state(
    carries_state: bool,
) -> None:
    life = Lifecycle()
    app = Recorder()
    app.release.set()

    @life.resource
    async def pool() -> Any:
        yield "a pool"

    middleware = LifecycleMiddleware(app, life)
    async with serving(middleware, carries_state=carries_state) as server:
        await server.ask("/")
        await server.ask("/")
    for scope, _, _ in app.calls:
        assert scope["state"]["lifecycle"] is life
        assert scope["state"]["pool"] == "a pool"


async def test_the_state_of_a_request_is_its_own() -> None:
    app = Recorder()
    app.release.set()
    async with serving(LifecycleMiddleware(app, Lifecycle()), carries_state=False) as server:
        await server.ask("/")
        app.calls[0][0]["state"]["user"] = "alice"
        await server.ask("/")
    assert "user" not in app.calls[1][0]["state"]


async def test_other_kinds_of_scope_pass_untouched() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    scope = {"type": "carrier pigeon"}
    exchange = Exchange({"asgi": {"spec_version": "2.3"}})
    await LifecycleMiddleware(app, Lifecycle())(scope, exchange.receive, exchange.send)
    assert seen == [scope]


async def test_an_error_of_the_application_is_the_servers_business_and_not_in_flight_any_more() -> (
    None
):
    @no_lifespan
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError("a bug")

    life = Lifecycle()
    async with serving(LifecycleMiddleware(app, life)) as server:
        exchange = server.begin("/")
        assert (await exchange.answer()).status == 500
        assert isinstance(exchange.error, ZeroDivisionError)
        assert not len(life._works)


# Counting.


async def test_requests_in_flight_are_counted_by_name_and_age() -> None:
    life = Lifecycle()
    app = Recorder()
    async with serving(LifecycleMiddleware(app, life)) as server:
        first = server.begin("/orders", method="POST")
        await anyio.sleep(2)
        second = server.begin("/items")
        await anyio.sleep(1)
        assert sorted(work.name for work in life._works) == ["GET /items", "POST /orders"]
        app.release.set()
        await first.done.wait()
        await second.done.wait()
        assert len(life._works) == 0
    assert life.report.finished == 2
    assert life.report.abandoned == []


async def test_what_the_drain_had_to_abandon_is_reported_by_name_and_age() -> None:
    life = Lifecycle(grace_period=10)
    app = Recorder()
    async with serving(LifecycleMiddleware(app, life)) as server:
        exchange = server.begin("/orders/42", method="PUT")
        await anyio.sleep(3)
        life.request_stop("enough")
        await exchange.done.wait()
        await server.told.wait()
    assert [(work.name, round(work.age)) for work in life.report.abandoned] == [
        ("PUT /orders/42", 3 + 4)
    ]
    assert life.report.exit_status == ExitStatus.WORK_ABANDONED


async def test_a_drain_ends_with_the_last_request_and_not_later() -> None:
    life = Lifecycle()
    app = Recorder()
    async with serving(LifecycleMiddleware(app, life)) as server:
        exchange = server.begin("/")
        await anyio.sleep(1)
        life.request_stop("enough")
        await anyio.sleep(7)
        assert life.phase is Phase.DRAINING
        app.release.set()
        assert (await exchange.answer()).body == b"done"
        await server.told.wait()
    assert life.report.used == pytest.approx(7, abs=0.01)


async def test_work_after_the_answer_is_in_flight_too() -> None:
    life = Lifecycle()
    written: list[str] = []

    @no_lifespan
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        await anyio.sleep(6)
        written.append("to the database")

    @life.on_shutdown
    async def close_database() -> None:
        assert written

    async with serving(LifecycleMiddleware(app, life)) as server:
        exchange = server.begin("/")
        await exchange.until_sent(2)
        life.request_stop("enough")
        await server.told.wait()
    assert written
    assert life.report.exit_status == 0


# From the lame duck on.


@pytest.mark.parametrize("phase", [Phase.READY, Phase.LAME_DUCK])
@pytest.mark.parametrize(
    ("version", "closable"), [("1.0", True), ("1.1", True), ("2", False), ("3", False)]
)
async def test_answers_ask_to_close_from_the_lame_duck_on_in_http_1_only(
    phase: Phase, version: str, closable: bool
) -> None:
    async with held_in(phase) as (_, server):
        answer = await server.ask("/", http_version=version)
    assert (answer.status, answer.body) == (200, b"hello")
    closes = answer.header("connection") == "close"
    assert closes == (PROMISES[phase].closes and closable)


@pytest.mark.parametrize("given", [b"keep-alive", b"close"])
async def test_a_connection_header_of_the_application_is_replaced_not_joined(given: bytes) -> None:
    @no_lifespan
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"X-One", b"1"), (b"Connection", given)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    async with held_in(Phase.LAME_DUCK, app) as (_, server):
        answer = await server.ask("/")
    assert answer.headers == [(b"X-One", b"1"), (b"connection", b"close")]


@pytest.mark.parametrize("phase", [phase for phase in Phase if not PROMISES[phase].accepts])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
async def test_new_work_is_refused_wherever_it_is_not_promised_to_be_served(
    phase: Phase, method: str
) -> None:
    app = Recorder()
    async with held_in(phase, app) as (life, server):
        answer = await server.ask("/orders", method=method)
        assert answer.status == 503
        assert answer.header("retry-after") == "1"
        assert answer.header("connection") == "close"
        assert answer.header("cache-control") == "no-store"
        assert answer.complete
        assert (answer.body == b"") == (method == "HEAD")
        assert int(answer.header("content-length") or 0) > 0
        if method != "HEAD":
            assert answer.body.startswith(b"not taking new work: ")
        assert life._works.refused == 1
    assert app.calls == []


async def test_a_refusal_in_http_2_names_no_connection() -> None:
    async with held_in(Phase.DRAINING) as (_, server):
        answer = await server.ask("/", http_version="2")
    assert answer.status == 503
    assert answer.header("connection") is None
    assert answer.header("retry-after") == "1"


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.DRAINING, Phase.STOPPING, Phase.STOPPED])
async def test_a_websocket_is_turned_away_before_it_is_accepted(phase: Phase) -> None:
    async with held_in(phase) as (_, server):
        socket = server.connect("/chat")
        await socket.done.wait()
        assert socket.sent == [
            {"type": "websocket.close", "code": 1013, "reason": "try again later"}
        ]
        told = server.connect("/chat", extensions={"websocket.http.response": {}})
        await told.done.wait()
        assert told.error is None
        assert told.sent[0]["status"] == 503
        assert (b"retry-after", b"1") in told.sent[0]["headers"]


async def test_the_report_counts_what_was_refused() -> None:
    async with held_in(Phase.DRAINING) as (life, server):
        for _ in range(3):
            await server.ask("/")
        await server.connect("/").done.wait()
    assert life.report.refused == 4
    assert life.report.finished == 1  # the work that held it


# Where the budget ends.


@pytest.mark.parametrize("begun", [False, True])
async def test_a_request_that_is_cut_off_is_answered_if_it_can_be_and_visibly_truncated_else(
    begun: bool,
) -> None:
    life = Lifecycle(grace_period=10)
    app = Recorder()
    app.begins = begun
    async with serving(LifecycleMiddleware(app, life)) as server:
        exchange = server.begin("/slow")
        await anyio.sleep(0.1)
        life.request_stop("enough")
        answer = await exchange.answer()
        await server.told.wait()
    assert exchange.error is None
    assert app.cleaned_up == ["/slow"]
    if begun:
        assert answer.truncated
        assert answer.body == b"begun,"
    else:
        assert answer.status == 503
        assert answer.header("retry-after") == "1"
        assert answer.header("connection") == "close"
        assert answer.body == b"cut off: the process is stopping\n"
        assert answer.complete
        assert exchange.rejected == []


async def test_shutdown_hooks_wait_for_cancelled_requests_to_clean_up() -> None:
    life = Lifecycle(grace_period=10)
    order: list[str] = []

    @no_lifespan
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.5)
            order.append("rolled back")

    @life.on_shutdown
    async def close_pool() -> None:
        order.append("pool closed")

    async with serving(LifecycleMiddleware(app, life)) as server:
        server.begin("/")
        await anyio.sleep(0.1)
        life.request_stop("enough")
        await server.told.wait()
    assert order == ["rolled back", "pool closed"]


async def test_a_request_that_swallows_its_cancellation_is_named_and_holds_nobody() -> None:
    life = Lifecycle(grace_period=10)
    release = anyio.Event()

    @no_lifespan
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with anyio.CancelScope(shield=True):
            while not release.is_set():
                try:
                    await release.wait()
                except anyio.get_cancelled_exc_class():
                    continue  # as code does that means well
        await hello(scope, receive, send)

    async with serving(LifecycleMiddleware(app, life)) as server:
        exchange = server.begin("/stubborn")
        await anyio.sleep(0.1)
        start = anyio.current_time()
        life.request_stop("enough")
        await server.told.wait()
        assert anyio.current_time() - start < 9
        release.set()
        await exchange.done.wait()
    report = life.report
    assert report.exit_status == ExitStatus.WORK_ABANDONED
    assert [work.name for work in report.abandoned] == ["GET /stubborn"]
    assert report.failures == ["GET /stubborn goes on although it was cut off"]
    assert report.finished == 0


async def test_a_request_that_the_application_sends_to_itself_counts_and_is_cut_off_with_its_sender() -> (
    None
):
    life = Lifecycle(grace_period=10)
    inner: list[Exchange] = []
    both = anyio.Event()

    @no_lifespan
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/inner":
            both.set()
            await anyio.sleep_forever()
        inner.append(Exchange({**scope, "path": "/inner"}))
        # As httpx.ASGITransport does: in the same task.
        await middleware(inner[0].scope, inner[0].receive, inner[0].send)

    middleware = LifecycleMiddleware(app, life)
    async with serving(middleware) as server:
        exchange = server.begin("/outer")
        await both.wait()
        assert sorted(work.name for work in life._works) == ["GET /inner", "GET /outer"]
        life.request_stop("enough")
        answer = await exchange.answer()
        await server.told.wait()
    assert (answer.status, answer.body) == (503, b"cut off: the process is stopping\n")
    assert sorted(work.name for work in life.report.abandoned) == ["GET /inner", "GET /outer"]
    assert life.report.failures == []
    assert len(life._works) == 0


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_request_in_no_task_at_all_is_served_and_counted() -> None:
    """As servers might do that drive coroutines by themselves."""
    life = Lifecycle()
    served: list[int] = []
    done = anyio.Event()

    @no_lifespan
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        served.append(len(life._works))

    async with serving(LifecycleMiddleware(app, life)) as server:
        exchange = Exchange(server._scope("http", "/", method="GET"))
        request = server.app(exchange.scope, exchange.receive, exchange.send)

        def drive() -> None:
            with pytest.raises(StopIteration):
                request.send(None)  # type: ignore[attr-defined] # it is a coroutine
            done.set()

        asyncio.get_running_loop().call_soon(drive)
        await done.wait()
    assert served == [1]
    assert life.report.finished == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_shutdown_hooks_wait_for_the_threads_of_requests_that_were_cut_off() -> None:
    """A thread cannot be cut off. On trio its request cannot either, and is waited for as such."""
    life = Lifecycle(grace_period=10, drain_timeout=0)
    begun, closed, used_after_the_end = threading.Event(), threading.Event(), list[bool]()

    def query() -> None:
        begun.set()
        used_after_the_end.append(closed.wait(0.3))

    @no_lifespan
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.to_thread.run_sync(query)

    @life.on_shutdown
    async def close_pool() -> None:
        closed.set()

    async with serving(LifecycleMiddleware(app, life)) as server:
        exchange = server.begin("/sync")
        await anyio.to_thread.run_sync(begun.wait)
        with flowing():
            life.request_stop("enough")
            assert (await exchange.answer()).status == 503
            await server.told.wait()
    assert used_after_the_end == [False]
    assert life.report.stacks == {}


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_after_a_cut_the_servers_task_is_not_left_half_cancelled() -> None:
    life = Lifecycle(grace_period=10)
    left: list[int] = []
    middleware = LifecycleMiddleware(Recorder(), life)

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        await middleware(scope, receive, send)
        task = asyncio.current_task()
        assert task is not None
        left.append(task.cancelling())

    async with serving(watched) as server:
        exchange = server.begin("/")
        await anyio.sleep(0.1)
        life.request_stop("enough")
        assert (await exchange.answer()).status == 503
    assert left == [0, 0]


async def test_a_cancellation_by_the_server_is_passed_on() -> None:
    app = Recorder()
    life = Lifecycle()
    async with serving(LifecycleMiddleware(app, life)) as server:
        exchange = Exchange(server._scope("http", "/", method="GET"))
        with anyio.move_on_after(1) as scope:
            await exchange.run(server.app)
        assert scope.cancelled_caught
        assert exchange.sent == []
        assert exchange.rejected == []
        assert not len(life._works)
    assert life.report.exit_status == 0


async def test_a_forced_stop_cuts_requests_off_at_once() -> None:
    life = Lifecycle(shutdown_delay=5)
    app = Recorder()
    async with serving(LifecycleMiddleware(app, life)) as server:
        exchange = server.begin("/")
        await anyio.sleep(0.1)
        assert life._engine is not None
        start = anyio.current_time()
        life._engine.force("SIGQUIT forced the stop")
        assert (await exchange.answer()).status == 503
        await server.told.wait()
        assert anyio.current_time() - start < 3
    assert life.report.exit_status == ExitStatus.FORCED


# Installing it.


async def test_a_server_without_lifespan_is_told_what_to_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Recorder()
    middleware = LifecycleMiddleware(app, Lifecycle())
    answers = []
    for _ in range(3):
        exchange = Exchange(
            {
                "type": "http",
                "method": "GET",
                "path": "/",
                "headers": [],
                "asgi": {"spec_version": "2.3"},
            }
        )
        await exchange.run(middleware)
        answers.append(await exchange.answer())
    assert [answer.status for answer in answers] == [503] * 3
    assert answers[0].body == (
        b"not taking new work: the application has not been started (no lifespan.startup)\n"
    )
    assert app.calls == []
    (said,) = [record.getMessage() for record in caplog.records]
    assert "the server has sent no lifespan.startup: run it with its lifespan on" in said
    assert "(with TestClient(app) as client)" in said


async def test_the_middleware_installed_twice_fails_the_start_and_says_so() -> None:
    life = Lifecycle()
    twice = LifecycleMiddleware(LifecycleMiddleware(hello, life), life)
    async with serving(twice) as server:
        assert server.failure is not None
        assert "has been started before" in server.failure
        assert "install its middleware once" in server.failure
    assert life.report.exit_status == ExitStatus.START_FAILED


async def test_a_second_lifecycle_in_the_process_fails_the_start_and_says_so() -> None:
    second = Lifecycle()
    twice = LifecycleMiddleware(LifecycleMiddleware(hello, second), Lifecycle())
    async with serving(twice) as server:
        assert server.failure is not None
        assert "another Lifecycle is running in this process" in server.failure
    assert second.phase is Phase.STARTING


async def test_the_same_life_served_twice_fails_the_second_start_and_not_the_first() -> None:
    life = Lifecycle()
    middleware = LifecycleMiddleware(hello, life)
    async with serving(middleware) as first:
        async with serving(middleware) as second:
            assert second.failure is not None
            assert "has been started before" in second.failure
            assert "reset()" in second.failure
        assert (await first.ask("/")).status == 200
    assert life.report.exit_status == 0


async def test_after_reset_the_same_life_can_be_served_again() -> None:
    life = Lifecycle()
    middleware = LifecycleMiddleware(hello, life)
    for _ in range(2):
        async with serving(middleware) as server:
            assert (await server.ask("/")).status == 200
            assert (await server.ask("/shutdown")).status == 200
        assert life.report.finished == 1
        life.reset()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"http": "stop"}, r"LifecycleMiddleware: http='stop' is not a policy: write 'finish'"),
        ({"websocket": None}, r"LifecycleMiddleware: websocket=None is not a policy"),
        ({"routes": {"/a": 5}}, r"LifecycleMiddleware: routes\['/a'\]=5 is not a policy"),
        ({"routes": {"sse": "end"}}, r"routes\['sse'\].*patterns begin with a slash"),
        ({"routes": ["/sse"]}, r"routes=\['/sse'\].*is not a mapping"),
        ({"endpoints": {"shutdown": "/bye"}}, r"endpoints=\{'shutdown': '/bye'\}.*Endpoints\("),
    ],
)
def test_a_malformed_option_is_refused_with_its_name_and_value(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        LifecycleMiddleware(hello, Lifecycle(), **options)


def test_arguments_in_the_wrong_places_are_refused() -> None:
    with pytest.raises(SettingsError, match="the first argument is the ASGI application"):
        LifecycleMiddleware(Lifecycle(), Lifecycle())  # type: ignore[arg-type] # that is the mistake
    with pytest.raises(
        SettingsError, match="give it the Lifecycle that the hooks are registered on"
    ):
        LifecycleMiddleware(hello, hello)  # type: ignore[arg-type] # that is the mistake


def test_endpoints_can_be_moved_and_switched_off() -> None:
    life = Lifecycle()
    middleware = LifecycleMiddleware(
        hello, life, endpoints=Endpoints(shutdown="/-/stop", livez=None, post_start=None)
    )
    assert middleware._paths == {"/-/stop", "/readyz", "/startupz"}


# Policies per route.


@pytest.mark.parametrize(
    ("path", "ends"),
    [("/events", True), ("/feed/7/live", True), ("/feed", False), ("/other", False)],
)
async def test_the_first_pattern_that_fits_a_path_decides(path: str, ends: bool) -> None:
    app = Recorder()
    routes = {"/events": "end", "/feed/quiet": "finish", "/feed/*": End()}
    async with serving(LifecycleMiddleware(app, Lifecycle(), routes=routes)) as server:  # type: ignore[arg-type] # str is wider than Policy
        app.release.set()
        exchange = server.begin(path)
        await exchange.answer()
        assert (app.calls[0][2] != exchange.send) == ends
        quiet = server.begin("/feed/quiet")
        await quiet.answer()
        assert app.calls[1][2] == quiet.send


async def test_patterns_are_of_the_path_inside_the_application() -> None:
    app = Recorder()
    app.release.set()
    middleware = LifecycleMiddleware(app, Lifecycle(), routes={"/events": "end"})
    async with serving(middleware) as server:
        exchange = server.begin("/api/events", root_path="/api")
        await exchange.answer()
        assert app.calls[0][2] != exchange.send


async def test_logs_say_little_while_all_is_well(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lifecycle")
    async with serving(LifecycleMiddleware(hello, Lifecycle())) as server:
        for _ in range(50):
            await server.ask("/")
            await server.ask("/readyz")
        assert [record.getMessage() for record in caplog.records] == ["phase changed"]
