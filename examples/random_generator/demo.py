"""Plays the life of the pod in `pod.yaml` with real processes, under load, and says what was lost.

    python -m examples.random_generator.demo             # under the command of its Dockerfile
    python -m examples.random_generator.demo serve       # under `lifecycle serve`
    python -m examples.random_generator.demo workers     # the same, with two workers

The exit status is 0 if nothing was, and if the application's own is 0.
"""

import argparse
import asyncio
import functools
import json
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from examples.random_generator.crowd import crowd
from examples.stage.clients import Fate
from examples.stage.kubelet import (
    HOOK,
    POD_IP,
    PROBE,
    Container,
    Log,
    Manifest,
    Record,
    StageError,
    container,
)
from examples.stage.timeline import Part, Timeline

HERE: Final = Path(__file__).parent
SHOWN_ON_FAILURE: Final = 30
"""Lines of the application's output."""

OPTIONS: Final = "--host 0.0.0.0 --port 8080 --no-access-log"
SERVERS: Final = {
    "image": "",
    "serve": f"lifecycle serve app:app {OPTIONS}",
    "workers": f"lifecycle serve app:app {OPTIONS} --workers 2",
}

PARTS: Final = {
    "lame duck": ("d", "delay: served on, while routers forget the address", "yellow"),
    "draining": ("w", "drain: finished the work in flight", "blue"),
    "stopping": ("h", "shutdown hooks", "magenta"),
}


WORKERS_PATIENCE: Final = 3.0
"""Seconds for one worker to hear of another's change: whichever the kernel chooses answers a probe."""


