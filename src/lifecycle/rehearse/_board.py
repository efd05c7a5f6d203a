"""What the API shows of a pod: a snapshot that the kubelet takes when it begins to work, and no later."""

from lifecycle.kube import Role
from lifecycle.rehearse._cell import Cell
from lifecycle.rehearse._events import Kind
from lifecycle.rehearse._state import (
    Box,
    ContainerStatus,
    Instance,
    PodPhase,
    should_restart,
)


class Board:
    """The status of one pod."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.phase = PodPhase.PENDING
        self.ready = False
        self.deleted = False
        self.reason = ""
        """Why the pod ends: DeadlineExceeded, Evicted, Terminated, or nothing in particular."""

    def statuses(self) -> dict[str, ContainerStatus]:
        return {name: box.status(self._cell.message) for name, box in self._cell.boxes.items()}

    def look(self, until: float) -> None:
        """See the newest instances, and what exited before the worker's last work was over."""
        for box in self._cell.boxes.values():
            box.visible = life = box.instance
            if life and life.exit and life.exit.at < until:
                self.see_exit(box, life)
            if box.running or (box.seen_exit and not self._comes_back(box, box.seen_exit.code)):
                box.waiting = ("", "")

    def see_exit(self, box: Box, life: Instance) -> None:
        life.seen_exited = True
        if life.exit and (box.last_dead is None or box.last_dead.at <= life.exit.at):
            box.last_dead = life.exit

    def _comes_back(self, box: Box, code: int) -> bool:
        if box.container.role is Role.SIDECAR:
            return not self.deleted
        return should_restart(self._cell.pod, box.container, code, deleted=self.deleted)

    def show_readiness(self) -> None:
        """Readiness does not wait for the next snapshot."""
        counting = [box for box in self._cell.boxes.values() if box.container.role is not Role.INIT]
        for box in counting:
            box.started = box.is_started()
            was, box.ready = box.ready, box.is_ready()
            if was is not box.ready:
                self._cell.note(Kind.READY if box.ready else Kind.NOT_READY, box)
        ready = all(box.ready for box in counting) and self.reason != "DeadlineExceeded"
        if ready is not self.ready:
            self.ready = ready
            self._cell.note(Kind.POD_READY if ready else Kind.POD_NOT_READY)

    def enter(self, phase: PodPhase) -> None:
        if phase is not self.phase:
            self.phase = phase
            self._cell.note(Kind.PHASE, None, phase, reason=self.reason)

    def show_phase(self) -> None:
        """While the pod lives. It stays pending until each of its containers has been seen to run."""
        regular = [self._cell.boxes[one.name] for one in self._cell.pod.containers]
        seen = all(box.visible for box in regular)
        self.enter(PodPhase.RUNNING if seen else PodPhase.PENDING)

    def show_end(self) -> None:
        """Succeeded if every regular container exited with 0, whatever the restart policy."""
        lives = [self._cell.boxes[one.name].instance for one in self._cell.pod.containers]
        succeeded = all(life and life.exit and life.exit.code == 0 for life in lives)
        good = succeeded and not self.reason
        self.enter(PodPhase.SUCCEEDED if good else PodPhase.FAILED)
