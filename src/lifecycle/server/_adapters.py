"""Other servers that can be told to stop by public means."""

from lifecycle.runtime import Flag, Lifecycle


class ShutdownTrigger:
    """hypercorn's `shutdown_trigger`: it stops when the lifecycle is over, and not when a signal comes.

        config = hypercorn.Config.from_mapping(bind="0.0.0.0:8000")
        await hypercorn.trio.serve(LifecycleMiddleware(app, life), config, shutdown_trigger=ShutdownTrigger(life))

    On asyncio and on trio; anycorn takes the same argument. One process: hypercorn's own workers do not pass it on.
    See https://hypercorn.readthedocs.io/en/latest/how_to_guides/api_usage.html
    """

    parent: int | None = None
    writes_report = True
    owns_process = True

    def __init__(self, life: Lifecycle) -> None:
        self._over = Flag()
        life.run_by(self)

    def waiting_for(self) -> str | None:
        """Nothing beside this process has to be ready."""
        return None

    def leave(self) -> None:
        """The lifecycle is over: let the server go."""
        self._over.set()

    async def __call__(self) -> None:
        """Awaited by the server; returns when it is to stop."""
        await self._over.wait()
