"""The rivals under uvicorn, all up at the same time, so that they can take turns."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tests.support.servers import Server, launched

RIVALS = {"bare": "bare", "bare again": "bare", "no-op": "no_op", "ours": "ours"}
"""By name, what is served, of `rivals.py`. The first two are the null pair: what differs there is noise."""
STACKS = {
    "uvloop, httptools": ("--loop", "uvloop", "--http", "httptools"),
    "asyncio, h11": ("--loop", "asyncio", "--http", "h11"),
}


@contextmanager
def all_up(options: Sequence[str]) -> Iterator[dict[str, Server]]:
    """The servers by name, as soon as all of them answer."""
    command = ("uvicorn", "{app}", "--port", "{port}", "--no-access-log", *options)
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(launched(command, f"benchmarks.rivals:{rival}"))
            for name, rival in RIVALS.items()
        }
        for server in servers.values():
            server.wait_until_answering()
        yield servers
