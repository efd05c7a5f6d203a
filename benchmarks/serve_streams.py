"""The end of thousands of streams and WebSockets: are all told, how long does it take, and what does it cost?"""

import asyncio
import re
import resource
import time
from collections import Counter
from pathlib import Path

from benchmarks.figures import Aim, Effort, Finding
from lifecycle.core import FAREWELL
from tests.support.servers import launched

NUMBERS = (1000, 3000, 10000)
REQUESTS = {
    "SSE": b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n",
    "WebSocket": (
        b"GET /talk HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ),
}
BEGUN = {"SSE": b"hello\n\n", "WebSocket": b"\r\n\r\n"}
CLOSE, SERVICE_RESTART = b"\x88", b"\x03\xf4"
"""A close frame's first byte, and 1012."""
COMMANDS = {
    "lifecycle serve": ("lifecycle serve", "benchmarks.quiet:app"),
    "uvicorn, 5 s timeout": ("uvicorn --timeout-graceful-shutdown 5", "benchmarks.quiet:service"),
}
# No pings: these clients answer none, and to open 10,000 takes longer than their patience.
OPTIONS = "{app} --port {port} --no-access-log --ws websockets-sansio --backlog 16384 --ws-ping-interval 3600"
HOW = (
    "Each client opens an endless stream of server-sent events, or a WebSocket, and waits. Told: the stream ended with a farewell"
    " and its last chunk, the WebSocket with a close frame. Seconds from SIGTERM to the last end; memory is the server's, all"
    " connections open, for each. No delay; closes are spread at 2000 a second."
)


async def _one(
    kind: str, port: int, begun: asyncio.Semaphore, gate: asyncio.Semaphore, ends: "Counter[str]"
) -> float:
    async with gate:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUESTS[kind])
        await reader.readuntil(BEGUN[kind])
    begun.release()
    try:
        rest = await reader.read()
    except OSError:
        rest = b"reset"
    writer.close()
    if kind == "SSE":
        told = rest.endswith(b"0\r\n\r\n") and FAREWELL in rest
    else:
        told = rest.startswith(CLOSE) and rest[2:4] == SERVICE_RESTART
    ends["told" if told else "not told"] += 1
    return time.monotonic()


async def _all(kind: str, number: int, subject: str) -> dict[str, float]:
    command, app = COMMANDS[subject]
    words = [*command.split(), *OPTIONS.split()]
    with launched(words, app, LIFECYCLE_GRACE_PERIOD="30") as server:
        await asyncio.to_thread(server.wait_until_answering)
        ends: Counter[str] = Counter()
        begun, gate = asyncio.Semaphore(0), asyncio.Semaphore(100)
        before = _memory(server.pid)
        clients = [
            asyncio.create_task(_one(kind, server.port, begun, gate, ends)) for _ in range(number)
        ]
        for _ in range(number):
            await begun.acquire()
        after = _memory(server.pid)
        began = time.monotonic()
        server.terminate()
        last = max(await asyncio.gather(*clients))
        status = await asyncio.to_thread(server.wait, 30)
    return {
        "told": ends["told"],
        "seconds": last - began,
        "kB for each": (after - before) / number,
        "status": status,
    }


def _memory(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0


def measure(effort: Effort) -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    most = min(hard, max(soft, hard)) - 200
    numbers = [
        number for number in NUMBERS if number <= max(1000, NUMBERS[-1] * effort) and number < most
    ]
    finding = Finding(
        "serve-streams",
        "The end of thousands of streams",
        HOW,
        ["", "", "open", "told", "seconds", "kB for each", "exit status"],
    )
    told = True
    slowest = 0.0
    for kind in REQUESTS:
        for subject in COMMANDS:
            for number in numbers if subject == "lifecycle serve" else numbers[:1]:
                end = asyncio.run(_all(kind, number, subject))
                finding.rows.append(
                    [
                        subject,
                        kind,
                        number,
                        int(end["told"]),
                        f"{end['seconds']:.1f}",
                        f"{end['kB for each']:.0f}",
                        int(end["status"]),
                    ]
                )
                finding.raw[f"{subject}, {kind}, {number}"] = end
                if subject == "lifecycle serve":
                    told = told and end["told"] == number
                    slowest = max(slowest, end["seconds"])
    finding.aims.append(
        Aim("every stream and WebSocket is told", "all" if told else "not all", told)
    )
    finding.aims.append(Aim("inside 10 s", f"{slowest:.1f} s", slowest <= 10))
    return finding
