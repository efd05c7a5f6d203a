"""From SIGTERM, or from the last answer, to the end of the process, where nobody has to be waited for."""

import time

from benchmarks.figures import Aim, Effort, Finding, Spread, turns
from tests.support.servers import Waiting, launched

ROUNDS = 20
FLOOR = "sys.exit in a handler"
SUBJECTS = {
    FLOOR: ("benchmarks.floor {app} {port}", "tests.process.apps.plain:app"),
    "lifecycle serve": (
        "lifecycle serve {app} --port {port} --no-access-log",
        "tests.process.apps.plain:app",
    ),
    "lifecycle serve, 2 workers": (
        "lifecycle serve {app} --port {port} --no-access-log --workers 2",
        "tests.process.apps.plain:app",
    ),
    "uvicorn": ("uvicorn {app} --port {port} --no-access-log", "tests.process.apps.bare:app"),
    "uvicorn, 2 workers": (
        "uvicorn {app} --port {port} --no-access-log --workers 2",
        "tests.process.apps.bare:app",
    ),
    "hypercorn": ("hypercorn {app} --bind 127.0.0.1:{port}", "tests.process.apps.bare:app"),
    "granian": (
        "granian {app} --interface asgi --port {port} --no-access-log",
        "tests.process.apps.bare:app",
    ),
}
HOW = (
    "{rounds} rounds in turns, outside Kubernetes (no delay). Idle: SIGTERM to the end of the process. Busy: from the end of the"
    " last answer, of 0.3 s, that was under way at SIGTERM. The floor is the same imports, uvloop and a handler that calls"
    " `sys.exit`: what the interpreter's own end takes. Milliseconds: median (10th to 90th percentile)."
)


def idle(name: str) -> float:
    command, app = SUBJECTS[name]
    with launched(command.split(), app) as server:
        server.wait_until_answering()
        time.sleep(0.2)
        began = time.monotonic()
        server.terminate()
        server.wait()
        return 1000 * (time.monotonic() - began)


def busy(name: str) -> float:
    command, app = SUBJECTS[name]
    with launched(command.split(), app) as server:
        server.wait_until_answering()
        slow = Waiting(lambda: server.ask("/slow?seconds=0.3"))
        time.sleep(0.1)
        server.terminate()
        server.wait()
        return 1000 * (time.monotonic() - slow.result().at)


def measure(effort: Effort) -> Finding:
    rounds = effort.times(ROUNDS, least=1)
    raw: dict[str, dict[str, list[float]]] = {
        name: {"idle, ms": [], "busy, ms": []} for name in SUBJECTS
    }
    for number in range(rounds):
        for name in turns(list(SUBJECTS), number):
            raw[name]["idle, ms"].append(idle(name))
            raw[name]["busy, ms"].append(busy(name) if name != FLOOR else 0.0)
    finding = Finding(
        "serve-exits",
        "From SIGTERM to the end",
        HOW.format(rounds=rounds),
        ["", "idle", "after the last answer"],
        raw=raw,
    )
    for name, values in raw.items():
        after = "" if name == FLOOR else f"{Spread.of(values['busy, ms']):.0f}"
        finding.rows.append([name, f"{Spread.of(values['idle, ms']):.0f}", after])
    floor = Spread.of(raw[FLOOR]["idle, ms"]).median
    for kind in ("idle, ms", "busy, ms"):
        over = Spread.of(raw["lifecycle serve"][kind]).median - floor
        text = f"{kind.split(',')[0]}: at most 20 ms above the interpreter's own end"
        finding.aims.append(Aim(text, f"{over:.0f} ms", over <= 20))
    return finding
