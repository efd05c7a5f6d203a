"""What the server of our own costs while nothing is the matter: against plain uvicorn, with wrk."""

import os
import re
import shutil
import subprocess
from contextlib import ExitStack
from typing import NamedTuple

from benchmarks.figures import Aim, Effort, Finding, Spread, ratios, turns
from benchmarks.server_time import cpu_seconds
from tests.support.servers import Server, launched

STARTS = 6
ROUNDS = 10
SECONDS = 1.0
OURS, BARE = "lifecycle serve", "uvicorn"
SUBJECTS = {
    BARE: ("uvicorn", "benchmarks.rivals:bare"),
    "uvicorn again": ("uvicorn", "benchmarks.rivals:bare"),
    "uvicorn, middleware": ("uvicorn", "benchmarks.rivals:ours"),
    OURS: ("lifecycle serve", "benchmarks.rivals:ours"),
}
HOW = (
    "wrk, one thread and 16 kept connections; uvloop and httptools, no access log, an endpoint that does next to nothing. All"
    " servers are up at the same time and take turns of {seconds:g} s, {rounds} rounds, {starts} starts of each: a process lies in"
    " memory in its own way, and is faster or slower for it. A ratio is that to plain uvicorn in the same round; CPU time is the"
    " server's for each request, plain uvicorn's divided by it. `uvicorn again` is the noise."
)


class Blow(NamedTuple):
    """What wrk and the clocks say of one turn."""

    rate: float
    """Requests a second."""
    slowest: float
    """The 99th percentile, in milliseconds."""
    cpu: float
    """Microseconds of the server's CPU time for each request."""


def blow(server: Server, seconds: float) -> Blow:
    """One turn of wrk, on a processor of its own if there are two."""
    pin = ["taskset", "-c", "1"] if shutil.which("taskset") and os.cpu_count() != 1 else []
    command = (
        f"wrk -t1 -c16 -d{max(1, round(seconds))}s --latency http://127.0.0.1:{server.port}/fast"
    )
    before = cpu_seconds(server.pid)
    said = subprocess.run(
        [*pin, *command.split()], capture_output=True, text=True, check=True
    ).stdout
    spent = cpu_seconds(server.pid) - before
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    slowest = re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    requests = re.search(r"(\d+) requests in", said)
    if rate is None or slowest is None or requests is None:
        raise RuntimeError(f"wrk says something else than it used to:\n{said}")
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}[slowest[2]]
    return Blow(float(rate[1]), float(slowest[1]) * unit, spent / int(requests[1]) * 1e6)


def measure(effort: Effort) -> Finding:
    starts, rounds = effort.times(STARTS, least=1), effort.times(ROUNDS, least=1)
    seconds = effort.seconds(SECONDS, least=1)
    finding = Finding(
        "serve-throughput",
        "Throughput of `lifecycle serve`",
        HOW.format(rounds=rounds, seconds=seconds, starts=starts),
        [
            "",
            "requests/s",
            "of uvicorn's",
            "p99, ms",
            "of uvicorn's",
            "CPU time, µs",
            "uvicorn's ÷",
        ],
    )
    if shutil.which("wrk") is None:
        finding.missing = "wrk is not installed here"
        return finding
    blows: dict[str, list[Blow]] = {name: [] for name in SUBJECTS}
    for _ in range(starts):
        _compare(rounds, seconds, blows)
    rates = {name: [one.rate for one in blows[name]] for name in SUBJECTS}
    slowest = {name: [one.slowest for one in blows[name]] for name in SUBJECTS}
    cpu = {name: [one.cpu for one in blows[name]] for name in SUBJECTS}
    for name in SUBJECTS:
        finding.rows.append(
            [
                name,
                f"{Spread.of(rates[name]).median:.0f}",
                f"{ratios(rates[name], rates[BARE]):.3f}",
                f"{Spread.of(slowest[name]).median:.2f}",
                f"{ratios(slowest[name], slowest[BARE]):.2f}",
                f"{Spread.of(cpu[name]).median:.1f}",
                f"{ratios(cpu[BARE], cpu[name]):.3f}",
            ]
        )
    finding.raw = {"requests/s": rates, "p99, ms": slowest, "CPU time, µs": cpu}
    share = ratios(rates[OURS], rates[BARE]).median
    finding.aims.append(
        Aim("at least 0.98 of plain uvicorn's requests a second", f"{share:.3f}", share >= 0.98)
    )
    longer = ratios(slowest[OURS], slowest[BARE]).median
    finding.aims.append(
        Aim("at most 1.02 of plain uvicorn's 99th percentile", f"{longer:.2f}", longer <= 1.02)
    )
    return finding


def _compare(rounds: int, seconds: float, blows: dict[str, list[Blow]]) -> None:
    """Add what is found, by subject, with all of them up."""
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        for name in turns(list(SUBJECTS), len(blows[BARE])):
            command, app = SUBJECTS[name]
            words = [*command.split(), "{app}", "--port", "{port}", "--no-access-log"]
            servers[name] = server = stack.enter_context(launched(words, app))
            server.wait_until_answering()
            if os.cpu_count() != 1:
                os.sched_setaffinity(server.pid, {0})
            blow(server, seconds)
        for number in range(rounds):
            for name in turns(list(SUBJECTS), number):
                blows[name].append(blow(servers[name], seconds))
