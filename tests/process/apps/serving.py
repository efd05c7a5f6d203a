"""`python -m tests.process.apps.serving PORT WORKERS`: a program that serves, and has something to do afterwards."""

import sys

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lifecycle import Lifecycle
from tests.process.apps.service import note, routes

life = Lifecycle()


@life.on_startup
async def start() -> None:
    note("started")


@life.on_shutdown
async def stop() -> None:
    note("shut down")


async def phase(request: Request) -> Response:
    return PlainTextResponse(request.state.lifecycle.phase)


# No middleware: `serve` puts it around.
app = Starlette(routes=[*routes, Route("/phase", phase)])

if __name__ == "__main__":
    port, workers = map(int, sys.argv[1:])
    served = app if workers == 1 else "tests.process.apps.serving:app"
    status = life.serve(served, port=port, workers=workers, access_log=False)
    note("served")
    sys.exit(status)
