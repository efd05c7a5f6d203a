"""What a supervisor costs, beside tini, dumb-init and supervisord, paired in one run.

    python benchmarks/supervisor.py [--rounds 30] [--json FILE] [--page FILE]

Every round asks every wrapper in turn, so that what disturbs the machine disturbs them all. Shown are medians.
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[1]
PYTHON = "/usr/bin/python3.11" if Path("/usr/bin/python3.11").exists() else sys.executable
# Says when it got SIGTERM, on a clock that all processes share, and ends.
HEARS = (
    "import os, signal, time\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, [15])\n"
    "os.write(1, b'ready\\n')\n"
    "signal.sigwait([15])\n"
    "os.write(1, str(time.monotonic_ns()).encode())\n"
    "os._exit(0)\n"
)
# Leaves dead orphans to be reaped, says when it ends, and ends.
ENDS = (
    "import os, sys, time\n"
    "for _ in range(int(sys.argv[1])):\n"
    "    if os.fork() == 0:\n"
    "        if os.fork() == 0: time.sleep(0.002)\n"
    "        os._exit(0)\n"
    "    os.wait()\n"
    "os.write(1, b'ready\\n')\n"
    "time.sleep(0.05)\n"
    "os.write(1, str(time.monotonic_ns()).encode())\n"
    "os._exit(0)\n"
)


def output(process: "subprocess.Popen[bytes]") -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout


@contextmanager
def ended(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Nothing of it is left afterwards."""
    try:
        yield
    finally:
        process.kill()
        process.wait()
        output(process).close()


