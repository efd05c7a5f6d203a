"""How soon a trigger file is noticed, and what the waiting costs."""

import random
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from benchmarks.figures import Effort, Finding, percentile
from lifecycle import wait_for_file

SAMPLES = 100
SIDE_BY_SIDE = 20
"""Waits at the same time: enough to be quick, too few to be in each other's way."""
IDLE_SECONDS = 5.0
HOW = (
    "From the return of `os.replace` in a thread to the line after the wait, at random moments, {samples} files each. A file"
    " that has just been written is watched for another 100 ms, in case it is not whole; one that was finished before is"
    " believed at once. Idle is the CPU time that a wait takes, in thousandths of one CPU. The loop that scripts use,"
    " `while not exists: sleep(1)`, is there for comparison."
)

Wait = Callable[[Path], Coroutine[Any, Any, object]]


async def ours(path: Path) -> None:
    await wait_for_file(path)


async def by_the_second(path: Path) -> None:
    while not path.exists():  # noqa: ASYNC110, ASYNC240 - this is what it is compared with
        await anyio.sleep(1)


async def latency(wait: Wait, folder: Path, number: int, age: float) -> float:
    """Milliseconds for one file, which is `age` seconds old when it is put there."""
    path, draft = folder / f"{number}", folder / f"{number}.draft"
    awake = put = 0.0

    async def waiter() -> None:
        nonlocal awake
        await wait(path)
        awake = time.perf_counter()

    def put_there() -> float:
        draft.replace(path)
        return time.perf_counter()

    async with anyio.create_task_group() as group:
        group.start_soon(waiter)
        await anyio.sleep(0.3 + random.random())
        draft.write_text("Wake up!\n")
        await anyio.sleep(age)
        put = await anyio.to_thread.run_sync(put_there)
    return (awake - put) * 1000


async def latencies(wait: Wait, samples: int, age: float) -> list[float]:
    found: list[float] = []
    numbers = iter(range(samples))

    async def some(folder: Path) -> None:
        for number in numbers:
            found.append(await latency(wait, folder, number, age))  # noqa: PERF401 - one after the other, beside others

    with tempfile.TemporaryDirectory() as name:
        async with anyio.create_task_group() as group:
            for _ in range(SIDE_BY_SIDE):
                group.start_soon(some, Path(name))
    return found


async def idle(wait: Wait, seconds: float) -> float:
    """Thousandths of a CPU for one wait that is in vain."""
    began = time.process_time()
    with anyio.move_on_after(seconds):
        await wait(Path(tempfile.gettempdir()) / "never-written")
    return (time.process_time() - began) / seconds * 1000


def measure(effort: Effort) -> Finding:
    samples, seconds = effort.times(SAMPLES), effort.seconds(IDLE_SECONDS)
    finding = Finding(
        "trigger",
        "The trigger file",
        HOW.format(samples=samples),
        ["", "p50, ms", "p99, ms", "p50 ÷ polling each second", "idle, ‰ of a CPU"],
    )
    cases: dict[str, tuple[Wait, float]] = {
        "polling each second": (by_the_second, 0.0),
        "`wait_for_file`, file just written": (ours, 0.0),
        "`wait_for_file`, file finished before": (ours, 0.2),
    }
    base = 0.0
    for title, (wait, age) in cases.items():
        found = anyio.run(latencies, wait, samples, age)
        cost = anyio.run(idle, wait, seconds)
        median, worst = percentile(found, 0.5), percentile(found, 0.99)
        base = base or median
        finding.rows.append(
            [title, round(median, 1), round(worst, 1), round(median / base, 3), round(cost, 2)]
        )
        finding.raw[f"{title}, ms"] = found
        finding.raw[f"{title}, idle, ‰ of a CPU"] = cost
    return finding
