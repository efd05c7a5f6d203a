"""The clients of the random number service: all kinds of requests that a careless stop would hurt."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from examples.stage.clients import Fate, Load, ask, listen, load, talk

RATE: Final = 50
"""Requests a second, from each of two generators."""
BURNS: Final = (800, 1600, 2400)
"""Milliseconds of work for the slow requests: the last one outlasts the delay."""
NUMBERS: Final = 25
"""How many the background work writes, ten a second."""


class Crowd:
    """Clients that go on until they are told goodbye. `crowd` makes one."""

    def __init__(
        self,
        load: dict[str, Load],
        client: httpx.AsyncClient,
        group: asyncio.TaskGroup,
        say: Callable[[str], None],
    ) -> None:
        self._load = load
        self._client = client
        self._group = group
        self._say = say
        self._going: list[asyncio.Task[Fate]] = []
        self._file: Path | None = None

    async def come(self) -> None:
        """Those who stay: load, a stream, a WebSocket."""
        for generator in self._load.values():
            await generator.is_answered()
        self._say(f"{RATE} requests a second on new connections, and {RATE} on kept ones")
        self._go(listen(self._client, "stream", "/events"))
        self._go(talk(str(self._client.base_url.copy_with(scheme="ws", path="/ws")), "WebSocket"))
        self._say("a stream of events without end (/events), and a WebSocket (/ws)")

    async def be_slow(self) -> None:
        """Work that takes longer than the pod has still to live, or nearly."""
        accepted = await self._client.post("/batch", params={"count": NUMBERS})
        self._file = Path(accepted.json()["file"])
        self._say(f"POST /batch: {accepted.status_code}; its work is {NUMBERS / 10:g} s long")
        for burn in BURNS:
            self._go(ask(self._client, f"slow request /?burn={burn}", f"/?burn={burn}"))
        self._say(f"slow requests: /?burn={', '.join(map(str, BURNS))} (milliseconds)")

    def hear_of_the_stop(self, at: float) -> None:
        """The load goes on for a second, as in a cluster whose routers do not know yet."""
        others, self._going = self._going, []
        for what, generator in self._load.items():
            self._go(generator.result(what, at))
        self._going += others

    async def fates(self) -> list[Fate]:
        """What became of all of them."""
        fates = [await going for going in self._going]
        text = self._file.read_text() if self._file else ""
        written = len(text.split())
        done = written == NUMBERS
        fates.append(
            Fate("background work", done, not done, f"{written} of {NUMBERS} numbers written")
        )
        return fates

    def _go(self, client: Coroutine[Any, Any, Fate]) -> None:
        async def go() -> Fate:
            fate = await client
            self._say(f"{fate.what}: {fate.remark}")
            return fate

        self._going.append(self._group.create_task(go()))


@asynccontextmanager
async def crowd(host: str, port: int, say: Callable[[str], None]) -> AsyncIterator[Crowd]:
    """A crowd in front of the service; whatever happens, none of it is left."""
    async with AsyncExitStack() as stack:
        generators = {
            f"{kind} connections": await stack.enter_async_context(
                load(port, {"/": RATE}, reuse=kind == "kept")
            )
            for kind in ("new", "kept")
        }
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=15, trust_env=False)
        )
        group = await stack.enter_async_context(asyncio.TaskGroup())
        yield Crowd(generators, client, group, say)
