"""A life that is lived inside a test: on the test's own event loop, and its clock."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from lifecycle import Lifecycle

Main = Callable[..., Awaitable[Any]]


async def until_stopped(life: Lifecycle) -> None:
    """A main function that does nothing until it is told to go."""
    await life.stop_requested.wait()


async def live(
    life: Lifecycle,
    main: Main = until_stopped,
    *,
    stop_at: float | None = None,
    then: Callable[[], object] | None = None,
) -> int:
    """Live through a whole life; `stop_at` seconds after the start a stop is requested, or `then` is called."""
    async with anyio.create_task_group() as group:
        if stop_at is not None:
            group.start_soon(after, stop_at, then or (lambda: life.request_stop("enough")))
        status = await life.run_async(main)
        group.cancel_scope.cancel()
    return status


async def after(seconds: float, action: Callable[[], object]) -> None:
    await anyio.sleep(seconds)
    action()


def outcomes(life: Lifecycle) -> dict[str, str]:
    """What became of the hooks, by name; of a resource, its closing."""
    return {hook.name: hook.outcome for hook in life.report.hooks}


def phases(life: Lifecycle) -> list[str]:
    return [phase.phase for phase in life.report.phases]


async def deaf(seconds: float) -> None:
    """Sleep on, whoever cancels it."""
    end = anyio.current_time() + seconds
    while anyio.current_time() < end:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(end - anyio.current_time())
