"""What the middleware costs each request, in CPU time, in process."""

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import NamedTuple

import anyio
import trio

from benchmarks.figures import Aim, Effort, Finding, Spread, ratios, turns
from benchmarks.lifespan import Served, receive, send, served
from benchmarks.rivals import NoOp, nothing, service
from lifecycle import End, Lifecycle, LifecycleMiddleware
from lifecycle.asgi._http import App, Receive, Scope, Send
from lifecycle.core import Policy

AIM = 1.5
BATCH = 100
"""Requests between two looks at the clock, which would otherwise be a part of what is measured."""
ROUNDS = 200
ROUTES: Mapping[str, Policy] = {
    "/events": "end",
    "/feed/*": End(farewell=b"bye\n"),
    "/jobs": "finish",
}


class Scoped(NoOp):
    """The least that can be cut off on trio."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with trio.CancelScope():
            await self.app(scope, receive, send)


class Setting(NamedTuple):
    title: str
    backend: str = "asyncio"
    app: App = service()
    root_path: str = ""
    routes: Mapping[str, Policy] | None = None
    aimed: bool = True
    no_op: type = NoOp


SETTINGS = (
    Setting("Starlette, asyncio"),
    Setting("Starlette with three `routes`, asyncio", routes=ROUTES),
    Setting("Starlette under a root path, asyncio", root_path="/api/v1"),
    Setting("Starlette, trio", backend="trio"),
    Setting("Starlette, trio; the no-op in a cancel scope", backend="trio", no_op=Scoped),
    Setting("two `send`s and nothing else, asyncio", app=nothing, aimed=False),
)

HOW = (
    "CPU time of a `GET` that is answered with a short text, while READY: the application alone, behind a middleware that"
    " only awaits the application, and behind `LifecycleMiddleware`. They take turns, {batch} requests each, {rounds} rounds;"
    " ratios are taken within a round: the median, and in brackets the 10th and 90th percentile. The null pair is the bare"
    " application against itself: what differs there is noise. On trio each request needs a cancel scope, or it could not be cut"
    " off at the deadline; on asyncio its task is enough. One line has a no-op that opens such a scope, and nothing else: what"
    " trio itself takes for it. The last line is the worst case by construction: an application"
    " without any work of its own."
)


async def measure_setting(setting: Setting, rounds: int) -> dict[str, list[float]]:
    """Microseconds per request, by rival and round."""
    ours = LifecycleMiddleware(setting.app, Lifecycle(), routes=setting.routes)
    rivals: dict[str, App] = {
        "bare": setting.app,
        "bare again": setting.app,
        "no-op": setting.no_op(setting.app),
        "ours": ours,
    }
    spent: dict[str, list[float]] = {name: [] for name in rivals}
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(served(ours))
        for number in range(rounds):
            for name in turns(list(rivals), number):
                spent[name].append(await _batch(rivals[name], server, setting.root_path))
    return spent


async def _batch(app: App, server: Served, root_path: str) -> float:
    scopes = [server.scope("/fast", root_path=root_path) for _ in range(BATCH)]
    began = time.process_time_ns()
    for scope in scopes:
        await app(scope, receive, send)
    return (time.process_time_ns() - began) / BATCH / 1000


def measure(effort: Effort) -> Finding:
    rounds = effort.times(ROUNDS)
    finding = Finding(
        "request",
        "Cost of a request, in process",
        HOW.format(batch=BATCH, rounds=rounds),
        [
            "",
            "bare, µs",
            "no-op, µs",
            "ours, µs",
            "null pair",
            "ours ÷ no-op",
            "ours less no-op, µs",
        ],
    )
    for setting in SETTINGS:
        spent = anyio.run(measure_setting, setting, rounds, backend=setting.backend)
        to_no_op = ratios(spent["ours"], spent["no-op"])
        more = [ours - no_op for ours, no_op in zip(spent["ours"], spent["no-op"], strict=True)]
        medians = [round(Spread.of(spent[name]).median, 2) for name in ("bare", "no-op", "ours")]
        finding.rows.append(
            [
                setting.title,
                *medians,
                f"{ratios(spent['bare again'], spent['bare']):.2f}",
                f"{to_no_op:.2f}",
                round(Spread.of(more).median, 2),
            ]
        )
        finding.raw[f"{setting.title}, µs"] = spent
        if setting.aimed:
            text = f"at most {AIM:g} times what a request behind the no-op costs ({setting.title})"
            finding.aims.append(Aim(text, f"{to_no_op.median:.2f}", to_no_op.median <= AIM))
    return finding
