"""A container's first process, and commands beside it: what the agent is asked for on behalf of one container."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import anyio

from lifecycle.rehearse._link import AgentGoneError, Link
from lifecycle.rehearse._output import read_all
from lifecycle.rehearse._recipe import Recipe
from lifecycle.rehearse._runtime import ExecResult, Exit

EXEC_OUTPUT: Final = 10 * 1024
"""Bytes of a hook's output that are kept."""


class LocalProcess:
    """A container's first process."""

    def __init__(
        self,
        link: Link,
        name: str,
        pid: int,
        started_at: float,
        recipe: Recipe,
        put: Callable[[str], str],
        *,
        shared: bool,
    ) -> None:
        """`put` names the places where the paths of a command are; `shared` is the pod's process namespace."""
        self.name = name
        self.pid = pid
        self.started_at = started_at
        self._link = link
        self._shared = shared
        self._recipe = recipe
        self._put = put
        self._gone = anyio.Event()
        self._exit: Exit | None = None

    @property
    def alive(self) -> bool:
        return self._exit is None

    async def signal(self, number: int) -> bool:
        try:
            answer = await self._link.ask(
                "signal", target=self.name, number=number, shared=self._shared
            )
        except (OSError, AgentGoneError):
            return False
        return bool(answer["heard"])

    async def kill(self) -> None:
        with suppress(OSError, AgentGoneError):
            await self._link.ask("kill", target=self.name, shared=self._shared)

    async def wait(self) -> Exit:
        await self._gone.wait()
        assert self._exit is not None  # noqa: S101 - set before the event
        return self._exit

    def end(self, exit_: Exit) -> None:
        self._exit = exit_
        self._gone.set()

    async def run(self, command: Sequence[str]) -> ExecResult:
        reading, writing = os.pipe()
        name = self._link.name()
        argv = [self._put(word) for word in command]
        try:
            try:
                await self._link.ask(
                    "exec",
                    name,
                    (writing,),
                    target=self.name,
                    argv=argv,
                    env=dict(self._recipe.env),
                    cwd=self._recipe.cwd,
                    shared=self._shared,
                )
            except OSError as error:
                return ExecResult(code=-1, error=error.strerror or str(error))
            except AgentGoneError:
                return ExecResult(code=-1, error="container not running")
            finally:
                os.close(writing)
            try:
                output = await read_all(reading, EXEC_OUTPUT)
                code = await self._link.ended(name)
            except anyio.get_cancelled_exc_class():
                with suppress(OSError, AgentGoneError):
                    await self._link.ask("kill", target=name, shared=self._shared)
                raise
            return ExecResult(code=code, output=output.decode(errors="replace").strip())
        finally:
            os.close(reading)
