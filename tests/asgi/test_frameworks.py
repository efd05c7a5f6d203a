"""With the frameworks that people use, installed the way their documentation says."""

import threading
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, WebSocket, WebSocketDisconnect
from fastapi import Request as FastAPIRequest
from fastapi.responses import StreamingResponse
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from lifecycle import Lifecycle, LifecycleMiddleware, Phase, StartError
from lifecycle.core import FAREWELL
from tests.support.asgi import serving

with warnings.catch_warnings():
    # Newer versions of Starlette would rather have another client, older ones do not know it.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient


async def home(request: Request) -> Response:
    return PlainTextResponse(f"{request.state.lifecycle.phase}")


# Starlette.


async def test_starlette_by_add_middleware() -> None:
    life = Lifecycle()
    app = Starlette(routes=[Route("/", home)])
    app.add_middleware(LifecycleMiddleware, lifecycle=life)
    async with serving(app) as server:
        assert (await server.ask("/")).body == b"ready"
        assert (await server.ask("/readyz")).body == b"serving\n"
        assert (await server.ask("/shutdown")).status == 200
        assert (await server.ask("/")).status == 503
        await server.told.wait()
    assert life.report.exit_status == 0


async def test_starlette_by_add_middleware_with_options_and_a_lifespan_of_its_own() -> None:
    life = Lifecycle()
    order: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        order.append("up")
        yield
        order.append("down")

    @life.on_shutdown
    async def close() -> None:
        order.append("closed")

    app = Starlette(routes=[Route("/", home)], lifespan=lifespan)
    app.add_middleware(LifecycleMiddleware, lifecycle=life, http="end", routes={"/x": "finish"})
    async with serving(app) as server:
        assert (await server.ask("/")).status == 200
        assert (await server.ask("/shutdown")).status == 200
    assert order == ["up", "down", "closed"]


