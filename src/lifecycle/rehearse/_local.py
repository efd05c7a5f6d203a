"""The machine below the kubelet, as it is: containers are processes of this one."""

import os
import re
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from errno import ECONNREFUSED
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import SocketStream, TaskGroup

from lifecycle.core import RehearsalError
from lifecycle.kube import Container, Grpc, HttpGet
from lifecycle.rehearse._clock import PodClock
from lifecycle.rehearse._events import Journal, Kind
from lifecycle.rehearse._grpc import check_health
from lifecycle.rehearse._http import HOOK, PROBE, fetch
from lifecycle.rehearse._link import AgentGoneError, Link, linked
from lifecycle.rehearse._output import LINES, Output, read_all
from lifecycle.rehearse._recipe import Recipe, Site, notes, substituted, substitution
from lifecycle.rehearse._runtime import (
    CannotStartError,
    ExecResult,
    Exit,
    HttpResult,
    NoAnswerError,
)
from lifecycle.rehearse._state import MESSAGE_FILE

LAST_OUTPUT: Final = 1.0
"""Seconds for the output of a container that has ended: somebody who left it may still hold it open."""
TMP: Final = "/tmp"  # noqa: S108 - this machine's
MENTIONED: Final = re.compile(rf"{TMP}/[^\s'\"=:;,]+")
EXEC_OUTPUT: Final = 10 * 1024
"""Bytes of a hook's output that are kept."""


class LocalProcess:
    """A container's first process."""

    def __init__(
        self,
        runtime: "LocalRuntime",
        name: str,
        pid: int,
        recipe: Recipe,
        put: Callable[[str], str],
    ) -> None:
        """`put` names the places where the paths of a command are."""
        self.name = name
        self.pid = pid
        self.started_at = runtime.clock.now()
        self._runtime = runtime
        self._recipe = recipe
        self._put = put
        self._gone = anyio.Event()
        self._exit: Exit | None = None

    @property
    def alive(self) -> bool:
        return self._exit is None

    async def signal(self, number: int) -> bool:
        try:
            answer = await self._runtime.link.ask(
                "signal", target=self.name, number=number, shared=self._runtime.shared
            )
        except (OSError, AgentGoneError):
            return False
        return bool(answer["heard"])

    async def kill(self) -> None:
        with suppress(OSError, AgentGoneError):
            await self._runtime.link.ask("kill", target=self.name, shared=self._runtime.shared)

    async def wait(self) -> Exit:
        await self._gone.wait()
        assert self._exit is not None  # noqa: S101 - set before the event
        return self._exit

    def end(self, exit_: Exit) -> None:
        self._exit = exit_
        self._gone.set()

    async def run(self, command: Sequence[str]) -> ExecResult:
        reading, writing = os.pipe()
        name = self._runtime.link.name()
        argv = [self._put(word) for word in command]
        try:
            try:
                await self._runtime.link.ask(
                    "exec",
                    name,
                    (writing,),
                    target=self.name,
                    argv=argv,
                    env=dict(self._recipe.env),
                    cwd=self._recipe.cwd,
                    shared=self._runtime.shared,
                )
            except OSError as error:
                return ExecResult(code=-1, error=error.strerror or str(error))
            except AgentGoneError:
                return ExecResult(code=-1, error="container not running")
            finally:
                os.close(writing)
            try:
                output = await read_all(reading, EXEC_OUTPUT)
                code = await self._runtime.link.ended(name)
            except anyio.get_cancelled_exc_class():
                with suppress(OSError, AgentGoneError):
                    await self._runtime.link.ask("kill", target=name, shared=self._runtime.shared)
                raise
            return ExecResult(code=code, output=output.decode(errors="replace").strip())
        finally:
            os.close(reading)


