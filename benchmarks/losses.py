"""What is lost when a server is told to stop: bare, and with nothing added but the middleware."""

import time

from benchmarks.figures import Aim, Effort, Finding, turns
from tests.support.servers import load, running

ROUNDS = 3
REQUESTS = {"/fast": 50.0, "/slow?seconds=0.8": 4.0}
APPS = {"bare": "tests.process.apps.bare:app", "ours": "tests.process.apps.plain:app"}
SETTINGS = {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "LIFECYCLE_GRACE_PERIOD": "20",
    # Longer than the load goes on after SIGTERM.
    "LIFECYCLE_SHUTDOWN_DELAY": "1.4",
}
HOW = (
    "Plain `uvicorn`, SIGTERM and nothing else, {rounds} rounds in turns. Two clients go on for a second after it, as routers"
    " do that have not heard yet, one with a new connection for each request, one with kept ones: 50 fast requests and 4 of"
    " 0.8 s each second. Failed: refused, reset, cut off or answered with an error."
)


def stop(app: str) -> dict[str, int]:
    """The clients' counts of one life, and how the process ended."""
    command = ("uvicorn", "{app}", "--port", "{port}")
    with (
        running(command, app, workers=1, **SETTINGS) as server,
        load(server, REQUESTS) as generators,
    ):
        for generator in generators:
            generator.stopping(time.monotonic())
        server.terminate()
        results = [generator.result() for generator in generators]
        status = server.wait()
    return {
        "sent": sum(result.sent for result in results),
        "after": sum(result.sent_after_stop for result in results),
        "failed": sum(len(result.failures) for result in results),
        "status": status,
    }


def measure(effort: Effort) -> Finding:
    rounds = effort.times(ROUNDS, least=1)
    ends: dict[str, list[dict[str, int]]] = {name: [] for name in APPS}
    for number in range(rounds):
        for name in turns(list(APPS), number):
            ends[name].append(stop(APPS[name]))
    finding = Finding(
        "losses",
        "Failed requests at a stop",
        HOW.format(rounds=rounds),
        ["", "sent", "of these after SIGTERM", "failed", "exit status"],
        raw={"by round": ends},
    )
    for name, lives in ends.items():
        sums = [sum(life[key] for life in lives) for key in ("sent", "after", "failed")]
        statuses = ", ".join(str(status) for status in sorted({life["status"] for life in lives}))
        finding.rows.append([name, *sums, statuses])
    lost = sum(life["failed"] for life in ends["ours"])
    finding.aims.append(Aim("no request fails behind the middleware", f"{lost}", lost == 0))
    return finding