@pytest.mark.parametrize("outside", [True, False])
async def test_starlette_beside_other_middleware_on_either_side(outside: bool) -> None:
    life = Lifecycle()

    async def dispatch(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers["x-seen"] = "1"
        return response

    async def slow(request: Request) -> Response:
        await anyio.sleep(4)
        return PlainTextResponse("at last")

    app = Starlette(routes=[Route("/slow", slow)])
    if outside:
        app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
        app.add_middleware(GZipMiddleware)
    app.add_middleware(LifecycleMiddleware, lifecycle=life)
    if not outside:
        app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
        app.add_middleware(GZipMiddleware)
    async with serving(app) as server:
        exchange = server.begin("/slow")
        await anyio.sleep(1)
        assert (await server.ask("/shutdown")).status == 200
        answer = await exchange.answer()
        assert (answer.body, answer.header("x-seen")) == (b"at last", "1")
    assert life.report.finished == 1


@pytest.mark.parametrize("outside", [True, False])
async def test_a_request_that_is_cut_off_between_other_middleware_is_a_503_all_the_same(
    outside: bool,
) -> None:
    life = Lifecycle(grace_period=10)

    async def dispatch(request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)

    async def hang(request: Request) -> Response:
        await anyio.sleep_forever()
        return PlainTextResponse("never")

    app = Starlette(routes=[Route("/hang", hang)])
    if not outside:
        app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
    app.add_middleware(LifecycleMiddleware, lifecycle=life)
    if outside:
        app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
    async with serving(app) as server:
        exchange = server.begin("/hang")
        await anyio.sleep(1)
        life.request_stop("enough")
        assert (await exchange.answer()).status == 503
        assert exchange.error is None
        await server.told.wait()
    assert [work.name for work in life.report.abandoned] == ["GET /hang"]


async def test_starlette_background_tasks_are_in_flight() -> None:
    life = Lifecycle()
    done: list[str] = []

    async def mail() -> None:
        await anyio.sleep(6)
        done.append("mail")

    async def order(request: Request) -> Response:
        return PlainTextResponse("ordered", background=BackgroundTask(mail))

    app = Starlette(routes=[Route("/", order)])
    app.add_middleware(LifecycleMiddleware, lifecycle=life)
    async with serving(app) as server:
        exchange = server.begin("/")
        await exchange.until_sent(2)
        assert (await server.ask("/shutdown")).status == 200
        assert done
    assert life.report.finished == 1


async def test_a_mounted_application_is_covered_by_the_outer_one() -> None:
    life = Lifecycle()
    inner = Starlette(routes=[Route("/livez", home)])
    app = Starlette(routes=[Mount("/inner", inner)])
    app.add_middleware(LifecycleMiddleware, lifecycle=life)
    async with serving(app) as server:
        assert (await server.ask("/inner/livez")).body == b"ready"
        assert (await server.ask("/livez")).body == b"serving\n"


# FastAPI.


async def test_fastapi_in_three_lines() -> None:
    app = FastAPI()
    life = Lifecycle()
    app.add_middleware(LifecycleMiddleware, lifecycle=life)

    @app.get("/")
    async def root(request: FastAPIRequest) -> dict[str, str]:
        return {"phase": request.state.lifecycle.phase}

    async with serving(app) as server:
        assert (await server.ask("/")).body == b'{"phase":"ready"}'
        assert (await server.ask("/shutdown")).status == 200
    assert life.report.exit_status == 0


async def test_fastapi_dependencies_and_background_tasks_finish_before_the_shutdown_hooks() -> None:
    app = FastAPI()
    life = Lifecycle()
    app.add_middleware(LifecycleMiddleware, lifecycle=life)
    order: list[str] = []

    async def session() -> AsyncIterator[str]:
        yield "a session"
        await anyio.sleep(1)
        order.append("session closed")

    @app.post("/orders")
    async def create(tasks: BackgroundTasks, session: str = Depends(session)) -> str:  # noqa: FAST002 - FastAPI's usual form
        async def mail() -> None:
            await anyio.sleep(3)
            order.append("mail sent")

        tasks.add_task(mail)
        await anyio.sleep(2)
        return "created"

    @life.on_shutdown
    async def close_pool() -> None:
        order.append("pool closed")

    async with serving(app) as server:
        exchange = server.begin("/orders", method="POST")
        await anyio.sleep(1)
        assert (await server.ask("/shutdown")).status == 200
        assert (await exchange.answer()).status == 200
    assert sorted(order[:2]) == ["mail sent", "session closed"]
    assert order[2:] == ["pool closed"]


async def test_fastapi_streams_and_websockets_end_by_policy() -> None:
    app = FastAPI()
    life = Lifecycle()
    heard: list[tuple[int, str]] = []
    app.add_middleware(LifecycleMiddleware, lifecycle=life, routes={"/events": "end"})

    @app.get("/events")
    async def events() -> StreamingResponse:
        async def ticks() -> AsyncIterator[bytes]:
            while True:
                yield b"data: tick\n\n"
                await anyio.sleep(0.3)

        return StreamingResponse(ticks(), media_type="text/event-stream")

    @app.websocket("/chat")
    async def chat(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_text((await websocket.receive_text()).upper())
        except WebSocketDisconnect as left:
            heard.append((left.code, left.reason))

    async with serving(app) as server:
        exchange, socket = server.begin("/events"), server.connect("/chat")
        socket.say("hello")
        await anyio.sleep(2)
        assert (await server.ask("/shutdown")).status == 200
        answer = await exchange.answer()
        assert answer.complete
        assert answer.body.endswith(b"data: tick\n\n" + FAREWELL)
        assert (socket.texts, socket.close) == (["HELLO"], (1012, "service restart"))
        assert socket.error is None
    assert heard == [(1012, "service restart")]
    assert life.report.exit_status == 0


async def test_a_blocking_endpoint_in_a_thread_is_finished() -> None:
    app = FastAPI()
    life = Lifecycle()
    app.add_middleware(LifecycleMiddleware, lifecycle=life)
    release, entered = threading.Event(), anyio.Event()

    @app.get("/blocking")
    def blocking() -> str:
        anyio.from_thread.run_sync(entered.set)
        release.wait(5)
        return "done"

    async with serving(app) as server:
        exchange = server.begin("/blocking")
        await entered.wait()
        life.request_stop("enough")
        await anyio.sleep(0.01)
        assert life.phase is Phase.DRAINING
        release.set()
        assert (await exchange.answer()).body == b'"done"'
        await server.told.wait()
    assert life.report.exit_status == 0


# TestClient: off the main thread, on its own loop, in real time.


def fastapi_app(life: Lifecycle) -> Any:
    app = FastAPI()
    app.add_middleware(LifecycleMiddleware, lifecycle=life)

    @app.get("/")
    async def root() -> str:
        return "hello"

    return app


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_test_client_works_as_a_context_manager(backend: Any) -> None:
    life = Lifecycle()
    ran: list[str] = []
    life.on_startup(lambda: ran.append("startup"))
    life.on_shutdown(lambda: ran.append("shutdown"))
    with TestClient(fastapi_app(life), backend=backend) as client:
        assert client.get("/").json() == "hello"
        assert client.get("/readyz").text == "serving\n"
        assert client.get("/shutdown").status_code == 403  # a test client has no address
    assert ran == ["startup", "shutdown"]
    assert life.report.exit_status == 0


def test_the_test_client_without_its_context_manager_says_what_is_missing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = TestClient(fastapi_app(Lifecycle()))
    answer = client.get("/")
    assert answer.status_code == 503
    assert "has not been started" in answer.text
    (said,) = [record.getMessage() for record in caplog.records if record.name == "lifecycle"]
    assert "with TestClient(app) as client" in said


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_stop_under_the_test_client_does_not_end_the_process_of_the_tests(backend: Any) -> None:
    life = Lifecycle()
    over = threading.Event()
    life.on_shutdown(over.set)
    with TestClient(fastapi_app(life), backend=backend, client=("127.0.0.1", 1)) as client:
        life.request_stop("a test of the stop")
        assert client.get("/shutdown").json()["exit_status"] == 0
        assert over.is_set()
        assert client.get("/").status_code == 503
    assert life.phase is Phase.STOPPED


def test_the_test_client_can_be_used_again_after_reset() -> None:
    life = Lifecycle()
    app = fastapi_app(life)
    for _ in range(3):
        with TestClient(app) as client:
            assert client.get("/").json() == "hello"
        life.reset()


def test_a_failed_start_fails_the_test_client() -> None:
    life = Lifecycle()

    @life.on_startup
    def connect() -> None:
        raise ConnectionError("no database")

    with (
        pytest.raises(StartError, match=r"connect.*no database"),
        TestClient(fastapi_app(life)) as client,
    ):
        client.get("/")
