"""A worker's whole program: `python -m lifecycle.server._worker CONTROL ORDER`, started by its parent."""

import asyncio
import json
import os
import signal
import socket
import sys
from typing import Any

import anyio

from lifecycle.core import PROMISES, LifecycleError
from lifecycle.runtime import EarlySignals, Lifecycle
from lifecycle.server._arrivals import Arrivals
from lifecycle.server._child import WAITING_SIGNALS
from lifecycle.server._control import Channel
from lifecycle.server._load import load_application
from lifecycle.server._seat import Seat
from lifecycle.server._serve import make_config, serve_async


class WorkerSeat(Seat):
    """A server that is one of several: it is ready when all are, and its parent writes the report."""

    def __init__(self, count: int, serving: int, channel: Channel) -> None:
        super().__init__()
        self.parent = os.getppid()
        self.writes_report = False
        self._count = count
        self._channel = channel
        self.ready_workers = 0
        self._worn_out = False
        self._telling: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self.silence = asyncio.Event()
        """The parent, which hears of all workers' arrivals, says that the routers have let go."""
        self.others_serve(serving)

    def others_serve(self, serving: int) -> None:
        """So many workers are ready. A port that nobody else answers on wants an answer, be it an honest 503."""
        if not serving:
            self._wanted.set()

    async def wait_for_silence(self, arrivals: Arrivals, within: float) -> None:
        telling = asyncio.create_task(self._tell_of_arrivals(arrivals, within))
        try:
            await self.silence.wait()
        finally:
            telling.cancel()

    async def _tell_of_arrivals(self, arrivals: Arrivals, within: float) -> None:
        heard = asyncio.Event()
        arrivals.noted = heard.set
        now = asyncio.get_running_loop().time()
        await self._channel.tell(stopped={"at": now, "within": within, "past": arrivals.past()})
        while True:
            await heard.wait()
            heard.clear()
            await self._channel.tell(arrived=arrivals.last)

    async def before_listening(self) -> bool:
        # The kernel hands a connection to whoever listens: beside others that serve, one that only starts would take
        # its share of the requests and refuse them.
        if self._wanted.is_set():
            return True
        await self._wanted.wait()
        return not self.left

    def leave(self) -> None:
        super().leave()
        self._wanted.set()

    def worn_out(self) -> None:
        if not self._worn_out:
            self._worn_out = True
            # Another one first: it may take a while to be ready, and until then this one serves on.
            self._telling = asyncio.create_task(self._channel.tell(worn_out=True))

    def waiting_for(self) -> str | None:
        if self.ready_workers >= self._count:
            return None
        return f"{self.ready_workers} of {self._count} workers are ready"

    async def follow(self, life: Lifecycle) -> None:
        await super().follow(life)
        async for change in life.changes(from_start=True):
            ready = PROMISES[change.after].ready
            if ready:
                self._wanted.set()
            await self._channel.tell(phase=change.after.value, ready=ready)


def main() -> int:
    control, order = int(sys.argv[1]), json.loads(sys.argv[2])
    early = EarlySignals()
    early.install(everywhere=True)
    for which in (signal.SIGINT, signal.SIGHUP):
        signal.signal(which, signal.SIG_IGN)  # the parent's to hear
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WAITING_SIGNALS)
    options = order["options"]
    sys.path.insert(0, options.pop("app_dir", None) or "")
    try:
        app, life = load_application(order["target"], factory=options.pop("factory", False))
    except LifecycleError as error:
        sys.exit(f"Error: {error}")
    life.heed(early)
    sockets = [socket.socket(fileno=descriptor) for descriptor in order["sockets"]]
    for descriptor in (control, *order["sockets"]):
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the os module's own signature
    serving = _serve(app, life, socket.socket(fileno=control), sockets, order, options)
    with asyncio.Runner(
        loop_factory=make_config(order["target"], **options).get_loop_factory()
    ) as runner:
        return runner.run(serving)


async def _serve(
    app: Any,
    life: Lifecycle,
    control: socket.socket,
    sockets: list[socket.socket],
    order: dict[str, Any],
    options: dict[str, Any],
) -> int:
    channel = Channel(control)
    seat = WorkerSeat(order["of"], order["serving"], channel)
    status = 0
    async with anyio.create_task_group() as group:
        group.start_soon(_hear, channel, seat)
        status = await serve_async(life, app, sockets=sockets, seat=seat, **options)
        await channel.tell(report=life.report.to_dict())
        group.cancel_scope.cancel()
    return status


async def _hear(channel: Channel, seat: WorkerSeat) -> None:
    async for message in channel.messages():
        if "ready_workers" in message:
            seat.ready_workers = message["ready_workers"]
            seat.others_serve(message["serving"])
        if message.get("silence"):
            seat.silence.set()
        if message.get("leave"):
            await seat.leave_to_others()
    # The parent has gone without a word: nobody would ever tell this worker to stop.
    seat.orphaned()


if __name__ == "__main__":
    sys.exit(main())
