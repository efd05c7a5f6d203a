"""Requests per second through uvicorn, with wrk from outside."""

import re
import shutil
import subprocess
from collections.abc import Sequence

from benchmarks.figures import Aim, Effort, Finding, Spread, ratios, turns
from benchmarks.served import RIVALS, STACKS, up

AIM = 0.98
CONNECTIONS = 16
ROUNDS = 10
SECONDS = 1
"""The least that wrk takes."""
HOW = (
    "`uvicorn`, its access log off, asked by `wrk` over {connections} kept connections; the rivals are in one process, each on"
    " its own port, and take turns of {seconds} s, {rounds} rounds; ratios are taken within a round. Here it shows how busy the machine is with other"
    " things: see the null pair. Only where that differs from 1 by less than the aim does, the aim is judged; the CPU time"
    " above is the better witness."
)
MISSING = "wrk is not installed: `apt-get install wrk`, and run this again"


def measure(effort: Effort) -> Finding:
    rounds = effort.times(ROUNDS, least=1)
    finding = Finding(
        "throughput",
        "Throughput under uvicorn",
        HOW.format(connections=CONNECTIONS, seconds=SECONDS, rounds=rounds),
        ["", "bare, 1/s", "no-op, 1/s", "ours, 1/s", "null pair", "no-op ÷ bare", "ours ÷ bare"],
    )
    if shutil.which("wrk") is None:
        finding.missing = MISSING
        return finding
    for title, stack in STACKS.items():
        served = _compare(stack, rounds)
        left = ratios(served["ours"], served["bare"])
        noise = ratios(served["bare again"], served["bare"])
        finding.rows.append(
            [
                title,
                *(round(Spread.of(served[name]).median) for name in ("bare", "no-op", "ours")),
                f"{noise:.2f}",
                f"{ratios(served['no-op'], served['bare']):.2f}",
                f"{left:.2f}",
            ]
        )
        finding.raw[f"{title}, requests per second"] = served
        if abs(noise.median - 1) < 1 - AIM:
            text = f"at least {AIM:g} of the bare throughput ({title})"
            finding.aims.append(Aim(text, f"{left.median:.3f}", left.median >= AIM))
    return finding


def _compare(stack: Sequence[str], rounds: int) -> dict[str, list[float]]:
    served: dict[str, list[float]] = {name: [] for name in RIVALS}
    with up(stack) as (_, ports):
        for number in range(rounds):
            for name in turns(list(RIVALS), number):
                served[name].append(ask(ports[name]))
    return served


def ask(port: int) -> float:
    """Requests per second.

    Raises:
        RuntimeError: Some were not answered with 200.
    """
    url = f"http://127.0.0.1:{port}/fast"
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if found is None or "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(f"{url} did not answer everything well:\n{output}")
    return float(found[1])
