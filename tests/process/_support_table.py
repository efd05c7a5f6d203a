"""What works under which server command: the tests hold it, and the table in the documentation is made from it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Support:
    server: str
    command: str
    """As people type it, `{app}` and `{port}` left open."""
    by_signal: bool
    """SIGTERM alone, without a preStop hook, loses no request."""
    by_pre_stop: bool = True
    """preStop `GET /shutdown` and then SIGTERM loses no request."""
    workers: int = 1
    remark: str = ""

    @property
    def words(self) -> list[str]:
        return self.command.split()


SUPPORT = [
    Support(
        "lifecycle serve",
        "lifecycle serve {app} --port {port}",
        by_signal=True,
        remark="Listens before the start, and ends its lame duck as soon as the routers have let go.",
    ),
    Support(
        "lifecycle serve, several workers",
        "lifecycle serve {app} --port {port} --workers 2",
        by_signal=True,
        workers=2,
        remark="One grace period, one report and one answer for all workers; SIGHUP replaces them one by one.",
    ),
    Support(
        "uvicorn, h11",
        "uvicorn {app} --port {port} --http h11 --loop asyncio",
        by_signal=True,
    ),
    Support(
        "uvicorn, httptools and uvloop",
        "uvicorn {app} --port {port} --http httptools --loop uvloop",
        by_signal=True,
    ),
    Support(
        "uvicorn, several workers",
        "uvicorn {app} --port {port} --workers 2",
        by_signal=True,
        workers=2,
        remark="The parent passes SIGTERM on up to 0.5 s later.",
    ),
    Support(
        "gunicorn, uvicorn-worker",
        "gunicorn {app} --bind 127.0.0.1:{port} --workers 2 "
        "--worker-class uvicorn_worker.UvicornWorker",
        by_signal=True,
        workers=2,
        remark="Set `--graceful-timeout` to the grace period, as the configuration in {doc}`../how-to/gunicorn` does: gunicorn kills"
        " its workers after it, 30 s by default.",
    ),
    Support(
        "gunicorn, asgi worker",
        "gunicorn {app} --bind 127.0.0.1:{port} --workers 2 --worker-class asgi",
        by_signal=True,
        workers=2,
        remark="As above. The worker looks once a second whether to stop: up to 1 s is added at the end.",
    ),
    Support(
        "granian",
        "granian {app} --interface asgi --port {port}",
        by_signal=True,
    ),
    Support(
        "granian, several workers",
        "granian {app} --interface asgi --port {port} --workers 2",
        by_signal=True,
        workers=2,
    ),
    Support(
        "hypercorn",
        "hypercorn {app} --bind 127.0.0.1:{port}",
        by_signal=False,
        remark="The parent tells its workers to stop without a signal: use preStop, or `--workers 0`.",
    ),
    Support(
        "hypercorn, several workers",
        "hypercorn {app} --bind 127.0.0.1:{port} --workers 2",
        by_signal=False,
        workers=2,
        remark="As above.",
    ),
    Support(
        "hypercorn, no parent",
        "hypercorn {app} --bind 127.0.0.1:{port} --workers 0",
        by_signal=True,
    ),
    Support(
        "hypercorn, no parent, trio",
        "hypercorn {app} --bind 127.0.0.1:{port} --workers 0 --worker-class trio",
        by_signal=True,
    ),
]

OURS = SUPPORT[:2]
UVICORN = SUPPORT[2:4]
