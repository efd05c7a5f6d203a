"""A web application that is served in a test is stopped as in a pod, and its clients see what they would see."""

from typing import Any

import anyio
import anyio.lowlevel
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from lifecycle import Endpoints, Lifecycle, LifecycleMiddleware, NotRunningError, Phase
from lifecycle.testing import assert_clean, assert_inside_budget, assert_nothing_lost, serving


async def slow(request: Request) -> PlainTextResponse:
    await anyio.sleep(float(request.query_params["seconds"]))
    return PlainTextResponse("done")


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    while True:
        await socket.send_text(await socket.receive_text())


async def info(request: Request) -> JSONResponse:
    return JSONResponse({"has": sorted(request.scope["state"])})


def application(life: Lifecycle, **options: Any) -> Starlette:
    app = Starlette(
        routes=[Route("/slow", slow), Route("/info", info), WebSocketRoute("/echo", echo)]
    )
    app.add_middleware(LifecycleMiddleware, lifecycle=life, **options)
    return app


async def test_a_deleted_pod_serves_until_its_routers_know_and_finishes_what_it_began() -> None:
    life = Lifecycle()
    async with serving(application(life), life) as pod:
        assert (await pod.get("/readyz")).status == 200
        exchange = pod.begin("/slow?seconds=9")
        await anyio.lowlevel.checkpoint()
        report = await pod.delete()
        answer = await exchange.answer()
        assert (answer.status, answer.text, answer.complete) == (200, "done", True)
        assert (await pod.get("/info")).status == 503
    assert report.source == "endpoint"
    assert [phase.phase for phase in report.phases][:4] == [
        "starting",
        "ready",
        "lame duck",
        "draining",
    ]
    assert report.used == pytest.approx(9, abs=0.1)
    assert_clean(report)
    assert_inside_budget(report, spare=20)


async def test_in_the_lame_duck_requests_are_served_and_probes_say_not_ready() -> None:
    life = Lifecycle()
    async with serving(application(life), life) as pod:
        life.request_stop("enough")
        await pod.reached(Phase.LAME_DUCK)
        began = anyio.current_time()
        answer = await pod.get("/info")
        assert (answer.status, answer.header("connection")) == (200, "close")
        assert (await pod.get("/readyz")).status == 503
        await pod.reached(Phase.DRAINING)
        assert anyio.current_time() - began == pytest.approx(5)
    assert_nothing_lost(life.report)


async def test_outside_kubernetes_there_is_no_lame_duck() -> None:
    life = Lifecycle()
    async with serving(application(life), life, in_kubernetes=False) as pod:
        assert (await pod.sigterm()).used < 1
    assert not life.settings.in_kubernetes


async def test_pre_stop_answers_with_the_report_and_brings_the_token() -> None:
    life = Lifecycle(shutdown_token="a-secret")
    async with serving(application(life), life) as pod:
        assert (await pod.get("/shutdown")).status == 403
        answer = await pod.pre_stop()
        assert answer.json()["exit_status"] == 0


async def test_a_switched_off_hook_is_told_and_a_deletion_goes_without() -> None:
    life = Lifecycle()
    async with serving(
        application(life, endpoints=Endpoints(shutdown=None)), life, in_kubernetes=False
    ) as pod:
        with pytest.raises(NotRunningError, match=r"Endpoints\(shutdown=None\)"):
            await pod.pre_stop()
        assert (await pod.delete()).signal == "SIGTERM"


async def test_a_websocket_is_closed_by_the_rules() -> None:
    life = Lifecycle()
    async with serving(application(life), life) as pod:
        socket = pod.connect("/echo")
        await socket.until_sent(1)
        socket.say("hello")
        await socket.until_sent(2)
        await pod.delete()
        assert (socket.texts, socket.close and socket.close[0]) == (["hello"], 1012)


async def test_what_was_lost_is_named() -> None:
    life = Lifecycle(drain_timeout=2)
    async with serving(application(life), life) as pod:
        pod.begin("/slow?seconds=60")
        await anyio.lowlevel.checkpoint()
        await pod.delete()
        await pod.get("/info")
    with pytest.raises(AssertionError, match=r"GET /slow was cut off after 7\.0 s"):
        assert_nothing_lost(life.report)
    with pytest.raises(AssertionError, match=r"GET /slow was abandoned after 7\.0 s"):
        assert_clean(life.report)
    with pytest.raises(
        AssertionError,
        match=r"of a grace period of 30 s were used: .* s were left, and 25 s were to be",
    ):
        assert_inside_budget(life.report, spare=25)


async def test_an_application_without_the_middleware_is_told_so() -> None:
    with pytest.raises(NotRunningError, match=r"put LifecycleMiddleware\(app, life\) around"):
        async with serving(Starlette(), Lifecycle()):
            raise AssertionError("not to be reached")


async def test_a_failed_start_shows_its_report() -> None:
    life = Lifecycle()

    @life.on_startup
    async def connect() -> None:
        raise OSError("no route to the database")

    with pytest.raises(AssertionError, match=r"(?s)never became ready.*no route to the database"):
        async with serving(application(life), life):
            raise AssertionError("not to be reached")


async def test_a_failure_in_the_block_comes_out_as_it_is() -> None:
    life = Lifecycle()

    async def failing() -> None:
        async with serving(application(life), life) as pod:
            pod.begin("/slow?seconds=3600")
            await anyio.lowlevel.checkpoint()
            1 / 0  # noqa: B018 - the failure is the point

    with pytest.raises(ZeroDivisionError):
        await failing()


async def test_it_is_served_again_in_the_next_test() -> None:
    life = Lifecycle()
    app = application(life)
    for _ in range(2):
        async with serving(app, life) as pod:
            assert (await pod.get("/info")).json() == {"has": ["lifecycle"]}
        assert_clean(life.report)
