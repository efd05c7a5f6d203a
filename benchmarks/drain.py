"""How soon the end of the last request is noticed, and how soon the process is gone then."""

import http.client
import os
import select
import signal
import time
from contextlib import AsyncExitStack

import anyio

from benchmarks.figures import Aim, Effort, Finding, Spread, percentile, turns
from benchmarks.lifespan import Served, receive, served
from lifecycle import Lifecycle, LifecycleMiddleware
from lifecycle.asgi._http import Message, Receive, Scope, Send
from tests.support.servers import launched

NOTICED = 200
EXITS = 10
LEAVERS = {
    "bare, SIGTERM": ("bare", signal.SIGTERM),
    "bare, SIGINT": ("bare", signal.SIGINT),
    "ours, SIGTERM": ("ours", signal.SIGTERM),
}
POLL = 0.1
"""Seconds: how often uvicorn looks whether its requests have ended."""
HOW = (
    "Noticed: from the return of the last `send` of the last request in flight to the first line of a shutdown hook, on a"
    " real event loop, {noticed} lives each; uvicorn looks every 100 ms. Exit: from the last byte that the client has of a"
    " slow answer, asked for before SIGTERM, to the end of the process, under plain `uvicorn` bare and with the middleware,"
    " {exits} times in turns. Bare uvicorn ends by raising SIGTERM once more: it is killed, and no `finally` or `atexit` of the"
    " interpreter runs; after SIGINT it ends as we do. Behind the middleware uvicorn begins its own shutdown only after the"
    " drain: it looks every 100 ms whether it shall stop, and pauses for 100 ms when it has closed its port."
)


async def notice() -> float:
    """Microseconds from the last `send` to the shutdown hook, in one life."""
    life = Lifecycle(shutdown_delay=0)
    begun, release = anyio.Event(), anyio.Event()
    sent = noticed = 0

    @life.on_shutdown
    async def note() -> None:
        nonlocal noticed
        noticed = time.perf_counter_ns()

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        begun.set()
        await release.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def take(message: Message) -> None:
        nonlocal sent
        if message["type"] == "http.response.body":
            sent = time.perf_counter_ns()

    async def request(server: Served) -> None:
        await middleware(server.scope("/"), receive, take)

    middleware = LifecycleMiddleware(app, life)
    async with AsyncExitStack() as stack:
        group = await stack.enter_async_context(anyio.create_task_group())
        server = await stack.enter_async_context(served(middleware))
        group.start_soon(request, server)
        await begun.wait()
        server.stop()
        async for change in life.changes():
            if change.after == "draining":
                break
        release.set()
    return (noticed - sent) / 1000


async def notices(times: int) -> list[float]:
    return [await notice() for _ in range(times)]


def leave(app: str, number: signal.Signals) -> float:
    """Milliseconds from a slow answer's last byte to the end of the process that was told to stop meanwhile."""
    with launched(("uvicorn", "{app}", "--port", "{port}"), app) as server:
        server.wait_until_answering()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", "/slow", headers={"Connection": "close"})
        time.sleep(0.2)
        server.process.send_signal(number)
        connection.getresponse().read()
        answered = time.perf_counter()
        descriptor = os.pidfd_open(server.process.pid)
        try:
            select.select([descriptor], [], [], 10)
        finally:
            os.close(descriptor)
        gone = time.perf_counter()
        connection.close()
        server.wait()
    return (gone - answered) * 1000


def measure(effort: Effort) -> Finding:
    times, exits = effort.times(NOTICED), effort.times(EXITS, least=1)
    finding = Finding(
        "drain",
        "From the last answer to the end",
        HOW.format(noticed=times, exits=exits),
        ["", "median", "10th percentile", "90th percentile"],
    )
    for backend in ("asyncio", "trio"):
        spent = anyio.run(notices, times, backend=backend)
        finding.raw[f"noticed, {backend}, µs"] = spent
        _add(finding, f"noticed, {backend}, µs", Spread.of(spent))
        late = percentile(spent, 0.9) / 1e6
        text = f"the drain's end is told, not looked for ({backend}): well below uvicorn's {POLL * 1000:g} ms"
        finding.aims.append(Aim(text, f"{late * 1000:.2f} ms", late < POLL / 10))
    gone: dict[str, list[float]] = {name: [] for name in LEAVERS}
    for turn in range(exits):
        for name in turns(list(gone), turn):
            app, number = LEAVERS[name]
            gone[name].append(leave(f"benchmarks.rivals:{app}", number))
    for name, spent in gone.items():
        finding.raw[f"exit, {name}, ms"] = spent
        _add(finding, f"exit, {name}, ms", Spread.of(spent))
    return finding


def _add(finding: Finding, title: str, spread: Spread) -> None:
    finding.rows.append([title, *(round(value) for value in spread)])
