"""The contract with uvicorn: what we override is there. `nox -s lowest` asks the oldest version that is supported."""

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
import uvloop
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lifecycle.server import _uvicorn
from lifecycle.server._arrivals import Arrivals
from lifecycle.server._uvicorn import (
    PRIVATE,
    PRIVATE_ATTRIBUTES_OF_PROTOCOLS,
    PRIVATE_OF_PROTOCOLS,
    Server,
    missing,
    missing_of_protocol,
    watched,
)


async def app(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nobody asks")


def test_this_uvicorn_has_every_name() -> None:
    assert missing(uvicorn.Server(uvicorn.Config(app))) == []


@pytest.mark.parametrize("name", PRIVATE)
def test_a_name_that_has_gone_is_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delattr(uvicorn.Server, name)
    assert missing(uvicorn.Server(uvicorn.Config(app))) == [name]


def connection(protocol: Any, **options: Any) -> Any:
    config = uvicorn.Config(nothing_here, log_config=None, access_log=False, **options)
    config.load()
    state = uvicorn.Server(config).server_state
    return protocol(config=config, server_state=state, app_state={})


@pytest.mark.parametrize("protocol", [H11Protocol, HttpToolsProtocol])
def test_its_protocols_have_every_name(protocol: Any) -> None:
    async def absent() -> list[str]:
        return missing_of_protocol(connection(protocol))

    assert asyncio.run(absent()) == []


@pytest.mark.parametrize("name", [*PRIVATE_OF_PROTOCOLS, *PRIVATE_ATTRIBUTES_OF_PROTOCOLS])
def test_a_protocol_that_lacks_a_name_is_served_as_it_is(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name in PRIVATE_OF_PROTOCOLS:
        monkeypatch.setattr(H11Protocol, name, None)
    else:
        made = H11Protocol.__init__

        def without(self: Any, *args: Any, **kwargs: Any) -> None:
            made(self, *args, **kwargs)
            delattr(self, name)

        monkeypatch.setattr(H11Protocol, "__init__", without)

    async def watch() -> Any:
        config = uvicorn.Config(app, http="h11")
        config.load()
        server = Server(config, lambda: 30.0, {})
        server.watch(Arrivals(lambda: 0.0))
        return config.http_protocol_class

    assert asyncio.run(watch()) is H11Protocol


async def nothing_here(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


@contextlib.asynccontextmanager
async def listening(protocol: Any, app: Any) -> AsyncIterator[tuple[Any, Any, asyncio.Event]]:
    """An address, what uvicorn keeps of its connections, and the event that one of them has ended."""
    config = uvicorn.Config(app, http=protocol, log_config=None, access_log=False)
    config.load()
    state: Any = uvicorn.Server(config).server_state
    made = watched(protocol, Arrivals(lambda: 0.0), ended := asyncio.Event())
    server = await asyncio.get_running_loop().create_server(
        lambda: made(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        yield server.sockets[0].getsockname(), state, ended


REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("protocol", [H11Protocol, HttpToolsProtocol])
def test_who_has_just_connected_is_answered_and_who_is_idle_is_let_go(
    protocol: Any, loop: Any, fresh: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_uvicorn, "FRESH", 30 if fresh else 0)
    asked: list[str] = []

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await nothing_here(scope, receive, send)

    async def told() -> bytes:
        async with listening(protocol, noting) as (address, state, ended):
            reader, writer = await asyncio.open_connection(*address)
            while not state.connections:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0)
            for connection in state.connections:
                connection.part()
            writer.write(REQUEST)
            answer = await asyncio.wait_for(reader.read(), 30)
            writer.close()
            await ended.wait()
        return answer

    with asyncio.Runner(loop_factory=loop) as runner:
        answer = runner.run(told())
    assert answer[:12] == (b"HTTP/1.1 204" if fresh else b"")
    # The application never hears what cannot be answered any more.
    assert asked == (["/"] if fresh else [])


@pytest.mark.parametrize("loop", LOOPS)
def test_an_ended_connection_leaves_no_timer_that_keeps_it(loop: Any) -> None:
    async def left() -> Any:
        async with listening(HttpToolsProtocol, nothing_here) as (address, state, ended):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(REQUEST.replace(b"Connection: close\r\n", b""))
            await reader.readuntil(b"\r\n\r\n")
            (gone,) = [weakref.ref(connection) for connection in state.connections]
            writer.close()
            await ended.wait()
            await asyncio.sleep(0)
            gc.collect()
            return gone()

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(left()) is None