class Play:
    """One pod's life, step by step."""

    def __init__(self, manifest: Manifest, pod: Container, line: Timeline) -> None:
        self.manifest = manifest
        self.pod = pod
        self.line = line
        self.log = Log(self.follow)
        self.faults: list[str] = []
        self.several_workers = "--workers" in pod.command

    def follow(self, record: Record) -> None:
        """The application's own words, as they come."""
        match record:
            case {"message": "phase changed", "before": before, "after": after, "cause": cause}:
                phases = self.line.paint("bold", f"{before.upper()} -> {after.upper()}")
                self.line.note("app", f"{phases} ({cause})")
            case {"message": "lifecycle is over"}:
                return  # the report: it is the answer to preStop too
            case {"message": message, "logger": _, "level": _, **fields}:
                facts = ", ".join(f"{name}={value}" for name, value in fields.items())
                self.line.note("app", f"{message}: {facts}" if facts else message)
            case _:
                return

    async def start(self) -> None:
        """The container and its postStart hook start side by side: not ready before both are."""
        await self.pod.start(self.log)
        self.line.note("kubelet", f"starts the container: {self.pod.shown}")
        hook = asyncio.create_task(self.pod.exec(self.manifest.post_start))
        self.line.note(
            "kubelet", f"runs postStart beside it: {shlex.join(self.manifest.post_start)}"
        )
        async with within(10, "the application to listen"):
            await self.pod.is_listening()
        await self.probe("readiness", 503)
        await asyncio.sleep(1)
        # On a machine that is busy enough the hook is over by now.
        if not hook.done():
            await self.probe("startup", 503)
        await self.probe("liveness", 200)
        async with within(10, "the postStart hook"):
            status = await hook
        self.line.note("kubelet", f"postStart has exited with {status}")
        self.expect("exit status of postStart", status, 0)
        async with within(5, "the application to be ready"):
            received = await self.log.until("postStart trigger received")
            await self.log.until("phase changed", after="ready")
        self.expect("message of the trigger", received["trigger_message"], "Wake up!")
        await self.probe("readiness", 200)

    async def serve_and_stop(self) -> tuple[list[Fate], Record, float]:
        """All kinds of work are in flight when the pod is deleted: their fates, the report, the seconds it took."""
        say = functools.partial(self.line.note, "client")
        async with crowd(POD_IP, self.pod.port, say) as clients:
            async with within(10, "the first answers"):
                await clients.come()
                await asyncio.sleep(0.7)
                await clients.be_slow()
            await asyncio.sleep(0.3)
            self.line.heading("The pod is deleted")
            stopped_at = time.monotonic()
            clients.hear_of_the_stop(stopped_at)
            report = await self.stop(stopped_at)
            seconds = time.monotonic() - stopped_at
            async with within(15, "the last answers"):
                return await clients.fates(), report, seconds

    async def stop(self, since: float) -> Record:
        """preStop, then SIGTERM, under one deadline."""
        path = self.manifest.pre_stop
        self.line.note("kubelet", f"runs preStop: GET {path}")
        async with (
            asyncio.TaskGroup() as group,
            within(self.manifest.grace, "its answer to preStop"),
        ):
            hook = group.create_task(self.pod.get(path, HOOK))
            heard = group.create_task(self.log.until("phase changed", after="lame duck"))
            await asyncio.wait([hook, heard], return_when=asyncio.FIRST_COMPLETED)
            if heard.done():
                await self.probe("readiness", 503)
            heard.cancel()
            answer = await hook
        if answer.status not in (200, 500):
            raise StageError(f"GET {path} was answered with {answer.status} {answer.body!r}")
        report: Record = json.loads(answer.body)
        self.line.note("kubelet", f"preStop is answered: {answer.status}, {report['outcome']}")
        self.expect("answer to preStop", answer.status, 200)
        sent = self.pod.terminate()
        self.line.note("kubelet", "sends SIGTERM" if sent else "finds nobody to send SIGTERM to")
        async with within(since + self.manifest.grace - time.monotonic(), "the exit"):
            status = await self.pod.wait()
        self.line.note("kubelet", f"the container has exited with {status}")
        self.expect("exit status of the application", status, 0)
        self.expect("abandoned work", report["abandoned"], [])
        return report

    async def probe(self, kind: str, wanted: int) -> None:
        path = self.manifest.probes[kind]
        async with within(5, f"an answer to GET {path}"):
            answer = await self.pod.get(path, PROBE)
        until = time.monotonic() + WORKERS_PATIENCE
        while answer.status != wanted and self.several_workers and time.monotonic() < until:
            await asyncio.sleep(0.02)
            answer = await self.pod.get(path, PROBE)
        self.line.note("kubelet", f"GET {path}: {answer.status} {answer.body}")
        self.expect(f"status of GET {path}", answer.status, wanted)

    def expect(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self.faults.append(f"the {what} is {found!r}, not {wanted!r}")

    def sum_up(self, fates: list[Fate], report: Record, seconds: float) -> None:
        """What was served, what was lost, and how the grace period was spent."""
        self.line.heading("Served and lost")
        rows = [(fate.what, int(fate.served), int(fate.lost), fate.remark) for fate in fates]
        self.line.table(("", "served", "lost", ""), rows)
        self.faults += [f"{what}: {lost} lost" for what, _, lost, _ in rows if lost]
        grace = self.manifest.grace
        self.line.heading(f"The grace period: {seconds:.1f} s of {grace:g} s used")
        spent = [
            Part(*PARTS[phase["phase"]], phase["seconds"])
            for phase in report["phases"]
            if phase["phase"] in PARTS
        ]
        rest = seconds - sum(part.seconds for part in spent)
        self.line.purse([*spent, Part("x", "exit of the server", "cyan", rest)], grace)


@asynccontextmanager
async def within(seconds: float, what: str) -> AsyncIterator[None]:
    """A limit for one step.

    Raises:
        StageError: It took longer.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise StageError(f"waited {seconds:.0f} s in vain for {what}") from None


async def play(line: Timeline, server: str) -> list[str]:
    """What went otherwise than promised."""
    _stop_on(signal.SIGTERM)
    manifest = Manifest.read(HERE / "pod.yaml")
    with tempfile.TemporaryDirectory(prefix="pod-") as name:
        # This pod's own /tmp.
        tmp = Path(name)
        settings = {
            "LIFECYCLE_POST_START_FILE": str(tmp / "postStart_done"),
            "LIFECYCLE_REPORT_FILE": str(tmp / "termination-log"),
        }
        async with container(manifest, HERE, tmp, settings, server) as pod:
            life = Play(manifest, pod, line)
            try:
                line.heading(f"The pod {manifest.name} is created")
                await life.start()
                line.heading("Clients come")
                life.sum_up(*await life.serve_and_stop())
            except Exception as error:  # noqa: BLE001 - whatever it was, the audience is told
                line.heading("The end of the application's output")
                for text in life.log.text[-SHOWN_ON_FAILURE:]:
                    line.print(f"  {text}")
                life.faults.append(_said(error))
    return life.faults


def _stop_on(which: signal.Signals) -> None:
    """Clean up and end, as asyncio itself does for Ctrl-C."""
    task = asyncio.current_task()

    def stop() -> None:
        # Once: nox sends SIGTERM a moment after Ctrl-C, into the cleaning up.
        if task is not None and not task.cancelling():
            task.cancel()

    asyncio.get_running_loop().add_signal_handler(which, stop)


def _said(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) if isinstance(error, StageError) else f"{type(error).__name__}: {error}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Play the life of the pod in pod.yaml.")
    parser.add_argument("server", nargs="?", choices=SERVERS, default="image")
    server = SERVERS[parser.parse_args().server]
    line = Timeline()
    line.print("The kubelet and the clients are played; processes, signals and requests are real.")
    try:
        faults = asyncio.run(play(line, server))
    except (KeyboardInterrupt, asyncio.CancelledError):
        line.print("\nInterrupted; nothing is left behind.")
        return 128 + signal.SIGINT
    line.print("")
    if faults:
        line.print(line.paint("red", "\n  - ".join(["Not as promised:", *faults])))
        return 1
    line.print(line.paint("green", "Nothing was lost, and the application exited with 0."))
    return 0


if __name__ == "__main__":
    sys.exit(main())
