"""What is measured of each wrapper, and how."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.supervisor.wrappers import (
    OURS,
    PYTHON,
    STATIC,
    Floor,
    Supervisord,
    Wrapper,
    output,
    wrappers,
)

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
        # Not send_signal: that would ask first whether the process is still there.
        os.kill(process.pid, signal.SIGTERM)
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


Figures = dict[str, dict[str, list[float]]]


def measure(rounds: int) -> Figures:
    """Of every wrapper, what each round found: they take turns, so that what disturbs the machine disturbs them all."""
    taken: Figures = {}
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
        taken[OURS]["notice a death ms"] = [
            noticing(str(STATIC), Path(folder, "state")) for _ in range(max(1, rounds // 3))
        ]
    return taken
