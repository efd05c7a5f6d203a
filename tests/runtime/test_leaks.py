"""However often a process starts and stops a lifecycle, as tests do, nothing of it stays."""

import gc
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from lifecycle import Lifecycle, LifecycleMiddleware
from tests.support.asgi import serving
from tests.support.phases import hello

CYCLES = 50

logger = logging.getLogger("lifecycle")


def registered() -> Lifecycle:
    life = Lifecycle(report_file="/dev/null")
    life.on_startup(lambda: None)
    life.on_shutdown(lambda: None)

    @life.resource
    async def pool() -> AsyncIterator[str]:
        yield "open"

    return life


async def run(life: Lifecycle) -> None:
    async def main() -> None: ...

    assert await life.run_async(main) == 0


async def serve(life: Lifecycle) -> None:
    async with serving(LifecycleMiddleware(hello, life)) as server:
        assert (await server.ask("/")).status == 200


def held() -> tuple[int, int]:
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


@pytest.fixture
def threads_that_nobody_traces() -> Iterator[None]:
    """coverage keeps a tracer for every thread that ever was, and a life starts one."""
    tracer = threading.gettrace()
    threading.settrace(None)
    yield
    threading.settrace(tracer)


@pytest.mark.usefixtures("threads_that_nobody_traces")
@pytest.mark.parametrize("again", ["reset", "anew"])
@pytest.mark.parametrize("way", [run, serve])
async def test_after_many_lives_no_descriptor_no_thread_and_no_object_is_left(
    way: Callable[[Lifecycle], Awaitable[None]], again: str
) -> None:
    life = registered()
    before: tuple[int, int] = (0, 0)
    objects = 0
    # pytest keeps every record of the log for its report: those are not ours.
    logger.setLevel(logging.CRITICAL)
    for cycle in range(CYCLES):
        await way(life)
        if again == "reset":
            life.reset()
        else:
            life = registered()
        if cycle == 9:
            gc.collect()
            before, objects = held(), len(gc.get_objects())
    gc.collect()
    logger.setLevel(logging.NOTSET)
    # Not more: threads that a pool has kept from earlier tests may end meanwhile.
    assert all(now <= then for now, then in zip(held(), before, strict=True))
    # A handful for each life would be hundreds.
    assert len(gc.get_objects()) - objects < CYCLES - 10
