"""A FastAPI application that loses no request when it is stopped: the three lines are marked.

    uvicorn --app-dir examples 02_fastapi:app &
    curl -i localhost:8000/readyz
    curl "localhost:8000/slow?seconds=5" &
    kill %1

What to see: the slow request is answered, and then uvicorn ends with 0.
"""

import anyio
from fastapi import FastAPI

from lifecycle import Lifecycle, LifecycleMiddleware  # 1

life = Lifecycle()  # 2
app = FastAPI()
app.add_middleware(LifecycleMiddleware, lifecycle=life)  # 3


@app.get("/slow")
async def slow(seconds: float) -> str:
    await anyio.sleep(seconds)
    return "at last"
