"""`python -m benchmarks.side_by_side FRAMEWORK LOOP HTTP`: all rivals in one process, each on a port of its own.

A process lies in memory in its own way, and is faster or slower for it by some hundredths, for good: more than what is
to be measured. So the rivals share one. Prints the ports, by rival, and ends with its standard input.
"""

import asyncio
import json
import sys

import uvicorn
import uvloop
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from benchmarks.rivals import NoOp, service
from lifecycle import Lifecycle, LifecycleMiddleware
from lifecycle.asgi._http import App

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def fastapi() -> App:
    """As `service`, in another framework."""
    api = FastAPI()

    @api.get("/fast", response_class=PlainTextResponse)
    async def fast(name: str = "") -> str:
        return f"done{name}"

    return api


FRAMEWORKS = {"starlette": service, "fastapi": fastapi}


async def main(framework: str, http: str) -> None:
    make = FRAMEWORKS[framework]
    rivals = {
        "bare": make(),
        "bare again": make(),
        "no-op": NoOp(make()),
        "ours": LifecycleMiddleware(make(), Lifecycle()),
    }
    ports: dict[str, int] = {}
    for name, app in rivals.items():
        config = uvicorn.Config(app, port=0, http=http, access_log=False, log_level="warning")  # type: ignore[arg-type] # one of its names
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        ports[name] = server.servers[0].sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=LOOPS[sys.argv[2]]) as runner:
        runner.run(main(sys.argv[1], sys.argv[3]))
