"""The application's own lifespan inside ours: none, good, failing, crashing, hanging."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from lifecycle import ExitStatus, Lifecycle, LifecycleMiddleware, Phase
from lifecycle.asgi._http import Receive, Scope, Send
from tests.support.asgi import serving
from tests.support.phases import hello

Talk = Callable[[Scope, Receive, Send], Any]


def with_lifespan(talk: Talk) -> Any:
    """An application whose lifespan is spoken by hand."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await talk(scope, receive, send)
        else:
            await hello(scope, receive, send)

    return app


async def start(receive: Receive, send: Send) -> None:
    assert await receive() == {"type": "lifespan.startup"}
    await send({"type": "lifespan.startup.complete"})


async def stop(receive: Receive, send: Send) -> None:
    assert await receive() == {"type": "lifespan.shutdown"}
    await send({"type": "lifespan.shutdown.complete"})


async def test_it_starts_last_and_is_shut_down_first() -> None:
    life = Lifecycle()
    order: list[str] = []

    @life.resource
    async def pool() -> AsyncIterator[str]:
        order.append("pool opened")
        yield "a pool"
        order.append("pool closed")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        order.append(f"application started with {life.state.pool}")
        yield
        order.append("application shut down")

    app = LifecycleMiddleware(Starlette(lifespan=lifespan), life)
    async with serving(app) as server:
        assert (await server.ask("/shutdown")).status == 200
    assert order == [
        "pool opened",
        "application started with a pool",
        "application shut down",
        "pool closed",
    ]


async def test_it_is_shut_down_after_the_drain_not_before() -> None:
    order: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        order.append("shut down")

    async def slow(request: Request) -> PlainTextResponse:
        await anyio.sleep(5)
        order.append("request")
        return PlainTextResponse("done")

    life = Lifecycle()
    app = Starlette(routes=[Route("/", slow)], lifespan=lifespan)
    async with serving(LifecycleMiddleware(app, life)) as server:
        exchange = server.begin("/")
        await anyio.sleep(1)
        assert (await server.ask("/shutdown")).status == 200
        assert (await exchange.answer()).body == b"done"
    assert order == ["request", "shut down"]


@pytest.mark.parametrize("carries_state", [True, False])
async def test_its_state_reaches_requests_beside_our_resources(carries_state: bool) -> None:
    life = Lifecycle()

    @life.resource
    async def pool() -> AsyncIterator[str]:
        yield "a pool"

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
        yield {"client": f"a client of {life.state.pool}"}

    async def look(request: Request) -> PlainTextResponse:
        state = request.state
        return PlainTextResponse(f"{state.client}, {state.pool}, {state.lifecycle is life}")

    app = Starlette(routes=[Route("/", look)], lifespan=lifespan)
    async with serving(LifecycleMiddleware(app, life), carries_state=carries_state) as server:
        assert (await server.ask("/")).body == b"a client of a pool, a pool, True"


async def test_it_finds_our_resources_in_its_own_scope_when_it_starts() -> None:
    life = Lifecycle()
    found: list[Any] = []

    @life.resource
    async def pool() -> AsyncIterator[str]:
        yield "a pool"

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        found.extend([scope["state"]["pool"], scope["state"]["lifecycle"]])
        await send({"type": "lifespan.startup.complete"})
        await stop(receive, send)

    async with serving(LifecycleMiddleware(with_lifespan(look), life)):
        assert found == ["a pool", life]


async def raises_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    raise TypeError("what is a lifespan?")


