"""The machine below the kubelet, as it is: containers are processes of this one."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import TaskGroup

from lifecycle.core import RehearsalError
from lifecycle.kube import Container
from lifecycle.rehearse._clock import PodClock
from lifecycle.rehearse._events import Journal, Kind
from lifecycle.rehearse._link import AgentGoneError, Link, linked
from lifecycle.rehearse._local_network import LocalNetwork
from lifecycle.rehearse._local_process import LocalProcess
from lifecycle.rehearse._output import LINES, Output
from lifecycle.rehearse._recipe import Recipe, Site, notes, substituted, substitution
from lifecycle.rehearse._runtime import CannotStartError, Exit
from lifecycle.rehearse._seen import seen_in_tmp
from lifecycle.rehearse._state import MESSAGE_FILE

LAST_OUTPUT: Final = 1.0
"""Seconds for the output of a container that has ended: somebody who left it may still hold it open."""


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
        self._told_seen: list[str] = []

    async def begin(self) -> None:
        """
        Raises:
            RehearsalError: Namespaces were asked for, and cannot be had.
        """
        options = self.site.options
        try:
            for folder in ("root", "shm", "volumes"):
                (self._base / folder).mkdir()
            for volume in self.site.pod.volumes:
                self._fill(volume.name)
        except OSError as error:
            raise _no_room(error) from None
        answer = await self.link.ask(
            "begin",
            base=str(self._base),
            isolation=options.isolation,
            network=options.network == "pod",
        )
        self.isolated, self.why_not = answer["isolated"], answer["why"]
        if not self.isolated:
            self._put_up_with_it()
        for container, sentence in notes(self.site.pod, options, isolated=self.isolated):
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
        try:
            term, tmp = self._own_files(container, instance)
            for source, _, _ in recipe.mounts:
                (self._base / source).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotStartError(str(error)) from None
        mounts = [*recipe.mounts]
        if container.termination_message_path:
            mounts.append(
                (str(term.relative_to(self._base)), container.termination_message_path, False)
            )
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
                keep=self._seen(container, recipe),
                read_only=container.read_only_root,
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
        process = LocalProcess(
            self.link,
            name,
            answer["pid"],
            self.clock.now(),
            recipe,
            substitution(places),
            shared=self.shared,
        )
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

    def _seen(self, container: Container, recipe: Recipe) -> list[str]:
        seen = seen_in_tmp(recipe, self.site.options.cwd)
        if seen and self.isolated and seen != self._told_seen:
            self._told_seen = seen
            self.note(
                f"its /tmp is its own: of this machine's it sees {', '.join(seen)} alone, for its program is there",
                container.name,
            )
        return seen

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


def _no_room(error: OSError) -> RehearsalError:
    return RehearsalError(
        f"the pod's own files cannot be made: {error}: make room there, or say another folder in TMPDIR"
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


@asynccontextmanager
async def running(
    site: Site, clock: PodClock, journal: Journal
) -> AsyncIterator[tuple[LocalRuntime, LocalNetwork]]:
    """Processes may be started until the end of the block; then nothing is left of them, whatever they do.

    Raises:
        RehearsalError: The pod cannot be played here.
    """
    site.check()
    try:
        base = _make_base()
    except OSError as error:
        raise _no_room(error) from None
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
                own = site.options.network == "pod"
                yield runtime, LocalNetwork(link, site.address, own=own)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    if refused is not None:
        raise refused
