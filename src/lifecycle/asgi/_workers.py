"""The other workers of the same server: one is asked to stop, all stop, and the answer waits for all.

A preStop `httpGet` reaches whichever worker the kernel hands it to. Workers find each other by a Unix socket in the
abstract namespace, which needs no writable file system, named after their common parent. Only a process of the same
user with the same parent is believed. Where there are no such sockets (they are Linux's own), every worker is alone,
and says so.
See https://man7.org/linux/man-pages/man7/unix.7.html
"""

import json
import logging
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.abc

from lifecycle.core import Report, StopSource
from lifecycle.runtime import Engine, Lifecycle

logger = logging.getLogger("lifecycle")

PREFIX: Final = "lifecycle-worker"
ANSWER_LIMIT_BYTES: Final = 1 << 20
HEARD_SLACK: Final = 0.1
START_TIME: Final = 22 - 3
"""The 22nd field of /proc/PID/stat, counted from the third: see proc_pid_stat(5)."""


class Workers:
    """This worker among its siblings."""

    def __init__(self, lifecycle: Lifecycle, parent: int | None) -> None:
        self._lifecycle = lifecycle
        self._parent = parent
        self._heard: anyio.Event | None = None
        self._group: anyio.abc.TaskGroup | None = None

    @property
    def _engine(self) -> Engine:
        engine = self._lifecycle._engine  # noqa: SLF001 - one library, two layers
        assert engine is not None, "workers exist inside a running lifespan"  # noqa: S101 - a defect of ours
        return engine

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Workers"]:
        """Be reachable for the siblings."""
        if self._parent is None:
            yield self
            return
        if not sys.platform.startswith("linux"):
            logger.warning(
                "/shutdown stops one worker only here: workers can reach each other on Linux alone"
            )
            yield self
            return
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            listener.bind(_name(self._parent, os.getpid()))
            listener.listen(64)
        except OSError as error:
            listener.close()
            logger.warning(
                "/shutdown stops one worker only: no socket to the others", exc_info=error
            )
            yield self
            return
        async with anyio.create_task_group() as group:
            self._group = group
            group.start_soon(self._serve, listener)
            yield self
            group.cancel_scope.cancel()
        listener.close()

    async def stop_all(self) -> list[dict[str, Any]]:
        """Ask every sibling to stop; their reports, once all have ended or died. Asked again, it joins."""
        if self._group is None or self._parent is None:
            return []
        report = self._engine.record.report
        if self._heard is None:
            # In the lifespan's group: it goes on although the caller of /shutdown has hung up.
            self._heard = anyio.Event()
            self._group.start_soon(self._ask_siblings, self._heard, report)
        await self._heard.wait()
        return report.workers

    async def _ask_siblings(self, heard: anyio.Event, report: Report) -> None:
        async with anyio.create_task_group() as group:
            for pid in _siblings(self._parent or 0):
                group.start_soon(self._ask, pid, report)
        heard.set()

    async def _ask(self, pid: int, report: Report) -> None:
        answer: dict[str, Any] = {"exit_status": None, "outcome": "no answer"}
        try:
            with anyio.move_on_after(self._engine.purse.remaining + HEARD_SLACK):
                async with await _connect(_name(self._parent or 0, pid)) as stream:
                    if not self._is_sibling(stream):
                        return
                    received = b""
                    async for part in stream:
                        received += part
                        if len(received) > ANSWER_LIMIT_BYTES:
                            break
                    answer = json.loads(received)
        except (OSError, ValueError, anyio.BrokenResourceError) as error:
            # It has died: what it was doing is lost, but there is nobody left to wait for.
            answer["outcome"] = f"died: {error}"
        report.workers.append({"pid": pid, **answer})

    async def _serve(self, listener: socket.socket) -> None:
        async with await anyio.abc.SocketListener.from_socket(listener) as sockets:
            await sockets.serve(self._answer)

    async def _answer(self, stream: anyio.abc.SocketStream) -> None:
        async with stream:
            if not self._is_sibling(stream):
                return
            engine = self._engine
            engine.stop("preStop, heard by another worker", StopSource.WORKER)
            await engine.over.wait()
            try:
                await stream.send(engine.record.report.to_json().encode())
            except (OSError, anyio.BrokenResourceError):
                logger.warning("the worker that answers for all has gone")

    def _is_sibling(self, stream: anyio.abc.SocketStream) -> bool:
        raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)  # noqa: S610 - anyio's, not Django's
        pid, uid, _ = struct.unpack("3i", raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return uid == os.getuid() and _parent_of(pid) == self._parent


async def _connect(name: str) -> anyio.abc.SocketStream:
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        raw.connect(name)
    except OSError:
        raw.close()
        raise
    return await anyio.abc.UNIXSocketStream.from_socket(raw)


def _name(parent: int, pid: int) -> str:
    return f"\0{PREFIX}/{parent}/{_started(parent)}/{pid}"


def _siblings(parent: int) -> list[int]:
    begin = f"@{PREFIX}/{parent}/{_started(parent)}/"
    try:
        lines = Path("/proc/net/unix").read_text().splitlines()
    except OSError:
        return []
    names = {line.rpartition(" ")[2] for line in lines}
    pids = {
        int(name[len(begin) :])
        for name in names
        if name.startswith(begin) and name[len(begin) :].isdigit()
    }
    return sorted(pids - {os.getpid()})


def _stat(pid: int) -> list[str]:
    try:
        # The second field, the name, may hold spaces and parentheses: count from the last one.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _started(pid: int) -> str:
    return next(iter(_stat(pid)[START_TIME:]), "?")


def _parent_of(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[1]) if fields else None
