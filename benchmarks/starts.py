"""What an import costs, and how soon the commands that run inside hooks have run."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Effort, Finding, Spread, ratios, turns

ROUNDS = 25
ASYNCIO = "import asyncio, anyio, anyio._backends._asyncio"
SERVER = "import uvicorn, uvicorn.protocols.http.auto, uvicorn.lifespan.on, starlette.applications"
IMPORTS = {
    "`import anyio`": ("", "import anyio"),
    "`import asyncio`": ("", "import asyncio"),
    "`import lifecycle`": ("", "import lifecycle"),
    "`from lifecycle import Phase`": ("", "from lifecycle import Phase"),
    "`from lifecycle import Lifecycle`": ("", "from lifecycle import Lifecycle"),
    "… after asyncio and anyio": (ASYNCIO, "from lifecycle import Lifecycle"),
    "`from lifecycle import LifecycleMiddleware`": (
        "",
        "from lifecycle import LifecycleMiddleware",
    ),
    "… after uvicorn, Starlette and anyio": (
        f"{ASYNCIO}; {SERVER}",
        "from lifecycle import LifecycleMiddleware",
    ),
    "uvicorn, Starlette and anyio": ("", f"{ASYNCIO}; {SERVER}"),
}
"""What is imported before, which is not counted, and what is."""
HOW_IMPORTS = (
    "CPU time of one statement in a fresh interpreter, {rounds} rounds in turns. The lines with “after” are what it adds to a"
    " program that has imported the others already, as every web application has."
)
HOW_COMMANDS = (
    "CPU time and wall time of whole processes, {rounds} rounds in turns, ratios within a round: an interpreter that does"
    " nothing; `lifecycle trigger FILE`, which writes; `lifecycle stop`, to a port where nobody listens; for comparison, an"
    " interpreter that imports anyio."
)


def imported(before: str, statement: str) -> float:
    """Milliseconds of CPU time."""
    program = (
        f"{before}\nimport time\nbegan = time.process_time_ns()\n{statement}\n"
        "print((time.process_time_ns() - began) / 1e6)"
    )
    command = [sys.executable, "-I", "-c", program]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure_imports(effort: Effort) -> Finding:
    rounds = effort.times(ROUNDS, least=1)
    spent: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for number in range(rounds):
        for name in turns(list(IMPORTS), number):
            spent[name].append(imported(*IMPORTS[name]))
    finding = Finding(
        "imports",
        "Import time",
        HOW_IMPORTS.format(rounds=rounds),
        ["", "CPU, ms", "÷ `import anyio`"],
        raw={"CPU, ms": spent},
    )
    for name, values in spent.items():
        cpu = round(Spread.of(values).median, 1)
        finding.rows.append([name, cpu, f"{ratios(values, spent['`import anyio`']):.2f}"])
    return finding


def run(command: list[str], status: int) -> tuple[float, float]:
    """Milliseconds of wall time and of CPU time, of a command that must end with `status`.

    Raises:
        RuntimeError: It did not.
    """
    null = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, null, stream) for stream in (0, 1, 2)]
    began = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
    _, ended, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    os.close(null)
    if os.waitstatus_to_exitcode(ended) != status:
        raise RuntimeError(f"{command} ended with {os.waitstatus_to_exitcode(ended)}, not {status}")
    return wall * 1000, (usage.ru_utime + usage.ru_stime) * 1000


def measure_commands(effort: Effort) -> Finding:
    rounds = effort.times(ROUNDS, least=1)
    with tempfile.TemporaryDirectory() as folder, socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can
        python = [sys.executable, "-I"]
        script = str(Path(sys.executable).with_name("lifecycle"))
        commands = {
            "`python -I -c pass`": ([*python, "-c", "pass"], 0),
            "`lifecycle trigger FILE`": ([script, "trigger", f"{folder}/done"], 0),
            "`lifecycle stop`": ([script, "stop", "--port", str(deaf.getsockname()[1])], 3),
            "`python -I -c 'import anyio'`": ([*python, "-c", "import anyio"], 0),
        }
        walls: dict[str, list[float]] = {name: [] for name in commands}
        cpus: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(rounds):
            for name in turns(list(commands), number):
                wall, cpu = run(*commands[name])
                walls[name].append(wall)
                cpus[name].append(cpu)
    finding = Finding(
        "commands",
        "Start of the commands for hooks",
        HOW_COMMANDS.format(rounds=rounds),
        ["", "wall, ms", "CPU, ms", "wall ÷ bare interpreter", "CPU ÷ bare interpreter"],
        raw={"wall, ms": walls, "CPU, ms": cpus},
    )
    first = next(iter(commands))
    for name in commands:
        medians = [round(Spread.of(values[name]).median, 1) for values in (walls, cpus)]
        compared = [f"{ratios(values[name], values[first]):.2f}" for values in (walls, cpus)]
        finding.rows.append([name, *medians, *compared])
    return finding
