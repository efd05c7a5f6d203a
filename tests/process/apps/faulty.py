"""The service of `served.py`, with endpoints that break something beneath it."""

import os
import resource
import time

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lifecycle import LifecycleMiddleware
from tests.process.apps.served import life, receive
from tests.process.apps.service import routes

FEW = 64
"""Descriptors, once they are to run out."""

taken: list[int] = []
truly = time.time


async def exhaust(request: Request) -> Response:
    """Take every descriptor that the process may still have."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW, FEW))
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return PlainTextResponse(error.strerror)


async def jump(request: Request) -> Response:
    """Set the wall's clock, as an NTP client or a machine that was asleep does."""
    seconds = float(request.query_params["seconds"])
    time.time = lambda: truly() + seconds
    return PlainTextResponse("jumped")


app = LifecycleMiddleware(
    Starlette(
        routes=[
            *routes,
            Route("/receive", receive, methods=["POST"]),
            Route("/exhaust", exhaust),
            Route("/jump", jump),
        ]
    ),
    life,
)
