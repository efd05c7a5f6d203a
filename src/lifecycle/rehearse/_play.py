"""One pod, played with real processes: the entry for everything that is rehearsed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from lifecycle.kube import Pod
from lifecycle.rehearse._clock import PodClock
from lifecycle.rehearse._events import Journal
from lifecycle.rehearse._knobs import Knobs
from lifecycle.rehearse._kubelet import PodWorker
from lifecycle.rehearse._local import running
from lifecycle.rehearse._recipe import LocalOptions, Site


@asynccontextmanager
async def play(
    pod: Pod,
    *,
    name: str,
    clock: PodClock,
    journal: Journal,
    knobs: Knobs | None = None,
    options: LocalOptions | None = None,
    namespace: str = "default",
    number: int = 0,
) -> AsyncIterator[PodWorker]:
    """The pod lives until the end of the block at the latest; `number` tells pods of one rehearsal apart.

    Raises:
        RehearsalError: It cannot be played on this machine.
    """
    site = Site(
        pod=pod,
        name=name,
        namespace=namespace,
        address=pod_ip(number),
        options=options or LocalOptions(),
    )
    try:
        async with running(site, clock, journal) as (runtime, network):
            worker = PodWorker(
                pod,
                name=name,
                runtime=runtime,
                network=network,
                clock=clock,
                journal=journal,
                knobs=knobs,
            )
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(worker.run)
                yield worker
                tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # Whoever writes the block knows nothing of the task groups around it.
        if (error := _only(group)) is None:
            raise
        raise error from error.__cause__


def _only(error: BaseException) -> BaseException | None:
    if not isinstance(error, BaseExceptionGroup):
        return error
    inside: list[BaseException] = list(error.exceptions)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - of what, no type says
    return _only(inside[0]) if len(inside) == 1 else None


def pod_ip(number: int) -> str:
    """A loopback address, and none that a server bound to 127.0.0.1 answers on: as in a cluster."""
    return f"127.83.{number // 250 % 250}.{number % 250 + 1}"
