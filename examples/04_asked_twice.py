"""preStop and SIGTERM: every pod that is deleted is asked twice, and some more often.

    LIFECYCLE_SHUTDOWN_DELAY=1 uvicorn --app-dir examples 04_asked_twice:app &
    curl localhost:8000/shutdown & sleep 0.2; kill %1; kill %1

What to see: the first request counts, and later ones join it: they neither begin again, nor hurry, nor
force anything. curl has its answer when all is done, and the exit status is 0.
"""

from starlette.applications import Starlette

from lifecycle import Lifecycle, LifecycleMiddleware, StopRequest

life = Lifecycle()


@life.on_pre_stop
async def note(request: StopRequest) -> None:
    print(f"asked by {request.source}: {request.reason}")


@life.on_shutdown
def close() -> None:
    print("closed")


app = LifecycleMiddleware(Starlette(), life)
