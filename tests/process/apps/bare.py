"""The service as most people run it: nothing is done about the stop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from tests.process.apps.service import note, routes


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    note("started")
    yield
    note("shut down")


app = Starlette(routes=routes, lifespan=lifespan)
