"""What the server of our own costs while nothing is the matter: against plain uvicorn, with wrk."""

import re
import shutil
import subprocess

from benchmarks.figures import Aim, Effort, Finding, Spread, ratios, turns
from tests.support.servers import Server, launched

ROUNDS = 8
SECONDS = 4.0
OURS, BARE = "lifecycle serve", "uvicorn"
SUBJECTS = {
    BARE: ("uvicorn", "benchmarks.rivals:bare"),
    "uvicorn again": ("uvicorn", "benchmarks.rivals:bare"),
    "uvicorn, middleware": ("uvicorn", "benchmarks.rivals:ours"),
    OURS: ("lifecycle serve", "benchmarks.rivals:ours"),
}
HOW = (
    "wrk, one thread and 16 kept connections, {seconds:g} s a round, {rounds} rounds in turns; uvloop and httptools. A ratio is"
    " that to plain uvicorn in the same round; `uvicorn again` is the noise."
)


def blow(server: Server, seconds: float) -> tuple[float, float]:
    """Requests a second, and the 99th percentile in milliseconds."""
    command = (
        f"wrk -t1 -c16 -d{max(1, round(seconds))}s --latency http://127.0.0.1:{server.port}/fast"
    )
    said = subprocess.run(command.split(), capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    slowest = re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    if rate is None or slowest is None:
        raise RuntimeError(f"wrk says something else than it used to:\n{said}")
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}[slowest[2]]
    return float(rate[1]), float(slowest[1]) * unit


def measure(effort: Effort) -> Finding:
    rounds, seconds = effort.times(ROUNDS, least=2), effort.seconds(SECONDS, least=1)
    finding = Finding(
        "serve-throughput",
        "Throughput of `lifecycle serve`",
        HOW.format(rounds=rounds, seconds=seconds),
        ["", "requests/s", "of plain uvicorn's", "p99, ms", "of plain uvicorn's"],
    )
    if shutil.which("wrk") is None:
        finding.missing = "wrk is not installed here"
        return finding
    rates: dict[str, list[float]] = {name: [] for name in SUBJECTS}
    slowest: dict[str, list[float]] = {name: [] for name in SUBJECTS}
    for number in range(rounds):
        for name in turns(list(SUBJECTS), number):
            command, app = SUBJECTS[name]
            words = [*command.split(), "{app}", "--port", "{port}", "--no-access-log"]
            with launched(words, app) as server:
                server.wait_until_answering()
                blow(server, 1)
                rate, slow = blow(server, seconds)
            rates[name].append(rate)
            slowest[name].append(slow)
    for name in SUBJECTS:
        finding.rows.append(
            [
                name,
                f"{Spread.of(rates[name]):.0f}",
                f"{ratios(rates[name], rates[BARE]):.2f}",
                f"{Spread.of(slowest[name]):.2f}",
                f"{ratios(slowest[name], slowest[BARE]):.2f}",
            ]
        )
    finding.raw = {"requests/s": rates, "p99, ms": slowest}
    fast = ratios(rates[OURS], rates["uvicorn, middleware"]).median
    finding.aims.append(
        Aim("the server itself: at least 0.98 of uvicorn's", f"{fast:.2f}", fast >= 0.98)
    )
    whole = ratios(rates[OURS], rates[BARE]).median
    finding.aims.append(
        Aim("with the middleware: at least 0.98 of plain uvicorn's", f"{whole:.2f}", whole >= 0.98)
    )
    return finding
