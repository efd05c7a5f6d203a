"""The line to a pod's agent (`_agent`): requests, answers, and news of what has ended."""

import itertools
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL
from typing import Any, Final

import anyio

from lifecycle.rehearse._agent import PACKET

AGENT: Final = (
    f"import sys; sys.path.append({str(Path(__file__).parent)!r}); import _agent; _agent.main()"
)
"""Found by itself, beside us: the library and what it needs stay out of it."""
PATIENCE: Final = 10.0
"""Seconds for an agent to leave nothing behind, before it is killed itself."""


@dataclass(eq=False, slots=True)
class _Answer:
    came: anyio.Event = field(default_factory=anyio.Event)
    message: dict[str, Any] = field(default_factory=dict[str, Any])
    descriptors: list[int] = field(default_factory=list[int])


class AgentGoneError(Exception):
    """The agent has ended: it was killed."""


class Link:
    """Use `linked`."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._numbers = itertools.count(1)
        self._answers: dict[str, _Answer] = {}
        self._endings: dict[str, _Answer] = {}
        self._gone = False

    def name(self) -> str:
        return str(next(self._numbers))

    async def ask(
        self, do: str, name: str | None = None, fds: tuple[int, ...] = (), **what: object
    ) -> dict[str, Any]:
        """
        Raises:
            OSError: The agent could not do it: why, it says.
            AgentGoneError: There is none.
        """
        answer = await self._ask(do, name, fds, what)
        result: dict[str, Any] = answer.message["result"]
        return result

    async def ask_for_socket(self) -> int:
        """A descriptor of a TCP socket in the pod's network.

        Raises:
            OSError: There was none.
        """
        return (await self._ask("socket", None, (), {})).descriptors[0]

    async def _ask(
        self, do: str, name: str | None, fds: tuple[int, ...], what: dict[str, object]
    ) -> _Answer:
        name = name or self.name()
        self._answers[name] = answer = _Answer()
        if do in ("start", "exec"):
            self._endings[name] = _Answer()
        data = json.dumps({"do": do, "id": name, **what}).encode()
        # What was asked for is done: whoever is cancelled meanwhile has to know of it.
        with anyio.CancelScope(shield=True):
            try:
                if not self._gone:
                    await self._send(data, fds)
                    await answer.came.wait()
            except OSError:
                self._gone = True
        del self._answers[name]
        if not answer.message:
            raise AgentGoneError
        if why := answer.message.get("error"):
            self._endings.pop(name, None)
            raise OSError(0, why)
        return answer

    async def _send(self, data: bytes, fds: tuple[int, ...]) -> None:
        while True:
            try:
                if fds:
                    socket.send_fds(self._channel, [data], fds)
                else:
                    self._channel.send(data)
            except BlockingIOError:
                await anyio.wait_writable(self._channel)
            else:
                return

    async def ended(self, name: str) -> int:
        """The exit code of what was started or executed under that name; 137 if the agent has gone."""
        ending = self._endings[name]
        await ending.came.wait()
        code: int = ending.message.get("code", 137)
        return code

    async def listen(self) -> None:
        """Until the agent has gone."""
        try:
            while True:
                await anyio.wait_readable(self._channel)
                data, fds, _, _ = socket.recv_fds(self._channel, PACKET, 1)
                if not data:
                    return
                self._hear(json.loads(data), fds)
        except ConnectionResetError:
            return
        finally:
            self._gone = True
            for waiting in (*self._answers.values(), *self._endings.values()):
                waiting.came.set()

    def _hear(self, message: dict[str, Any], fds: list[int]) -> None:
        ending = "ended" in message
        waiting = self._endings if ending else self._answers
        if found := waiting.get(message["ended" if ending else "id"]):
            found.message, found.descriptors = message, fds
            found.came.set()


@asynccontextmanager
async def linked() -> AsyncIterator[Link]:
    """An agent, until the end of the block: then it leaves nothing behind, and ends."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PACKET)
        ours.setblocking(False)  # noqa: FBT003 - its signature
        with theirs:
            agent = await anyio.open_process(
                [sys.executable, "-I", "-S", "-c", AGENT, str(theirs.fileno())],
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=None,
                pass_fds=[theirs.fileno()],
                # Ctrl-C in this terminal is for the rehearsal: the agent ends with it, and in order.
                start_new_session=True,
            )
        link = Link(ours)
        async with agent, anyio.create_task_group() as tasks:
            tasks.start_soon(link.listen)
            try:
                yield link
            finally:
                with anyio.CancelScope(shield=True):
                    tasks.cancel_scope.cancel()
                    ours.shutdown(socket.SHUT_RDWR)
                    with anyio.move_on_after(PATIENCE):
                        await agent.wait()
