"""`lifecycle`, on a uvicorn that has changed: a name that we override is no longer there."""

import socket
import sys

import uvicorn

from lifecycle.cli import main

uvicorn.Server.signals = uvicorn.Server.capture_signals  # type: ignore[attr-defined] # a new name for the old one
del uvicorn.Server.capture_signals


async def serve(self: uvicorn.Server, sockets: list[socket.socket] | None = None) -> None:
    with self.signals():  # type: ignore[attr-defined] # see above
        await self._serve(sockets)


uvicorn.Server.serve = serve  # type: ignore[method-assign] # a uvicorn of tomorrow

if __name__ == "__main__":
    sys.exit(main())
