"""A load generator that says what was lost. It runs in its own process, so that a busy test cannot slow it down.

    python -m examples.stage.load 8000 --reuse --for 1 --request /fast=60 --request "/slow?seconds=1=4"

Requests start at a constant rate, whether or not earlier ones were answered: a server that stalls is not spared. It
prints `answering` after the first answer, goes on until `--for` seconds after the moment that a line on standard input
names (`stop 1234.5`, in seconds of `time.monotonic`, which all processes share), awaits what is under way, and prints
its result as JSON.

It is a well-behaved client. It honours `Connection: close`; with `--reuse`, an idle connection that the server has
closed is replaced before anything is sent on it, which is no failure: connection pools do the same.
"""

import argparse
import asyncio
import json
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Literal, Self

Kind = Literal["refused", "reset", "disconnected", "truncated", "server error", "no answer"]

PATIENCE = 8.0
"""Seconds until a request counts as not answered."""


@dataclass(frozen=True, slots=True)
class Failure:
    kind: Kind
    path: str
    at: float
    """Seconds after the stop at which the request was started; negative before."""


@dataclass(slots=True)
class Result:
    sent: int = 0
    sent_after_stop: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    connections: int = 0
    found_closed: int = 0
    """Idle connections that the server had closed before they were used again."""
    asked_to_close: int = 0
    """Answers with `Connection: close`."""

    @property
    def lost(self) -> dict[str, int]:
        return dict(Counter(failure.kind for failure in self.failures))

    def summary(self) -> str:
        when = [failure.at for failure in self.failures]
        span = f" from {min(when):+.2f} s to {max(when):+.2f} s" if when else ""
        return f"{self.sent} sent, {self.sent_after_stop} after the stop, lost {self.lost or 'none'}{span}"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        values = json.loads(text)
        values["failures"] = [Failure(**failure) for failure in values["failures"]]
        values["statuses"] = {int(status): n for status, n in values["statuses"].items()}
        return cls(**values)


class LostError(Exception):
    """Ends one request; the argument is its kind."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        self.kind = kind


class Connection:
    """One socket and the HTTP/1.1 answers on it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._socket = socket.socket()
        self._socket.settimeout(0)
        self._received = b""

    async def open(self) -> None:
        try:
            await asyncio.get_running_loop().sock_connect(self._socket, self._address)
        except ConnectionRefusedError:
            raise LostError("refused") from None
        except OSError:
            raise LostError("reset") from None

    def close(self) -> None:
        self._socket.close()

    def is_closed_by_server(self) -> bool:
        """Asks the kernel now, not the event loop, which may not have seen it yet."""
        try:
            return self._socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    async def ask(self, path: str, *, keep: bool) -> tuple[int, bool]:
        """The status, and whether the connection may be used again."""
        head = f"GET {path} HTTP/1.1\r\nHost: {self._address[0]}:{self._address[1]}\r\n"
        if not keep:
            head += "Connection: close\r\n"
        # An answer may be here all the same: a server that refuses early sends it and closes.
        with suppress(OSError):
            await asyncio.get_running_loop().sock_sendall(self._socket, f"{head}\r\n".encode())
        start, _, fields = (await self._until(b"\r\n\r\n")).partition(b"\r\n")
        status = int(start.split()[1])
        headers = dict(self._fields(fields))
        if headers.get(b"transfer-encoding") == b"chunked":
            while size := int((await self._until(b"\r\n")).partition(b";")[0], 16):
                await self._exactly(size + 2)
            await self._until(b"\r\n")
        elif b"content-length" in headers:
            await self._exactly(int(headers[b"content-length"]))
        else:
            with suppress(LostError):
                while True:
                    await self._fill()
            return status, False
        return status, headers.get(b"connection", b"").lower() != b"close"

    @staticmethod
    def _fields(block: bytes) -> Iterator[tuple[bytes, bytes]]:
        for line in block.split(b"\r\n"):
            name, _, value = line.partition(b":")
            yield name.strip().lower(), value.strip()

    async def _until(self, mark: bytes) -> bytes:
        while mark not in self._received:
            await self._fill()
        found, _, self._received = self._received.partition(mark)
        return found

    async def _exactly(self, size: int) -> None:
        while len(self._received) < size:
            await self._fill()
        self._received = self._received[size:]

    async def _fill(self) -> None:
        try:
            data = await asyncio.get_running_loop().sock_recv(self._socket, 65536)
        except OSError:
            raise LostError("reset") from None
        if not data:
            raise LostError("truncated" if self._received else "disconnected")
        self._received += data


class Load:
    def __init__(self, port: int, *, reuse: bool) -> None:
        self._address = ("127.0.0.1", port)
        self._reuse = reuse
        self._idle: list[Connection] = []
        self._stop: float | None = None
        self._failed: list[tuple[Kind, str, float]] = []
        self.answered = asyncio.Event()
        self.result = Result()

    async def run(self, rates: dict[str, float], *, seconds: float) -> None:
        """Until `seconds` after the stop, and then until the last answer."""
        async with asyncio.TaskGroup() as group:
            stop = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
            pacers = [group.create_task(self._pace(group, p, rate)) for p, rate in rates.items()]
            await self.answered.wait()
            print("answering", flush=True)
            self._stop = float((await stop).split()[1])
            await asyncio.sleep(self._stop + seconds - time.monotonic())
            for pacer in pacers:
                pacer.cancel()
        self.result.failures = [
            Failure(kind, path, round(started - self._stop, 3))
            for kind, path, started in self._failed
        ]

    async def _pace(self, group: asyncio.TaskGroup, path: str, rate: float) -> None:
        due = time.monotonic()
        while True:
            group.create_task(self._request(path))
            due += 1 / rate
            await asyncio.sleep(due - time.monotonic())

    async def _request(self, path: str) -> None:
        started = time.monotonic()
        self.result.sent += 1
        self.result.sent_after_stop += self._stop is not None and started > self._stop
        try:
            async with asyncio.timeout(PATIENCE):
                status = await self._exchange(path)
        except LostError as lost:
            self._failed.append((lost.kind, path, started))
        except TimeoutError:
            self._failed.append(("no answer", path, started))
        else:
            self.answered.set()
            self.result.statuses[status] = self.result.statuses.get(status, 0) + 1
            if status >= 500:
                self._failed.append(("server error", path, started))

    async def _exchange(self, path: str) -> int:
        connection = self._idle_connection()
        if connection is None:
            connection = Connection(self._address)
            self.result.connections += 1
            await connection.open()
        again = False
        try:
            status, again = await connection.ask(path, keep=self._reuse)
        finally:
            if again and self._reuse:
                self._idle.append(connection)
            else:
                connection.close()
        self.result.asked_to_close += not again
        return status

    def _idle_connection(self) -> Connection | None:
        while self._idle:
            # The oldest first, so that none stays idle for long, and all notice a stop.
            connection = self._idle.pop(0)
            if not connection.is_closed_by_server():
                return connection
            self.result.found_closed += 1
            connection.close()
        return None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--reuse", action="store_true", help="keep connections")
    parser.add_argument("--for", type=float, default=1.0, dest="seconds", metavar="SECONDS")
    parser.add_argument("--request", action="append", metavar="PATH=RATE", dest="requests")
    options = parser.parse_args()
    rates = {path: float(rate) for path, _, rate in (r.rpartition("=") for r in options.requests)}

    async def run() -> Result:
        load = Load(options.port, reuse=options.reuse)
        await load.run(rates, seconds=options.seconds)
        return load.result

    print(asyncio.run(run()).to_json())


if __name__ == "__main__":
    main()
