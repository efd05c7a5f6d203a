"""What goes wrong on purpose: between the kubelet and the machine, so that neither has to know of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import anyio
from anyio.abc import ByteStream

from lifecycle.kube import Container, Exec, Grpc, Handler, HttpGet, Pod
from lifecycle.rehearse._clock import PodClock
from lifecycle.rehearse._runtime import (
    ExecResult,
    Exit,
    HttpResult,
    Network,
    NoAnswerError,
    Process,
    Runtime,
)

KILLED = 137
EVERYWHERE = "0.0.0.0"  # noqa: S104 - it is replaced


@dataclass(slots=True)
class Faults:
    """Switches; all of them are off."""

    failing_post_starts: int = 0
    """How many of the next postStart hooks fail, whatever they do."""
    hanging_pre_stop: bool = False
    """A preStop hook does its work, and then never returns."""
    liveness_fails: bool = False
    asleep: float = 0.0
    """Seconds after its start in which a container answers no probe."""
    processes: dict[str, "FaultyProcess"] = field(default_factory=dict[str, "FaultyProcess"])
    """The current instance of each container."""

    def heal(self) -> None:
        self.liveness_fails = False

    def post_start_fails(self) -> bool:
        if self.failing_post_starts:
            self.failing_post_starts -= 1
            return True
        return False


class FaultyRuntime:
    """A runtime that does as it is told, but for the faults. With an `address`, commands listen there alone."""

    def __init__(
        self, runtime: Runtime, clock: PodClock, faults: Faults, *, address: str = ""
    ) -> None:
        self._runtime = runtime
        self._address = address
        self._clock = clock
        self._faults = faults

    async def start(self, container: Container, instance: int) -> Process:
        process = await self._runtime.start(self._bound(container), instance)
        faulty = FaultyProcess(process, container, self._clock, self._faults)
        self._faults.processes[container.name] = faulty
        return faulty

    def _bound(self, container: Container) -> Container:
        """Replicas share this machine's ports: each listens on its own address in place of all."""
        if not self._address:
            return container
        return replace(
            container,
            command=tuple(
                word.replace(EVERYWHERE, self._address) for word in container.command or ()
            ),
            args=tuple(word.replace(EVERYWHERE, self._address) for word in container.args or ()),
        )


class FaultyProcess:
    """One instance of a container."""

    def __init__(
        self, process: Process, container: Container, clock: PodClock, faults: Faults
    ) -> None:
        self._process = process
        self._container = container
        self._clock = clock
        self._faults = faults
        self._out_of_memory = False

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def started_at(self) -> float:
        return self._process.started_at

    @property
    def alive(self) -> bool:
        return self._process.alive

    async def signal(self, number: int) -> bool:
        return await self._process.signal(number)

    async def kill(self) -> None:
        await self._process.kill()

    async def crash(self, *, out_of_memory: bool = False) -> None:
        """It dies of something that is not the kubelet's doing."""
        self._out_of_memory = out_of_memory
        await self._process.kill()

    async def wait(self) -> Exit:
        end = await self._process.wait()
        return replace(end, reason="OOMKilled") if self._out_of_memory else end

    async def run(self, command: Sequence[str]) -> ExecResult:
        if _is(self._container.post_start, command) and self._faults.post_start_fails():
            return ExecResult(code=1, output="the scenario makes this hook fail")
        if _is(self._container.pre_stop, command) and self._faults.hanging_pre_stop:
            await self._process.run(command)
            await self._process.wait()
            return ExecResult(code=KILLED)
        for name, probe in self._container.probes.items():
            if isinstance(probe.check, Exec) and probe.check.command == tuple(command):
                if self._faults.liveness_fails and name == "livenessProbe":
                    return ExecResult(code=1, output="the scenario makes this probe fail")
                if self.is_asleep:
                    return ExecResult(code=1, output="the scenario makes the start slow")
        return await self._process.run(command)

    @property
    def is_asleep(self) -> bool:
        return self._clock.now() - self.started_at < self._faults.asleep


class FaultyNetwork:
    """The pod's network, as seen from the node."""

    def __init__(self, network: Network, faults: Faults) -> None:
        self._network = network
        self._faults = faults

    @property
    def address(self) -> str:
        return self._network.address

    async def hook(self, get: HttpGet, container: Container) -> HttpResult:
        if get is container.post_start and self._faults.post_start_fails():
            raise NoAnswerError("the scenario makes this hook fail")
        answer = await self._network.hook(get, container)
        if get is container.pre_stop and self._faults.hanging_pre_stop:
            process = self._faults.processes.get(container.name)
            if process is not None:
                await process.wait()
                raise NoAnswerError("EOF")
            await anyio.sleep_forever()
        return answer

    async def probe(self, get: HttpGet, container: Container) -> HttpResult:
        self._spoil(get, container)
        return await self._network.probe(get, container)

    async def health(self, check: Grpc, container: Container) -> str:
        self._spoil(check, container)
        return await self._network.health(check, container)

    def _spoil(self, check: HttpGet | Grpc, container: Container) -> None:
        liveness = container.liveness
        if self._faults.liveness_fails and liveness is not None and check is liveness.check:
            raise NoAnswerError("the scenario makes this probe fail")
        process = self._faults.processes.get(container.name)
        if process is not None and process.is_asleep:
            raise NoAnswerError("the scenario makes the start slow")

    async def dial(self, host: str, port: int) -> ByteStream:
        return await self._network.dial(host, port)

    async def connect(self, host: str | None, port: int) -> None:
        if self._faults.liveness_fails or any(
            process.is_asleep for process in self._faults.processes.values()
        ):
            raise NoAnswerError("the scenario makes this probe fail")
        await self._network.connect(host, port)


def _is(hook: Handler | None, command: Sequence[str]) -> bool:
    return isinstance(hook, Exec) and hook.command == tuple(command)


def can_be_made_to_fail(pod: Pod, hook: str) -> bool:
    """Whether any container has such a hook, and one that can fail: a `sleep` cannot."""
    return any(isinstance(one.hooks.get(hook), Exec | HttpGet) for one in pod.everyone())
