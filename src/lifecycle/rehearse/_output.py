"""What containers print: told line by line, and bounded, whatever they do."""

import os
from collections.abc import Callable
from typing import Final

import anyio

CHUNK: Final = 2**16
LONGEST_LINE: Final = 2**14
"""Bytes: containerd cuts there."""
LINES: Final = 2000
"""Of one life of a container. What is printed beyond that is read, and not told."""
KEPT: Final = 2**14
"""Bytes at the end of the output that are kept for the termination message."""
PAUSE: Final = 0.01
"""Seconds between two readings of a flood: the pipe is full meanwhile, and its writer waits."""


class Output:
    """The reading end of one pipe."""

    def __init__(self, descriptor: int, tell: Callable[[str], object]) -> None:
        os.set_blocking(descriptor, False)
        self.tail = b""
        self.dropped = 0
        self._descriptor = descriptor
        self._tell = tell
        self._told = 0
        self._rest = b""

    async def read(self) -> None:
        """Until nobody can write to it any more."""
        try:
            while True:
                await anyio.wait_readable(self._descriptor)
                if not (data := self._receive()):
                    return
                self._take(data)
                if self._told >= LINES:
                    await anyio.sleep(PAUSE)
        finally:
            if self._rest:
                self._line(self._rest)

    def close(self) -> None:
        os.close(self._descriptor)

    def _receive(self) -> bytes:
        try:
            return os.read(self._descriptor, CHUNK)
        except BlockingIOError:
            return b""

    def _take(self, data: bytes) -> None:
        self.tail = (self.tail + data)[-KEPT:]
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._rest) > LONGEST_LINE:
            self._line(self._rest)
            self._rest = b""

    def _line(self, line: bytes) -> None:
        if self._told < LINES:
            self._told += 1
            self._tell(line[:LONGEST_LINE].decode(errors="replace"))
        else:
            self.dropped += 1


async def read_all(descriptor: int, at_most: int) -> bytes:
    """Until nobody can write any more; what is beyond the bound is read, and thrown away."""
    os.set_blocking(descriptor, False)
    data = b""
    while True:
        await anyio.wait_readable(descriptor)
        more = os.read(descriptor, CHUNK)
        if not more:
            return data
        data += more[: max(at_most - len(data), 0)]
