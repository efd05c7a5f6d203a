"""`await life.serve_async(app)`: a server inside a program whose event loop runs already."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lifecycle import Lifecycle, LifecycleMiddleware, Phase, SettingsError
from tests.support.servers import free_port

OPTIONS: dict[str, Any] = {"log_config": None, "access_log": False}


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        raise NotImplementedError("it has none")
    if scope["path"] == "/slow":
        scope["state"]["begun"].set()
        await asyncio.sleep(0.3)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})


async def ask(port: int, path: str) -> bytes:
    """The whole answer, from as soon as somebody listens."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0)
            continue
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return answer


async def until_ready(life: Lifecycle, port: int) -> None:
    while b"200 OK" not in await ask(port, "/readyz"):  # noqa: ASYNC110 - it asks as a probe does
        await asyncio.sleep(0)


def hooked(steps: list[str]) -> Lifecycle:
    life = Lifecycle(grace_period=12)

    @life.resource
    async def begun() -> AsyncIterator[asyncio.Event]:
        steps.append("start")
        yield asyncio.Event()
        steps.append("stop")

    return life


def test_it_serves_until_it_is_asked_to_stop_and_the_program_goes_on() -> None:
    steps: list[str] = []
    life, port = hooked(steps), free_port()

    async def main() -> int:
        serving = asyncio.create_task(life.serve_async(app, port=port, **OPTIONS))
        await until_ready(life, port)
        slow = asyncio.create_task(ask(port, "/slow"))
        await life.state.begun.wait()
        life.request_stop("the program has had enough")
        assert (await slow).count(b"served") == 1
        return await serving

    assert asyncio.run(main()) == 0
    assert steps == ["start", "stop"]
    assert life.report.reason == "the program has had enough"


def test_what_the_lifespan_has_for_requests_comes_with_each_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the server has not carried it over")

    # What the middleware does for servers that cannot, at a price for each request.
    monkeypatch.setattr(LifecycleMiddleware, "_share", never)
    life, port = hooked([]), free_port()

    async def main() -> bytes:
        serving = asyncio.create_task(life.serve_async(app, port=port, **OPTIONS))
        await until_ready(life, port)
        answer = await ask(port, "/")
        life.request_stop("enough")
        await serving
        return answer

    assert asyncio.run(main()).count(b"served") == 1


def test_a_program_that_gives_it_up_has_its_work_finished_and_its_hooks_run() -> None:
    steps: list[str] = []
    life, port = hooked(steps), free_port()

    async def main() -> bytes:
        serving = asyncio.create_task(life.serve_async(app, port=port, **OPTIONS))
        await until_ready(life, port)
        slow = asyncio.create_task(ask(port, "/slow"))
        await life.state.begun.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert life.phase is Phase.STOPPED
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        assert asyncio.all_tasks() <= {asyncio.current_task(), slow}
        return await slow

    assert asyncio.run(main()).count(b"served") == 1
    assert steps == ["start", "stop"]


def test_an_interface_that_is_not_asgi_3_is_told() -> None:
    with pytest.raises(SettingsError, match=r"interface='wsgi'.*: ASGI 3 alone"):
        asyncio.run(Lifecycle().serve_async(app, interface="wsgi"))
