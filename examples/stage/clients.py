"""Those whom a careless stop would hurt: each reports what it got, and what it lost."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from examples.stage.load import Result

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of some client's requests."""

    what: str
    served: int
    lost: int
    remark: str = ""


async def ask(client: httpx.AsyncClient, what: str, path: str) -> Fate:
    """One request that takes its time."""
    try:
        answer = await client.get(path)
    except httpx.HTTPError as error:
        return Fate(what, 0, 1, f"{type(error).__name__}: {error}")
    good = answer.is_success
    seconds = answer.elapsed.total_seconds()
    return Fate(what, good, not good, f"{answer.status_code} after {seconds:.1f} s")


async def listen(client: httpx.AsyncClient, what: str, path: str) -> Fate:
    """A stream of events: it may end, by the rules of HTTP, but not break off."""
    events: list[str] = []
    try:
        async with client.stream("GET", path) as stream:
            stream.raise_for_status()
            block: list[str] = []
            async for line in stream.aiter_lines():
                if line:
                    block.append(line)
                else:
                    events.append(block[0])
                    block = []
    except httpx.HTTPError as error:
        return Fate(what, 0, 1, f"{type(error).__name__} after {len(events)} events: {error}")
    *before, last = events or ["nothing"]
    return Fate(what, 1, 0, f'ended whole: {len(before)} events, then "{last}"')


async def talk(url: str, what: str) -> Fate:
    """A WebSocket: it may be closed, with a reason and not in the middle of an answer."""
    answered = 0
    try:
        async with connect(url, proxy=None) as websocket:
            while True:
                await websocket.send("another one, please")
                await websocket.recv()
                answered += 1
                await asyncio.sleep(0.1)
    except ConnectionClosed as closed:
        told = closed.rcvd
        how = "broke off" if told is None else f'closed with {told.code} "{told.reason}"'
        return Fate(what, told is not None, told is None, f"{how} after {answered} answers")
    except OSError as error:
        return Fate(what, 0, 1, f"{type(error).__name__}: {error}")


class Load:
    """The generator of `load.py`, in a process of its own: new connections all the time, or kept ones."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def is_answered(self) -> None:
        assert self._process.stdout is not None
        await self._process.stdout.readline()

    async def result(self, what: str, stopped_at: float) -> Fate:
        """What became of it, a second after the stop and once all answers are there."""
        output, _ = await self._process.communicate(f"stop {stopped_at}\n".encode())
        result = Result.from_json(output.decode())
        served = sum(result.statuses.values()) - result.lost.get("server error", 0)
        remark = f"{result.sent_after_stop} of them were sent after the stop"
        if result.failures:
            remark = result.summary()
        return Fate(what, served, len(result.failures), remark)


@asynccontextmanager
async def load(port: int, rates: Mapping[str, float], *, reuse: bool) -> AsyncIterator[Load]:
    """Requests per second, by path."""
    words = [word for path in rates for word in ("--request", f"{path}={rates[path]}")]
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "examples.stage.load", str(port), *words],
        *(["--reuse"] if reuse else []),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield Load(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
