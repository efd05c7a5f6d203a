"""`nox -s bench`, or `python -m benchmarks [NAME]… [--json FILE] [--page FILE]`: measure, print, keep.

`--from FILE` alone measures nothing and shows what a run has kept; with names, these are measured anew and take the place
of what was kept of them.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import (
    drain,
    losses,
    request,
    serve_exits,
    serve_restarts,
    serve_streams,
    serve_throughput,
    serve_timeline,
    server_time,
    starts,
    throughput,
    trigger,
)
from benchmarks.figures import Effort, Finding
from benchmarks.machine import describe
from benchmarks.page import keep, page, section

BENCHMARKS: dict[str, Callable[[Effort], Finding]] = {
    "request": request.measure,
    "server-time": server_time.measure,
    "throughput": throughput.measure,
    "drain": drain.measure,
    "imports": starts.measure_imports,
    "commands": starts.measure_commands,
    "trigger": trigger.measure,
    "losses": losses.measure,
    "serve-restarts": serve_restarts.measure,
    "serve-timeline": serve_timeline.measure,
    "serve-exits": serve_exits.measure,
    "serve-streams": serve_streams.measure,
    "serve-throughput": serve_throughput.measure,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="What the library costs."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; default: all"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="keep everything, raw figures included"
    )
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="write the page of the documentation"
    )
    parser.add_argument(
        "--from",
        type=Path,
        dest="kept",
        metavar="FILE",
        help="use this; measure only what is named",
    )
    parser.add_argument(
        "--effort", type=Effort, default=Effort(1), help="1: figures to publish; 0: does it run?"
    )
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in BENCHMARKS]:
        parser.error(
            f"no benchmark is called {', '.join(unknown)}: there are {', '.join(BENCHMARKS)}"
        )
    results = (
        _measure(options)
        if options.names or options.kept is None
        else json.loads(options.kept.read_text())
    )
    if options.json is not None:
        options.json.write_text(keep(results))
    if options.page is not None:
        options.page.write_text(page(results))
    return 0


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    machine = describe()
    kept = {} if options.kept is None else json.loads(options.kept.read_text())
    findings = {finding["name"]: finding for finding in kept.get("findings", ())}
    if kept:
        machine["command"] = kept["machine"]["command"]
    for name in options.names or BENCHMARKS:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        finding = BENCHMARKS[name](options.effort)
        finding.measured = (
            f"{machine['date']}, commit {machine['commit']}, load {os.getloadavg()[0]:.1f}"
        )
        findings[name] = asdict(finding)
        print(section(finding, drawn=False), flush=True)
    return {
        "machine": machine,
        "findings": [findings[name] for name in BENCHMARKS if name in findings],
    }


if __name__ == "__main__":
    sys.exit(main())
