"""A program without HTTP, with one thing wrong: `python -m tests.process.apps.program TROUBLE BACKEND`."""

import asyncio
import atexit
import ctypes
import os
import signal
import sys
import threading
import time
from typing import Any

import anyio

from lifecycle import Lifecycle
from tests.process.apps.service import note

TROUBLE, BACKEND = sys.argv[1:]
FOREVER = 3600.0

life = Lifecycle()
atexit.register(note, "exiting")


@life.on_startup
async def start() -> None:
    note("starting")
    if TROUBLE == "start hangs":
        await anyio.sleep(FOREVER)
    if TROUBLE == "start fails":
        raise RuntimeError("no database")
    if TROUBLE == "start blocks":
        time.sleep(FOREVER)  # noqa: ASYNC251 - the trouble


@life.on_shutdown
async def stop() -> None:
    note("shut down")


async def swallow() -> None:
    while True:
        try:
            await anyio.sleep(FOREVER)
        except BaseException as error:  # noqa: BLE001 - the trouble
            note(f"swallowed {type(error).__name__}")


def hang() -> None:
    note("hanging")
    time.sleep(FOREVER)


async def block() -> None:
    note("blocking")
    time.sleep(FOREVER)  # noqa: ASYNC251 - the trouble


async def hold_the_interpreter() -> None:
    """As code in C does that never lets other threads run."""
    note("holding")
    ctypes.PyDLL(None).sleep(int(FOREVER))


async def fill_standard_error() -> None:
    """As logging does when nobody reads it any more."""
    note("blocking")
    while True:
        os.write(2, b"x" * 65536)


if TROUBLE == "hook is slow":

    @life.on_shutdown
    async def slow() -> None:
        note("slow")
        await anyio.sleep(FOREVER)

elif TROUBLE == "hook swallows":
    life.on_shutdown(swallow)
elif TROUBLE == "hook hangs in a thread":
    life.on_shutdown(hang)
elif TROUBLE == "hook blocks":
    life.on_shutdown(block)
elif TROUBLE == "hook holds the interpreter":
    life.on_shutdown(hold_the_interpreter)
elif TROUBLE == "hook fails":

    @life.on_shutdown
    def fail() -> None:
        raise RuntimeError("the pool does not close")

elif TROUBLE == "task hangs in a thread":
    life.task(hang)
elif TROUBLE == "task swallows":
    life.task(swallow)
elif TROUBLE == "reload hangs in a thread":
    life.on_signal(signal.SIGHUP)(hang)
elif TROUBLE == "reload":

    def chained(number: int, frame: object) -> None:
        note(f"chained {signal.Signals(number).name}")

    signal.signal(signal.SIGHUP, chained)

    @life.on_signal(signal.SIGHUP)
    async def reload() -> None:
        note("reloaded")

elif TROUBLE == "own handler":
    signal.signal(signal.SIGUSR1, lambda *_: life.request_stop("SIGUSR1", exit_code=12))
elif TROUBLE == "import takes time":
    note("importing")
    threading.Event().wait(1)
elif TROUBLE == "exit takes time":
    atexit.register(time.sleep, 1)
    atexit.register(note, "leaving")

ENDLESS: dict[str, Any] = {
    "blocked": block,
    "nobody reads": fill_standard_error,
    "executor hangs": lambda: asyncio.to_thread(hang),
}


async def main() -> None:
    note("ready")
    try:
        if TROUBLE == "main crashes":
            raise RuntimeError("the queue has gone")
        if TROUBLE in ENDLESS:
            await ENDLESS[TROUBLE]()
        await life.stop_requested.wait()
        note("asked")
        if TROUBLE == "work takes long":
            with life.in_flight("job 42"):
                await anyio.sleep(FOREVER)
    finally:
        note("finally")


before = {
    number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
}
status = life.run(main, backend="trio" if BACKEND == "trio" else "asyncio")
note(
    "restored"
    if before == {number: signal.getsignal(number) for number in before}
    else "not restored"
)
sys.exit(status)
