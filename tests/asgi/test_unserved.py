"""A lifespan that no server runs, but a program, such as an asynchronous test: its process is not ours to end."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType

import anyio
import anyio.lowlevel
import httpx
import pytest

from lifecycle import Lifecycle, LifecycleMiddleware, Phase
from lifecycle.asgi import _server
from lifecycle.asgi._http import Message
from lifecycle.asgi._server import is_served
from tests.support.phases import hello


@pytest.fixture(autouse=True)
def _nobody_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERVER_SOFTWARE", raising=False)
    monkeypatch.delitem(sys.modules, "hypercorn", raising=False)
    # pytest-xdist's own children are no workers of a server's.
    monkeypatch.setattr(_server, "parent_of_workers", lambda: None)


@asynccontextmanager
async def lived(app: LifecycleMiddleware) -> AsyncIterator[None]:
    """What asgi-lifespan and the like do: the lifespan protocol, and nothing else of a server."""
    to_app, receive = anyio.create_memory_object_stream[Message](2)
    send, from_app = anyio.create_memory_object_stream[Message](2)
    with to_app, receive, send, from_app:
        async with anyio.create_task_group() as group:
            group.start_soon(app, {"type": "lifespan", "state": {}}, receive.receive, send.send)
            await to_app.send({"type": "lifespan.startup"})
            assert (await from_app.receive())["type"] == "lifespan.startup.complete"
            yield
            await to_app.send({"type": "lifespan.shutdown"})
            assert (await from_app.receive())["type"] == "lifespan.shutdown.complete"


@pytest.mark.parametrize("asked_by", ["call", "endpoint"])
async def test_a_stop_without_a_signal_raises_none_and_the_program_goes_on(asked_by: str) -> None:
    life = Lifecycle()
    app = LifecycleMiddleware(hello, life)
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with lived(app):
        if asked_by == "call":
            life.request_stop("enough")
        else:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                assert (await client.get("/shutdown")).json()["exit_status"] == 0
        await anyio.sleep(10)
        assert life.phase is Phase.STOPPED
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


async def test_its_process_has_no_watchdog_and_is_not_made_deaf_even_in_kubernetes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tests are run in pods, too: what they stop is not the pod."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setattr(
        "lifecycle.runtime._host.Watchdog", lambda *_: pytest.fail("a watchdog was made")
    )
    life = Lifecycle(shutdown_delay=0)
    app = LifecycleMiddleware(hello, life)
    async with lived(app), httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        await client.get("http://test/shutdown")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_a_signal_that_came_is_raised_again_for_the_program_once_all_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    life = Lifecycle()
    raised: list[tuple[int, Phase]] = []
    async with lived(LifecycleMiddleware(hello, life)):
        signal.raise_signal(signal.SIGTERM)
        monkeypatch.setattr(
            signal, "raise_signal", lambda number: raised.append((number, life.phase))
        )
        await anyio.sleep(10)
        assert [phase for _, phase in raised] == [Phase.STOPPED]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_whoever_handles_sigterm_starts_us_as_a_worker_or_is_hypercorn_is_a_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not is_served()
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    assert is_served()
    signal.signal(signal.SIGTERM, before)
    with monkeypatch.context() as patch:
        patch.setattr(_server, "parent_of_workers", lambda: 42)
        assert is_served()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "hypercorn", ModuleType("hypercorn"))
        assert is_served()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 1)
        assert is_served(), "PID 1 is a container's process"


@pytest.mark.parametrize("moment", ["starting", "serving", "draining"])
async def test_a_lifespan_that_is_cancelled_still_shuts_down_what_was_started(moment: str) -> None:
    """A server that is at the end of its own patience cancels it."""
    life = Lifecycle(shutdown_delay=0)
    told: list[str] = []

    @life.resource
    async def pool() -> AsyncIterator[None]:
        told.append("open")
        yield
        told.append("closed")

    @life.on_startup
    async def warm() -> None:
        if moment == "starting":
            await anyio.sleep_forever()

    app = LifecycleMiddleware(hello, life)
    to_app, receive = anyio.create_memory_object_stream[Message](2)
    send, from_app = anyio.create_memory_object_stream[Message](2)
    with to_app, receive, send, from_app, anyio.CancelScope() as patience:
        async with anyio.create_task_group() as group:
            group.start_soon(app, {"type": "lifespan", "state": {}}, receive.receive, send.send)
            await to_app.send({"type": "lifespan.startup"})
            if moment != "starting":
                await from_app.receive()
            await anyio.sleep(1)
            if moment == "draining":
                with life.in_flight("job"):
                    life.request_stop("enough")
                    await anyio.sleep(1)
                    assert life.phase is Phase.DRAINING
                    patience.cancel()
                    await anyio.lowlevel.checkpoint()
            patience.cancel()
    assert told == ["open", "closed"]
    assert life.phase is Phase.FAILED
    assert life.report.exit_status == 7
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
