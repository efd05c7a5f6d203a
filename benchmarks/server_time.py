"""What a request costs a uvicorn process, in CPU time: the machine may be as busy as it likes."""

import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.figures import Aim, Effort, Finding, Spread, ratios, turns
from benchmarks.served import RIVALS, STACKS, all_up
from tests.support.servers import Server

AIM = 0.98
CONNECTIONS = 16
BATCH = 10
"""Requests on each connection in a turn."""
ROUNDS = 25
STARTS = 8
"""Each process lies in memory in its own way, and is faster or slower for it by some hundredths, for good."""
REQUEST = b"GET /fast HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n"
HOW = (
    "CPU time of a `uvicorn` process per request, its access log off: {connections} kept connections, each with a request at"
    " the same time; the servers take turns of {batch} requests, {rounds} rounds, and are started anew {starts} times. A server"
    " that is busy serves as many requests as its CPU time allows, so that “bare ÷ ours” is the share of the bare throughput"
    " that is left."
)


def measure(effort: Effort) -> Finding:
    rounds, starts = effort.times(ROUNDS), effort.times(STARTS, least=1)
    finding = Finding(
        "server-time",
        "Cost of a request, under uvicorn",
        HOW.format(
            connections=CONNECTIONS, batch=CONNECTIONS * BATCH, rounds=rounds, starts=starts
        ),
        ["", "bare, µs", "no-op, µs", "ours, µs", "null pair", "bare ÷ no-op", "bare ÷ ours"],
    )
    for title, options in STACKS.items():
        spent: dict[str, list[float]] = {name: [] for name in RIVALS}
        for _ in range(starts):
            _compare(options, rounds, spent)
        left = ratios(spent["bare"], spent["ours"])
        finding.rows.append(
            [
                title,
                *(round(Spread.of(spent[name]).median, 1) for name in ("bare", "no-op", "ours")),
                f"{ratios(spent['bare'], spent['bare again']):.3f}",
                f"{ratios(spent['bare'], spent['no-op']):.3f}",
                f"{left:.3f}",
            ]
        )
        finding.raw[f"{title}, µs"] = spent
        text = f"at least {AIM:g} of the bare throughput, by CPU time ({title})"
        finding.aims.append(Aim(text, f"{left.median:.3f}", left.median >= AIM))
    return finding


def _compare(options: Sequence[str], rounds: int, spent: dict[str, list[float]]) -> None:
    """Add microseconds per request, by rival and round."""
    with ExitStack() as stack:
        servers = stack.enter_context(all_up(options))
        sockets = {
            name: [
                stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                for _ in range(CONNECTIONS)
            ]
            for name, server in servers.items()
        }
        for name, server in servers.items():
            ask(server, sockets[name])
        for number in range(rounds):
            for name in turns(list(RIVALS), number):
                spent[name].append(ask(servers[name], sockets[name]))


def ask(server: Server, sockets: Sequence[socket.socket]) -> float:
    """Microseconds of CPU time for each of some requests."""
    before = cpu_seconds(server.process.pid)
    for _ in range(BATCH):
        for connection in sockets:
            connection.sendall(REQUEST)
        for connection in sockets:
            answer = b""
            while not answer.endswith(b"\r\n\r\ndone"):
                if not (part := connection.recv(4096)):
                    raise ConnectionError(f"cut off after {answer!r}:\n{server.output}")
                answer += part
    return (cpu_seconds(server.process.pid) - before) / BATCH / len(sockets) * 1e6


def cpu_seconds(pid: int) -> float:
    """What another process has used so far; clock_getcpuclockid(3) makes a clock's number like this."""
    return time.clock_gettime_ns(~pid << 3 | 2) / 1e9
