"""What everything about one pod shares: its containers, its clock, its journal."""

from dataclasses import dataclass

from anyio.abc import TaskGroup

from lifecycle.kube import Container, Exec, Handler, HttpGet, Pod
from lifecycle.rehearse._clock import PodClock
from lifecycle.rehearse._events import JSON, Journal, Kind
from lifecycle.rehearse._hooks import HookOutcome, run_hook
from lifecycle.rehearse._knobs import Knobs
from lifecycle.rehearse._runtime import Exit, Network
from lifecycle.rehearse._state import Box, Instance, termination_message


@dataclass(eq=False, slots=True)
class Cell:
    pod: Pod
    name: str
    network: Network
    clock: PodClock
    journal: Journal
    knobs: Knobs
    boxes: dict[str, Box]
    kubelet: TaskGroup | None = None
    """Everything the kubelet has under way: it ends with the kubelet."""
    deletion_grace: float | None = None

    def note(self, kind: Kind, box: Box | None = None, detail: str = "", **data: JSON) -> None:
        self.journal.append(kind, box.name if box else "", detail, pod=self.name, **data)

    def warn(self, box: Box, reason: str, message: str) -> None:
        self.note(Kind.WARNING, box, message, reason=reason)

    def message(self, container: Container, exit_: Exit) -> str:
        return termination_message(self.pod, container, exit_)

    async def hook(self, handler: Handler, box: Box, life: Instance) -> HookOutcome:
        return await run_hook(
            handler,
            self.pod,
            box.container,
            life.process,
            self.network,
            self.clock,
            lambda reason, message: self.warn(box, reason, message),
        )


def shown(handler: Handler) -> str:
    match handler:
        case Exec(command=command):
            return " ".join(command)
        case HttpGet(port=port, path=path):
            return f"GET :{port}/{path.removeprefix('/')}"
        case _:
            return type(handler).__name__.lower()
