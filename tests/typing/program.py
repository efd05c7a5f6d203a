"""A program as users write it, for type checkers alone: what a decorator is given, it gives back with its type.

`nox -s typing` runs mypy and pyright over it, both strict. A line with an excuse is one that they must refuse: mypy
complains about an excuse that is not needed.
"""

import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware

from lifecycle import (
    End,
    Endpoints,
    Lifecycle,
    LifecycleMiddleware,
    Phase,
    Report,
    StopRequest,
    Trigger,
    wait_for_file,
)

Async = Callable[[], Coroutine[Any, Any, None]]

life = Lifecycle(grace_period=30, post_start_file="/tmp/done", allow="10.0.0.0/8")
other = Lifecycle(post_start_file=Path("/tmp/done"), allow=["10.0.0.0/8"])


@life.on_startup
async def bare() -> None: ...


@life.on_startup(name="db", timeout=3, after=("bare",), concurrent=True)
def with_options(number: int = 1) -> int:
    return number


@life.on_post_start
async def warmed(trigger: Trigger) -> str:
    return trigger.message


@life.on_pre_stop(timeout=2)
def leave(request: StopRequest) -> signal.Signals | None:
    return request.signal


@life.on_shutdown(after=["flush"])
async def close() -> None: ...


@life.resource
async def pool() -> AsyncIterator[str]:
    yield "open"


@life.resource(name="second", timeout=1)
def pool_too() -> Iterator[int]:
    yield 1


@life.resource
@asynccontextmanager
async def pool_as_well() -> AsyncIterator[str]:
    yield "open"


@life.on_signal(signal.SIGHUP)
async def reload() -> None: ...


@life.task
async def poll() -> None: ...


@life.task(essential=True, finish=False, name="poll too")
async def poll_too() -> None: ...


@life.track
async def job(number: int, *, name: str = "") -> float:
    return number + len(name)


@life.track
def job_in_a_thread(number: int) -> str:
    return str(number)


kept: list[Async] = [bare, close, reload, poll, poll_too]
number: int = with_options(2)
asked: Callable[[Trigger], Coroutine[Any, Any, str]] = warmed
told: Callable[[StopRequest], signal.Signals | None] = leave
values: Callable[[], AsyncIterator[str]] = pool
more_values: Callable[[], Iterator[int]] = pool_too


async def main(running: Lifecycle) -> None:
    seconds: float = await job(1, name="x") + running.remaining()
    text: str = job_in_a_thread(2)
    with running.in_flight(text):
        trigger: Trigger = await wait_for_file(Path("/tmp/done"), timeout=seconds)
    async for change in running.changes():
        before: Phase = change.before
        running.request_stop(f"{before}, {trigger.message}", exit_code=3)
    await running.stop_requested.wait()
    report: Report = running.report
    print(report.to_json(), life.phase is Phase.READY)  # noqa: T201 - it is never run


app = FastAPI()
app.add_middleware(LifecycleMiddleware, lifecycle=life)
inner = Starlette(middleware=[Middleware(LifecycleMiddleware, lifecycle=life, http="finish")])
outer = LifecycleMiddleware(
    inner,
    life,
    endpoints=Endpoints(shutdown=None),
    websocket=End(code=1012),
    routes={"/events": "end", "/feed/*": End(farewell=b"bye")},
)

# What must be refused.
life.on_startup("db")  # type: ignore[call-overload] # the promise
life.on_startup(nme="db")  # type: ignore[call-overload] # the promise
life.task(essential="yes")  # type: ignore[call-overload] # the promise
life.run(main, backend="curio")  # type: ignore[arg-type] # the promise
with_options("2")  # type: ignore[arg-type] # the promise
_ = warmed()  # type: ignore[call-arg] # the promise
_too = job("1")  # type: ignore[arg-type] # the promise
app.add_middleware(LifecycleMiddleware, lifecycle=life, http="finnish")  # type: ignore[arg-type] # the promise
LifecycleMiddleware(app, life, http="finnish")  # type: ignore[arg-type] # the promise