async def raises_after_startup(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    raise AssertionError("no http scope")


async def returns_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    return


async def returns_after_start(scope: Scope, receive: Receive, send: Send) -> None:
    await start(receive, send)


@pytest.mark.parametrize(
    "talk", [raises_at_once, raises_after_startup, returns_at_once, returns_after_start]
)
async def test_an_application_without_a_whole_lifespan_is_served_as_by_any_server(
    talk: Talk,
) -> None:
    life = Lifecycle()
    async with serving(LifecycleMiddleware(with_lifespan(talk), life)) as server:
        await anyio.sleep(5)
        assert server.failure is None
        assert (await server.ask("/")).body == b"hello"
        assert (await server.ask("/shutdown")).status == 200
    assert life.report.exit_status == 0


async def test_its_failed_start_rolls_ours_back_and_fails_the_server_with_its_reason() -> None:
    life = Lifecycle()
    closed: list[str] = []

    @life.resource
    async def pool() -> AsyncIterator[None]:
        yield
        closed.append("pool")

    async def connect() -> None:
        raise ConnectionError("no broker at 10.0.0.9")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await connect()
        yield

    async with serving(LifecycleMiddleware(Starlette(lifespan=lifespan), life)) as server:
        assert server.failure is not None
        assert "no broker at 10.0.0.9" in server.failure
        assert "\n" not in server.failure.strip()
    assert server.messages[-1]["type"] == "lifespan.startup.failed"
    assert closed == ["pool"]
    assert life.phase is Phase.FAILED
    assert life.report.exit_status == ExitStatus.START_FAILED


async def test_a_start_that_fails_without_a_reason_says_so() -> None:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed"})

    async with serving(LifecycleMiddleware(with_lifespan(fails), Lifecycle())) as server:
        assert server.failure is not None
        assert "it gave no reason" in server.failure


async def test_a_start_that_hangs_is_cut_short_by_a_stop() -> None:
    cleaned_up: list[str] = []

    async def hangs(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cleaned_up.append("yes")

    life = Lifecycle()
    async with serving(LifecycleMiddleware(with_lifespan(hangs), life), wait=False) as server:
        await anyio.sleep(60)
        assert (await server.ask("/readyz")).body == b"startup: lifespan of the application\n"
        life.request_stop("never mind")
        await server.started.wait()
    assert cleaned_up
    assert life.report.exit_status == 0


async def test_a_start_that_hangs_is_ended_by_startup_timeout_with_its_name() -> None:
    async def hangs(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    life = Lifecycle(startup_timeout=10)
    async with serving(LifecycleMiddleware(with_lifespan(hangs), life)) as server:
        assert server.failure is not None
        assert "startup_timeout" in server.failure
        assert "lifespan of the application" in server.failure


async def test_its_crash_while_serving_stops_the_process_in_good_order() -> None:
    async def crashes(scope: Scope, receive: Receive, send: Send) -> None:
        await start(receive, send)
        await anyio.sleep(3)
        raise ConnectionError("the broker has gone")

    life = Lifecycle(shutdown_delay=2)
    async with serving(LifecycleMiddleware(with_lifespan(crashes), life)) as server:
        await anyio.sleep(4)
        assert life.phase is Phase.LAME_DUCK
        assert (await server.ask("/")).body == b"hello"
        await server.told.wait()
    assert life.report.exit_status == ExitStatus.TASK_CRASHED
    assert "the broker has gone" in str(life.report.failures)


@pytest.mark.parametrize("way", ["shutdown.failed", "raises", "both"])
async def test_its_failed_shutdown_is_reported_and_costs_nobody_else_theirs(way: str) -> None:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        await start(receive, send)
        await receive()
        if way != "raises":
            message = "Traceback …\nOSError: the disk is full\n"
            await send({"type": "lifespan.shutdown.failed", "message": message})
        if way != "shutdown.failed":
            raise OSError("the disk is full")

    life = Lifecycle()
    closed: list[str] = []
    life.on_shutdown(lambda: closed.append("pool"))
    async with serving(LifecycleMiddleware(with_lifespan(fails), life)) as server:
        answer = await server.ask("/shutdown")
        assert answer.status == 500
    assert closed == ["pool"]
    assert life.report.exit_status == ExitStatus.HOOK_FAILED
    assert "the disk is full" in str(life.report.failures)
    assert server.messages[-1]["type"] == "lifespan.shutdown.complete"


async def test_a_shutdown_that_hangs_is_cut_by_the_budget_and_named() -> None:
    async def hangs(scope: Scope, receive: Receive, send: Send) -> None:
        await start(receive, send)
        await anyio.sleep_forever()

    life = Lifecycle(grace_period=10)
    closed: list[str] = []
    life.on_shutdown(lambda: closed.append("pool"))
    async with serving(LifecycleMiddleware(with_lifespan(hangs), life)) as server:
        asked = anyio.current_time()
        assert (await server.ask("/shutdown")).status == 500
        assert anyio.current_time() - asked <= 9.1
    assert closed == ["pool"]
    assert life.report.exit_status == ExitStatus.HOOK_FAILED
    (late,) = [hook for hook in life.report.hooks if hook.outcome == "timed out"]
    assert late.name == "lifespan of the application"


async def test_a_lifespan_that_asks_for_more_after_its_shutdown_hears_nothing_more() -> None:
    async def greedy(scope: Scope, receive: Receive, send: Send) -> None:
        await start(receive, send)
        await stop(receive, send)
        await receive()

    life = Lifecycle()
    async with serving(LifecycleMiddleware(with_lifespan(greedy), life)) as server:
        assert (await server.ask("/shutdown")).status == 200


async def test_the_lifespan_scope_is_what_the_server_sent() -> None:
    seen: list[Scope] = []

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await start(receive, send)
        await stop(receive, send)

    life = Lifecycle()
    async with serving(LifecycleMiddleware(with_lifespan(look), life)) as server:
        assert seen[0]["type"] == "lifespan"
        assert seen[0]["asgi"] == server._asgi
        assert seen[0]["state"] is server.state
        assert server.state["lifecycle"] is life
