"""`python -m benchmarks.floor module:app PORT`: what `lifecycle serve` imports, one answer, and the shortest clean end."""

import asyncio
import importlib
import signal
import sys
from typing import NoReturn

import uvloop


def leave(*_: object) -> NoReturn:
    sys.exit(0)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()


async def main() -> None:
    for module in ("lifecycle.server", "uvicorn.main", sys.argv[1].partition(":")[0]):
        importlib.import_module(module)
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[2]))
    signal.signal(signal.SIGTERM, leave)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