class Wrapper:
    def __init__(self, name: str, *argv: str) -> None:
        self.name = name
        self.argv = argv

    @contextmanager
    def start(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        process = subprocess.Popen(
            [*self.argv, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        with ended(process):
            yield process


class Supervisord(Wrapper):
    """It takes no command, but a file; and it does not end with its program, so a listener ends it."""

    def __init__(self, folder: Path) -> None:
        super().__init__("supervisord", "/usr/bin/supervisord", "--nodaemon")
        self._folder = folder

    @contextmanager
    def start(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        script = self._folder / "program"
        script.write_text(f"#!/bin/sh\nexec {shlex.join(words)} >&9\n")
        script.chmod(0o755)
        reading, writing = os.pipe()
        configuration = self._folder / "supervisord.conf"
        configuration.write_text(
            f"[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\n"
            f"pidfile={self._folder}/pid\n[program:x]\ncommand=sh -c 'exec {script} 9>/proc/{os.getpid()}/fd/{writing}'\n"
            "autorestart=false\nstartsecs=0\n"
        )
        process = subprocess.Popen(
            [*self.argv, "--configuration", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        process.stdout = os.fdopen(reading, "rb", 0)
        try:
            with ended(process):
                yield process
        finally:
            os.close(writing)


def start_up(wrapper: Wrapper) -> float:
    """Milliseconds for the whole life of /bin/true."""
    if isinstance(wrapper, Supervisord):
        with wrapper.start("/bin/echo", "ready") as process:
            began = time.perf_counter()
            output(process).readline()
            return (time.perf_counter() - began) * 1e3
    began = time.perf_counter()
    with wrapper.start("/bin/true") as process:
        process.wait()
        return (time.perf_counter() - began) * 1e3


def forwarding(wrapper: Wrapper) -> float:
    """Milliseconds from kill(2) on the wrapper until the program has the signal."""
    with wrapper.start(PYTHON, "-I", "-S", "-c", HEARS) as process:
        output(process).readline()
        time.sleep(0.05)
        sent = time.monotonic_ns()
        process.send_signal(signal.SIGTERM)
        return (int(output(process).read(30)) - sent) / 1e6


def leaving(orphans: int) -> Callable[[Wrapper], float]:
    """Milliseconds from the program's end until the wrapper is gone."""

    def measure(wrapper: Wrapper) -> float:
        with wrapper.start(PYTHON, "-I", "-S", "-c", ENDS, str(orphans)) as process:
            output(process).readline()
            if isinstance(wrapper, Supervisord):
                output(process).read(30)
                process.send_signal(signal.SIGTERM)
                ended = time.monotonic_ns()
                process.wait()
                return (time.monotonic_ns() - ended) / 1e6
            process.wait()
            gone = time.monotonic_ns()
            return (gone - int(output(process).read(30))) / 1e6

    return measure


def resident(wrapper: Wrapper) -> float:
    """Megabytes while the program runs."""
    with wrapper.start("/bin/sh", "-c", "echo ready; exec sleep 5") as process:
        output(process).readline()
        time.sleep(0.1)
        return _status(process.pid, "VmRSS") / 1024


def wake_ups(wrapper: Wrapper) -> float:
    """A minute, while the program sleeps."""
    seconds = 3.0
    with wrapper.start("/bin/sh", "-c", "echo ready; exec sleep 9") as process:
        output(process).readline()
        time.sleep(0.3)
        before = _status(process.pid, "voluntary_ctxt_switches")
        time.sleep(seconds)
        return (_status(process.pid, "voluntary_ctxt_switches") - before) * 60 / seconds


def zombies(wrapper: Wrapper) -> float:
    """Left after 1,000 orphans have ended, while the program still runs."""
    program = ENDS.replace("0.05", "3")
    with wrapper.start(PYTHON, "-I", "-S", "-c", program, "1000") as process:
        output(process).readline()
        time.sleep(0.3)
        family = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return float(max(len(family) - 1, 0))


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


def noticing(executable: str, folder: Path) -> float:
    """Milliseconds from a neighbour's SIGKILL until the one that waits for it has left."""
    base = [executable, "--state-dir", str(folder), "--name"]
    neighbour = subprocess.Popen([*base, "db", "sleep", "30"])
    while not (folder / "db" / "status.json").exists():
        time.sleep(0.01)
    waiting = subprocess.Popen(
        [*base, "web", "--after", "db:success", "true"], stderr=subprocess.DEVNULL
    )
    time.sleep(0.2)
    began = time.perf_counter()
    neighbour.kill()
    waiting.wait()
    taken = (time.perf_counter() - began) * 1e3
    neighbour.wait()
    shutil.rmtree(folder / "db")
    return taken


class Floor(Wrapper):
    """The interpreter alone: `-c pass` takes no command to run."""

    @contextmanager
    def start(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        with super().start() as process:
            yield process


SLOW_SHARE = 8

MEASURES: dict[str, tuple[Callable[[Wrapper], float], float]] = {
    # What is shown, how it is measured, and what share of the rounds it is worth.
    "start ms": (start_up, 1.0),
    "TERM ms": (forwarding, 0.7),
    "leave ms": (leaving(0), 0.7),
    "leave, 1000 orphans ms": (leaving(1000), 0.1),
    "resident MB": (resident, 0.1),
    "wake-ups/min": (wake_ups, 0.04),
    "zombies of 1000": (zombies, 0.04),
}


def wrappers(folder: Path) -> list[Wrapper]:
    built = ROOT / "dist"
    found = [
        Wrapper("(direct)"),
        Floor("(python3 -I -S -c pass)", PYTHON, "-I", "-S", "-c", "pass"),
        Wrapper("supervisor, static", str(built / "supervisor")),
        Wrapper("supervisor, zipapp", PYTHON, "-I", "-S", str(built / "supervisor.pyz")),
        Wrapper("supervisor, package", sys.executable, "-m", "lifecycle.supervisor"),
        Wrapper("tini -s", "/usr/bin/tini", "-s", "--"),
        Wrapper("dumb-init", "/usr/bin/dumb-init"),
        Supervisord(folder),
    ]
    return [each for each in found if not each.argv or Path(each.argv[0]).exists()]


def measure(rounds: int) -> dict[str, dict[str, float]]:
    taken: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        compared = wrappers(Path(folder))
        for name, (function, share) in MEASURES.items():
            for number in range(max(1, round(rounds * share))):
                for wrapper in compared:
                    if isinstance(wrapper, Floor) and name != "start ms":
                        continue
                    if isinstance(wrapper, Supervisord) and number % SLOW_SHARE:
                        continue  # It takes seconds where the others take milliseconds.
                    taken.setdefault(wrapper.name, {}).setdefault(name, []).append(
                        function(wrapper)
                    )
        static = str(ROOT / "dist" / "supervisor")
        taken["supervisor, static"]["notice a death ms"] = [
            noticing(static, Path(folder, "state")) for _ in range(max(1, rounds // 3))
        ]
    return {
        wrapper: {name: statistics.median(values) for name, values in rows.items()}
        for wrapper, rows in taken.items()
    }


def show(found: dict[str, dict[str, float]]) -> None:
    direct, floor = found["(direct)"]["start ms"], found["(python3 -I -S -c pass)"]["start ms"]
    width = max(map(len, found))
    print(" " * width, *(f"{name:>16.16}" for name in MEASURES))
    for wrapper, rows in found.items():
        cells = [f"{rows[name]:16.2f}" if name in rows else " " * 15 + "-" for name in MEASURES]
        print(f"{wrapper:{width}}", *cells)
    static = found["supervisor, static"]
    print(
        f"\nstatic start-up over direct: {static['start ms'] - direct:.1f} ms, and "
        f"{static['start ms'] / floor:.2f} x python3 -I -S -c pass (aim: 1.25)"
    )
    print(
        f"a neighbour's SIGKILL is noticed after {static['notice a death ms']:.1f} ms; "
        "a poll of 1 s, as Tekton's, takes 500 ms on average where there is something to find"
    )


PAGE = """\
# Benchmarks of the supervisor

Written by the program that measures; nothing in it was typed:

    nox -s supervisor
    python benchmarks/supervisor.py --page docs/reference/supervisor-benchmarks.md

Medians of {rounds} rounds, in which every wrapper has its turn. Other programs ran beside them (load {load} on {cores} cores):
compare the rows. *start*: the whole life of `/bin/true`; supervisord, which does not end with its program: until it runs.
*TERM*: from the signal to the wrapper until the program has it. *leave*: from the program's end until the wrapper is gone.

{table}
* Aim: started within 1.25 times `python3 -I -S -c pass`. Found: {ratio:.2f}, {ratio_met}.
* Aim: a signal is passed on within 0.3 ms. Found: {term:.2f} ms, where the same without a wrapper took {direct_term:.2f}, {term_met}.
* Aim: gone 1.5 ms after the program. Found: {leave:.2f} ms, where the same without a wrapper took {direct_leave:.2f}, {leave_met}.
* Aim: at most 9 MB resident. Found: {resident:.1f}, {resident_met}.
* Aim: no wake-ups. Found: {wakes:.0f} a minute, {wakes_met}.
* A neighbour's SIGKILL is noticed after {notice:.0f} ms, process starts included. A poll of 1 s takes 500 ms on average.
"""


def page(found: dict[str, dict[str, float]], rounds: int) -> str:
    def met(*, is_met: bool) -> str:
        return "met" if is_met else "**missed**"

    lines = [["", *MEASURES], ["---", *("---:" for _ in MEASURES)]]
    for wrapper, rows in found.items():
        lines.append([wrapper, *(f"{rows[name]:.2f}" if name in rows else "" for name in MEASURES)])
    ours, direct = found["supervisor, static"], found["(direct)"]
    ratio = ours["start ms"] / found["(python3 -I -S -c pass)"]["start ms"]
    return PAGE.format(
        rounds=rounds,
        load=f"{os.getloadavg()[1]:.0f}",
        cores=os.cpu_count(),
        table="".join(f"| {' | '.join(cells)} |\n" for cells in lines),
        ratio=ratio,
        ratio_met=met(is_met=ratio <= 1.25),
        term=ours["TERM ms"],
        direct_term=direct["TERM ms"],
        term_met=met(is_met=ours["TERM ms"] <= 0.3),
        leave=ours["leave ms"],
        direct_leave=direct["leave ms"],
        leave_met=met(is_met=ours["leave ms"] <= 1.5),
        resident=ours["resident MB"],
        resident_met=met(is_met=ours["resident MB"] <= 9),
        wakes=ours["wake-ups/min"],
        wakes_met=met(is_met=ours["wake-ups/min"] == 0),
        notice=ours["notice a death ms"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    if not (ROOT / "dist" / "supervisor").exists():
        sys.exit("build it first: nox -s supervisor")
    found = measure(given.rounds)
    show(found)
    if given.page:
        given.page.write_text(page(found, given.rounds))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