class LocalRuntime:
    """Made by `running`."""

    def __init__(
        self,
        site: Site,
        link: Link,
        base: Path,
        clock: PodClock,
        journal: Journal,
        tasks: TaskGroup,
    ) -> None:
        self.site = site
        self.link = link
        self.clock = clock
        self.shared = site.pod.share_process_namespace
        self.isolated = False
        self.why_not = ""
        self._base = base
        self._journal = journal
        self._tasks = tasks

    async def begin(self) -> None:
        """
        Raises:
            RehearsalError: Namespaces were asked for, and cannot be had.
        """
        options = self.site.options
        for folder in ("root", "shm", "volumes"):
            (self._base / folder).mkdir()
        for volume in self.site.pod.volumes:
            self._fill(volume.name)
        answer = await self.link.ask(
            "begin",
            base=str(self._base),
            isolation=options.isolation,
            network=options.network == "pod",
        )
        self.isolated, self.why_not = answer["isolated"], answer["why"]
        if not self.isolated:
            self._put_up_with_it()
        for container, sentence in notes(self.site.pod, options):
            self.note(sentence, container)

    def _put_up_with_it(self) -> None:
        if self.site.options.isolation == "namespaces" or self.site.options.network == "pod":
            raise RehearsalError(
                f"no namespaces on this machine: {self.why_not}. Run it as root, or without --isolation namespaces"
            )
        self.note(
            f"no namespaces here ({self.why_not}): that PID 1 has no default actions is played, and paths of volumes are "
            "replaced by others in commands and variables"
        )

    def note(self, sentence: str, container: str = "") -> None:
        self._journal.append(Kind.NOTE, container, sentence, pod=self.site.name)

    def _volume(self, name: str, sub_path: str | None) -> Path:
        folder = self._base / "volumes" / name
        return folder / sub_path if sub_path else folder

    def _fill(self, name: str) -> None:
        folder = self._volume(name, None)
        if given := self.site.options.volumes.get(name):
            folder.symlink_to(given.absolute(), target_is_directory=True)
            return
        folder.mkdir()
        folder.chmod(0o777)

    async def start(self, container: Container, instance: int) -> LocalProcess:
        recipe = self.site.recipe(container)
        term, tmp = self._own_files(container, instance)
        mounts = [*recipe.mounts]
        if container.termination_message_path:
            mounts.append(
                (str(term.relative_to(self._base)), container.termination_message_path, False)
            )
        for source, _, _ in recipe.mounts:
            if not (self._base / source).exists():
                (self._base / source).mkdir(parents=True)
        places: dict[str, str] = {}
        if not self.isolated:
            places = {path: str(self._base / source) for source, path, _ in mounts}
            recipe = substituted(recipe, places)
            recipe = Recipe(
                argv=recipe.argv, env={**recipe.env, "TMPDIR": str(tmp)}, cwd=recipe.cwd
            )
        name = self.link.name()
        reading, writing = os.pipe()
        try:
            answer = await self.link.ask(
                "start",
                name,
                (writing,),
                argv=recipe.argv,
                env=dict(recipe.env),
                cwd=recipe.cwd,
                mounts=mounts,
                tmp=str(tmp),
                shm=str(self._base / "shm"),
                keep=self._keep(recipe),
                shared=self.shared,
            )
        except OSError as error:
            os.close(reading)
            raise CannotStartError(error.strerror or str(error)) from None
        except AgentGoneError:
            os.close(reading)
            raise CannotStartError("the node's agent was killed") from None
        finally:
            os.close(writing)
        process = LocalProcess(self, name, answer["pid"], recipe, substitution(places))
        output = Output(reading, lambda line: self._tell(container.name, line))
        self._tasks.start_soon(self._follow, container, process, output, term)
        return process

    def _own_files(self, container: Container, instance: int) -> tuple[Path, Path]:
        """Fresh for each life: the file for the termination message, and what is /tmp."""
        folder = self._base / "lives" / f"{container.name}-{instance}"
        folder.mkdir(parents=True)
        term, tmp = folder / "termination-log", folder / "tmp"
        term.touch()
        term.chmod(0o666)
        tmp.mkdir()
        tmp.chmod(0o1777)
        return term, tmp

    def _keep(self, recipe: Recipe) -> list[str]:
        """What is in /tmp on this machine, and must be seen in a container whose /tmp is its own: programs."""
        path = recipe.env.get("PATH", "")
        program = Path(shutil.which(recipe.argv[0], path=path) or recipe.argv[0])
        files = (Path(found) for word in recipe.argv for found in MENTIONED.findall(word))
        wanted = [Path(recipe.cwd), self.site.options.cwd, program, program.resolve()]
        wanted += [Path(folder) for folder in path.split(os.pathsep)]
        wanted += [file for file in files if file.is_file()]
        # With all that is beside it: a program may need it.
        inside = [one.relative_to(TMP) for one in wanted if one.is_relative_to(TMP)]
        tops = {Path(TMP, one.parts[0]) for one in inside if one.parts}
        return sorted(str(top) for top in tops if top.is_dir())

    def _tell(self, container: str, line: str) -> None:
        self._journal.append(Kind.LOG, container, line, pod=self.site.name)

    async def _follow(
        self, container: Container, process: LocalProcess, output: Output, term: Path
    ) -> None:
        code, at = 137, None
        drained = anyio.Event()

        async def read() -> None:
            await output.read()
            drained.set()

        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                code = await self.link.ended(process.name)
                at = self.clock.now()
                with anyio.move_on_after(LAST_OUTPUT):
                    await drained.wait()
                tasks.cancel_scope.cancel()
        finally:
            output.close()
            if output.dropped:
                self.note(
                    f"of its output {LINES} lines are shown, and {output.dropped} are not",
                    container.name,
                )
            process.end(
                Exit(
                    code=code,
                    at=self.clock.now() if at is None else at,
                    reason="Error" if code else "Completed",
                    file=_tail(term),
                    log=output.tail,
                )
            )


