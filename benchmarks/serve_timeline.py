"""One restart of a replica behind HAProxy, request by request: how many are in flight, where, and which ones fail."""

import asyncio
import os
import signal
import time
from contextlib import ExitStack
from typing import Any

from benchmarks.figures import Aim, Effort, Finding
from benchmarks.serve_restarts import (
    SUBJECTS,
    Balancer,
    balancer,
    missing,
    start,
)
from tests.support.servers import Server

NAMES = ("lifecycle serve", "uvicorn")
RATE = 40.0
WORK = 0.5
"""Seconds that each request takes."""
LEAD, LAG, REST = 4.0, 1.0, 2.5
"""Seconds: of load before the deletion, until HAProxy lets go, and of load after that."""
HOW = (
    "One restart of one of two replicas behind HAProxy (no retries), under {rate:g} requests a second of {work:g} s each, every one"
    " on a new connection. At 0 the new replica is ready and the old one gets SIGTERM; HAProxy takes it out {lag:g} s later."
    " The line is all requests in flight, the area those in the replica that leaves; red marks are requests that fail, each at"
    " the moment in which it was sent."
)


async def _request(port: int, zero: float, seen: list[tuple[str, float, float]]) -> None:
    began = time.monotonic() - zero
    replica = "failed"
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"GET /slow?seconds={WORK} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        answer = (await reader.read()).decode(errors="replace")
        writer.close()
        if answer.startswith("HTTP/1.1 200") and answer.endswith("at last"):
            replica = answer.partition("x-replica: ")[2].partition("\r\n")[0]
    except OSError:
        replica = "failed"
    seen.append((replica, began, time.monotonic() - zero))


async def _load(port: int, zero: float, until: float) -> list[tuple[str, float, float]]:
    seen: list[tuple[str, float, float]] = []
    async with asyncio.TaskGroup() as group:
        due = time.monotonic()
        while due < zero + until:
            group.create_task(_request(port, zero, seen))
            due += 1 / RATE
            await asyncio.sleep(max(0.0, due - time.monotonic()))
    return seen


def restart(name: str, effort: Effort) -> dict[str, list[float]]:
    """Times in seconds since the deletion."""
    subject = SUBJECTS[name]
    lead, rest = effort.seconds(LEAD, least=0.5), effort.seconds(REST, least=0.8)
    with balancer() as front, ExitStack() as everything:
        (old, slot), *_ = [start(subject, everything, front) for _ in range(3)]
        zero = time.monotonic() + lead
        seen, exited = asyncio.run(_play(front, old, slot, zero, LAG + rest))
    slot = slot.partition("/")[2]
    return {
        "old, began": [began for replica, began, _ in seen if replica == slot],
        "old, ended": [ended for replica, _, ended in seen if replica == slot],
        "other, began": [began for replica, began, _ in seen if replica not in (slot, "failed")],
        "other, ended": [ended for replica, _, ended in seen if replica not in (slot, "failed")],
        "failed, began": [began for replica, began, _ in seen if replica == "failed"],
        "let go": [LAG],
        "exited": [exited],
    }


async def _play(
    front: Balancer, old: Server, slot: str, zero: float, until: float
) -> tuple[list[tuple[str, float, float]], float]:
    load = asyncio.create_task(_load(front.port, zero, until))
    await asyncio.sleep(zero - time.monotonic())
    os.kill(old.pid, signal.SIGTERM)
    gone = asyncio.create_task(asyncio.to_thread(_gone, old, zero))
    await asyncio.sleep(zero + LAG - time.monotonic())
    front.remove(slot)
    return await load, await gone


def _gone(server: Server, zero: float) -> float:
    server.wait(20)
    return time.monotonic() - zero


def measure(effort: Effort) -> Finding:
    finding = Finding(
        "serve-timeline",
        "In flight across a restart",
        HOW.format(rate=RATE, work=WORK, lag=LAG),
        ["", "sent", "failed", "last end in the old one, s", "its exit, s"],
        missing=missing(),
    )
    if finding.missing:
        return finding
    raw: dict[str, Any] = {name: restart(name, effort) for name in NAMES}
    finding.raw = raw
    for name, times in raw.items():
        failed = len(times["failed, began"])
        finding.rows.append(
            [
                name,
                failed + len(times["old, began"]) + len(times["other, began"]),
                failed,
                f"{max(times['old, ended'], default=0.0):.2f}",
                f"{times['exited'][0]:.2f}",
            ]
        )
    lost = len(raw[NAMES[0]]["failed, began"])
    finding.aims.append(Aim("no request fails under `lifecycle serve`", f"{lost}", lost == 0))
    return finding
