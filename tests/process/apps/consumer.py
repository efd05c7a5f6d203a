"""A queue consumer: `python -m tests.process.apps.consumer QUEUE BACKEND`, where `QUEUE` is a folder of jobs.

A job is taken by renaming its file, and acknowledged by removing it.
"""

import sys
from pathlib import Path

import anyio

from lifecycle import Lifecycle, StopRequest
from tests.process.apps.service import note

queue, backend = Path(sys.argv[1]), sys.argv[2]
life = Lifecycle()


@life.on_pre_stop
async def leave(request: StopRequest) -> None:
    note(f"left for {request.reason}")


@life.on_shutdown
async def close() -> None:
    note("closed")


async def consume(life: Lifecycle) -> None:
    while not life.stop_requested.is_set():
        waiting = sorted(queue.glob("*.job"))  # noqa: ASYNC240 - a queue of a few files
        if not waiting:
            await anyio.sleep(0.01)
            continue
        job = waiting[0].rename(waiting[0].with_suffix(".taken"))
        with life.in_flight(job.stem):
            note(f"took {job.stem}")
            await anyio.sleep(0.4)
            job.unlink()
            note(f"did {job.stem}")


sys.exit(life.run(consume, backend="trio" if backend == "trio" else "asyncio"))