def _make_base() -> Path:
    base = Path(tempfile.mkdtemp(prefix="lifecycle-rehearsal-"))
    base.chmod(0o755)  # containers may run as anybody
    return base


def _tail(path: Path) -> bytes:
    with suppress(OSError), path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(file.tell() - MESSAGE_FILE, 0))
        return file.read(MESSAGE_FILE)
    return b""


class LocalNetwork:
    """A pod's network, seen from the node."""

    def __init__(self, runtime: LocalRuntime) -> None:
        self.address = runtime.site.address
        self._runtime = runtime
        self._own = runtime.site.options.network == "pod"

    async def dial(self, host: str, port: int) -> SocketStream:
        """
        Raises:
            OSError: As the system says.
        """
        if not self._own or host != self.address:
            return await anyio.connect_tcp(host, port)
        try:
            descriptor = await self._runtime.link.ask_for_socket()
        except AgentGoneError:
            raise ConnectionRefusedError(ECONNREFUSED, os.strerror(ECONNREFUSED)) from None
        with socket.socket(fileno=descriptor) as made:
            made.setblocking(False)  # noqa: FBT003 - its signature
            with suppress(BlockingIOError):
                made.connect((host, port))
            await anyio.wait_writable(made)
            if number := made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(number, os.strerror(number))
            return await SocketStream.from_socket(made.detach())

    async def hook(self, get: HttpGet, container: Container) -> HttpResult:
        return await fetch(get, container, self.address, self.dial, HOOK)

    async def probe(self, get: HttpGet, container: Container) -> HttpResult:
        return await fetch(get, container, self.address, self.dial, PROBE)

    async def connect(self, host: str | None, port: int) -> None:
        try:
            stream = await self.dial(host or self.address, port)
        except OSError as error:
            raise NoAnswerError(error.strerror or str(error)) from None
        await stream.aclose()

    async def health(self, check: Grpc, container: Container) -> str:  # noqa: ARG002 - as the others
        return await check_health(check, self.address, self.dial)


@asynccontextmanager
async def running(
    site: Site, clock: PodClock, journal: Journal
) -> AsyncIterator[tuple[LocalRuntime, LocalNetwork]]:
    """Processes may be started until the end of the block; then nothing is left of them, whatever they do.

    Raises:
        RehearsalError: The pod cannot be played here.
    """
    site.check()
    base = _make_base()
    refused: RehearsalError | None = None
    try:
        async with anyio.create_task_group() as tasks, linked() as link:
            runtime = LocalRuntime(site, link, base, clock, journal, tasks)
            try:
                await runtime.begin()
            except RehearsalError as error:
                refused = error  # outside of the task group, which would wrap it
            except AgentGoneError:
                refused = RehearsalError(
                    "the process that is to play the node ended at once: see what it wrote above. It is this Python, run with -I -S"
                )
            else:
                yield runtime, LocalNetwork(runtime)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    if refused is not None:
        raise refused
