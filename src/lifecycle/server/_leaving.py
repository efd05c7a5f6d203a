"""Beside a server that is told to go: when its lame duck is over, and what becomes of open connections then."""

import asyncio
import contextlib
import functools
from collections.abc import MutableMapping
from typing import Any, Final

from lifecycle.asgi import BEGUN
from lifecycle.runtime import Engine, Lifecycle, Work
from lifecycle.server._arrivals import Arrivals
from lifecycle.server._seat import Seat
from lifecycle.server._uvicorn import Server, turn

IDLE_POLL: Final = 0.05
"""Seconds between two looks for HTTP/2 connections on which nothing is under way."""


async def _stopping(life: Lifecycle) -> Engine:
    await life.stop_requested.wait()
    engine = life._engine  # noqa: SLF001 - a server of our own: it knows the engine
    assert engine is not None, "a stop is requested of a running engine"  # noqa: S101 - a defect of ours
    return engine


async def watch_routers(life: Lifecycle, seat: Seat, server: Server, arrivals: Arrivals) -> None:
    """End the lame duck as soon as the routers have provably let go."""
    engine = await _stopping(life)
    if seat.replaced:
        # Others accept: what is left is connections that end with their next answer.
        while server.server_state.connections:
            server.connection_ended.clear()
            await server.connection_ended.wait()
        engine.routes_withdrawn.set()
        return
    await seat.wait_for_silence(arrivals, engine.purse.delay)
    engine.routes_withdrawn.set()


async def part_with_connections(life: Lifecycle, server: Server) -> None:
    """From the drain on a kept connection has no use; one that has sent half a request is waited for."""
    engine = await _stopping(life)
    for connection in server.connections():
        connection.say_close()
    engine.at_drain = functools.partial(_wait_for_the_rest, engine, server)
    while not engine.draining.is_set():
        # HTTP/2 has no `Connection: close`: clients move on when they are told so between two streams.
        server.let_go_of_http2(idle_only=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(engine.draining.wait(), IDLE_POLL)
    server.let_go_of_http2(idle_only=False)
    # What has been sent already is read, and answered, first.
    await turn()
    for connection in server.connections():
        connection.part()


def _wait_for_the_rest(engine: Engine, server: Server) -> None:
    for connection in server.connections():
        if connection.receiving:
            work = engine.works.begin("a request that is being received")
            connection.finish(
                functools.partial(_accept, work),
                functools.partial(engine.works.end, work, counted=False),
            )


def _accept(work: Work, scope: MutableMapping[str, Any]) -> None:
    scope[BEGUN] = work
