"""The rivals under uvicorn, all up in one process, so that they can take turns."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.support.servers import ROOT, environment

RIVALS = ("bare", "bare again", "no-op", "ours")
"""The first two are the null pair: what differs there is noise."""
STACKS = {
    "Starlette on uvloop and httptools": ("starlette", "uvloop", "httptools"),
    "Starlette on asyncio and h11": ("starlette", "asyncio", "h11"),
    "FastAPI on uvloop and httptools": ("fastapi", "uvloop", "httptools"),
}


@contextmanager
def up(stack: Sequence[str]) -> Iterator[tuple[int, dict[str, int]]]:
    """The process with all rivals, and their ports."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.side_by_side", *stack],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None, "it is a pipe"  # noqa: S101 - for the type checker
        try:
            yield process.pid, json.loads(process.stdout.readline())
        finally:
            process.kill()
