"""What a request costs a uvicorn process, in CPU time: the machine may be as busy as it likes."""

import socket
import time
from collections.abc import Sequence

from benchmarks.figures import Aim, Effort, Finding, Spread, ratios, turns
from benchmarks.served import RIVALS, STACKS, up

AIM = 0.98
CONNECTIONS = 16
BATCH = 10
"""Requests on each connection in a turn."""
ROUNDS = 60
STARTS = 2
REQUEST = b"GET /fast HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n"
HOW = (
    "CPU time of a `uvicorn` process per request, its access log off, for a short text: {connections} kept connections, each"
    " with a request at the same time. The rivals are in one process, each on its own port, and take turns of {batch} requests,"
    " {rounds} rounds, in {starts} processes one after the other. A server that is busy serves as many requests as its CPU time"
    " allows, so that “bare ÷ ours” is the share of the bare throughput that is left: for an application that does next to"
    " nothing. “More” is what does not grow with what the application does."
)


def measure(effort: Effort) -> Finding:
    rounds, starts = effort.times(ROUNDS), effort.times(STARTS, least=1)
    finding = Finding(
        "server-time",
        "Cost of a request, under uvicorn",
        HOW.format(
            connections=CONNECTIONS, batch=CONNECTIONS * BATCH, rounds=rounds, starts=starts
        ),
        ["", "bare, µs", "ours, µs", "more, µs", "null pair", "bare ÷ no-op", "bare ÷ ours"],
    )
    for title, stack in STACKS.items():
        spent: dict[str, list[float]] = {name: [] for name in RIVALS}
        for _ in range(starts):
            _compare(stack, rounds, spent)
        left = ratios(spent["bare"], spent["ours"])
        more = [ours - bare for ours, bare in zip(spent["ours"], spent["bare"], strict=True)]
        finding.rows.append(
            [
                title,
                *(round(Spread.of(spent[name]).median, 1) for name in ("bare", "ours")),
                round(Spread.of(more).median, 1),
                f"{ratios(spent['bare'], spent['bare again']):.3f}",
                f"{ratios(spent['bare'], spent['no-op']):.3f}",
                f"{left:.3f}",
            ]
        )
        finding.raw[f"{title}, µs"] = spent
        text = f"at least {AIM:g} of the bare throughput, by CPU time ({title})"
        finding.aims.append(Aim(text, f"{left.median:.3f}", left.median >= AIM))
    return finding


def _compare(stack: Sequence[str], rounds: int, spent: dict[str, list[float]]) -> None:
    """Add microseconds per request, by rival and round."""
    with up(stack) as (pid, ports):
        sockets = {
            name: [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
            for name, port in ports.items()
        }
        try:
            for name in RIVALS:
                ask(pid, sockets[name])
            for number in range(rounds):
                for name in turns(list(RIVALS), number):
                    spent[name].append(ask(pid, sockets[name]))
        finally:
            for connections in sockets.values():
                for connection in connections:
                    connection.close()


def ask(pid: int, sockets: Sequence[socket.socket]) -> float:
    """Microseconds of CPU time for each of some requests."""
    before = cpu_seconds(pid)
    for _ in range(BATCH):
        for connection in sockets:
            connection.sendall(REQUEST)
        for connection in sockets:
            answer = b""
            while not answer.endswith(b"\r\n\r\ndone"):
                if not (part := connection.recv(4096)):
                    raise ConnectionError(f"cut off after {answer!r}")
                answer += part
    return (cpu_seconds(pid) - before) / BATCH / len(sockets) * 1e6


def cpu_seconds(pid: int) -> float:
    """What another process has used so far; clock_getcpuclockid(3) makes a clock's number like this."""
    return time.clock_gettime_ns(~pid << 3 | 2) / 1e9
