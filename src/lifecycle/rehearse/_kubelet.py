"""A kubelet for one pod: a serial worker that finishes whatever it has begun.

Everything that is done to a pod is done by one loop, one thing after another: a postStart hook that hangs holds up the
next container, the status, the probes and the pod's own deletion. Nothing in it is cancelled, except by a restart of
the kubelet itself.

See https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/ and pkg/kubelet/pod_workers.go of Kubernetes 1.36.
"""

from typing import Final

import anyio
from anyio.abc import ByteStream, TaskGroup

from lifecycle.kube import Pod, Role
from lifecycle.rehearse._back_off import BackOff
from lifecycle.rehearse._board import Board
from lifecycle.rehearse._cell import Cell, shown
from lifecycle.rehearse._clock import EARLY, PodClock
from lifecycle.rehearse._events import Journal, Kind
from lifecycle.rehearse._kill import MIN_EFFECTIVE, stop_signal
from lifecycle.rehearse._knobs import Knobs
from lifecycle.rehearse._plan import POST_START, make_plan
from lifecycle.rehearse._probes import Prober
from lifecycle.rehearse._runtime import CannotStartError, Exit, Network, Process, Runtime
from lifecycle.rehearse._state import (
    Box,
    ContainerStatus,
    Instance,
    PodPhase,
    ProbeKind,
    ProbeResult,
    may_restart,
    probe_of,
)
from lifecycle.rehearse._stopping import Stopper

REMEMBERED: Final = 10.0
"""Seconds that a container must have been up for its probes' results to outlive a restart of the kubelet."""
CRASH_LOOP: Final = "CrashLoopBackOff"
DEADLINE: Final = "DeadlineExceeded"
CLOSED_GATE: Final = (
    "stopSignal is not heeded: its feature gate is off in Kubernetes 1.36 (--stop-signals opens it)"
)


class PodWorker:
    """One pod, from its first container to its last exit: `run` it in a task, and tell it what happens to the pod."""

    def __init__(
        self,
        pod: Pod,
        *,
        name: str,
        runtime: Runtime,
        network: Network,
        clock: PodClock,
        journal: Journal,
        knobs: Knobs | None = None,
    ) -> None:
        self.pod = pod
        self.name = name
        self.ended = anyio.Event()
        reason = "PodInitializing" if pod.init else "ContainerCreating"
        boxes = {one.name: Box(one, waiting=(reason, "")) for one in pod.everyone()}
        self._cell = Cell(pod, name, network, clock, journal, knobs or Knobs(), boxes)
        self._board = Board(self._cell)
        self._stopper = Stopper(self._cell)
        self._runtime = runtime
        self._clock = clock
        self._back_offs = {name: BackOff() for name in boxes}
        self._probers: list[Prober] = []
        self._wake = anyio.Event()
        self._containers: TaskGroup | None = None
        self._born = 0.0
        self._last_work_ended = 0.0
        self._terminating = False
        self._effective: float | None = None
        """The grace period once somebody has set one: it may only become shorter."""
        self._node_decided = False
        """The kubelet takes the pod for over at once, while the API shows it as before until its end."""
        self._restarting = False

    @property
    def phase(self) -> PodPhase:
        return self._board.phase

    @property
    def ready(self) -> bool:
        """As the API shows it: endpoints go by it."""
        return self._board.ready

    @property
    def deleted(self) -> bool:
        """It has a deletionTimestamp."""
        return self._board.deleted

    @property
    def address(self) -> str:
        return self._cell.network.address

    async def dial(self, port: int) -> ByteStream:
        """A connection to the pod, as its clients have them.

        Raises:
            OSError: As the system says.
        """
        return await self._cell.network.dial(self.address, port)

    def statuses(self) -> dict[str, ContainerStatus]:
        return self._board.statuses()

    # What happens to the pod.

    def delete(self, grace: float | None = None) -> None:
        """By the API: kubectl, a rollout, a drain. `grace` 0 is a forced one.

        A second one may shorten the grace period, as long as the first has not begun to kill.
        """
        asked = self.pod.grace_period if grace is None else grace
        self._cell.note(Kind.DELETED, grace=asked, force=grace == 0)
        self._board.deleted = True
        before = self._cell.deletion_grace
        self._cell.deletion_grace = asked if before is None else min(before, asked)
        self._end_within(asked)

    def evict(self, grace: float = 1) -> None:
        """By its node, for want of memory or disk: 1 s by default, for a soft eviction too."""
        self._cell.note(Kind.EVICTED, grace=grace)
        self._decided_by_node("Evicted")
        self._end_within(grace)

    def shut_down_node(self, period: float) -> None:
        """Graceful node shutdown; `period` is what it leaves to pods of this priority."""
        grace = min(self.pod.grace_period, period)
        self._cell.note(Kind.NODE_SHUTDOWN, grace=grace)
        self._decided_by_node("Terminated")
        self._end_within(grace)

    def restart_kubelet(self) -> None:
        """Containers live on. A postStart hook under way is lost; a kill under way begins again, with its hook."""
        if self._cell.kubelet is not None and not self._restarting:
            self._cell.note(Kind.KUBELET_RESTARTED)
            self._restarting = True
            self._cell.kubelet.cancel_scope.cancel()

    def _decided_by_node(self, reason: str) -> None:
        self._node_decided = True
        self._board.reason = reason

    def _end_within(self, grace: float) -> None:
        shorter = grace if self._effective is None else min(self._effective, grace)
        self._effective = max(shorter, MIN_EFFECTIVE)
        self._terminating = True
        self._wake.set()

    # The loop.

    async def run(self) -> None:
        """Until the pod has succeeded or failed. Cancelled: all of its processes are killed."""
        self._born = self._clock.now()
        for box in self._cell.boxes.values():
            stop_signal(box.container, self._cell.knobs)  # refused now, rather than at its end
            if box.container.stop_signal and not self._cell.knobs.stop_signals:
                self._cell.note(Kind.NOTE, box, CLOSED_GATE)
        async with anyio.create_task_group() as self._containers:
            try:
                while await self._live():
                    self._forget()
            finally:
                with anyio.CancelScope(shield=True):
                    await self._sweep()
            self._containers.cancel_scope.cancel()
        self.ended.set()

    async def _live(self) -> bool:
        """A kubelet, until its pod is over or it is restarted; whether it is."""
        try:
            async with anyio.create_task_group() as kubelet:
                self._cell.kubelet = kubelet
                await self._work()
                kubelet.cancel_scope.cancel()  # hooks that nobody waits for any more
        finally:
            self._cell.kubelet = None
        return self._restarting

    def _forget(self) -> None:
        """What a kubelet that has just started does not know."""
        self._restarting = False
        self._probers.clear()
        self._stopper.forget()
        self._back_offs = {name: BackOff() for name in self._cell.boxes}
        for box in self._cell.boxes.values():
            life = box.instance
            if life and life.process.started_at > self._clock.now() - REMEMBERED:
                life.results.clear()

    async def _sweep(self) -> None:
        for box in self._cell.boxes.values():
            if (life := box.instance) and not life.exited.is_set():
                await life.process.kill()
                await life.process.wait()

    async def _work(self) -> None:
        if self.pod.active_deadline is not None:
            self._wake_after(self._born + self.pod.active_deadline - self._clock.now())
        self._wake.set()
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            if not self._terminating:
                await self._sync()
                self._last_work_ended = self._clock.now()
            if self._terminating:
                await self._terminate()
                return

    def _wake_after(self, seconds: float) -> None:
        async def wake() -> None:
            await self._clock.sleep(max(seconds, 0))
            self._wake.set()

        if self._cell.kubelet is not None:
            self._cell.kubelet.start_soon(wake)

    async def _sync(self) -> None:
        self._publish()
        if self._too_late():
            return
        self._ensure_probers()
        plan = make_plan(self.pod, self._cell.boxes, deleted=self.deleted)
        if plan.kill_pod:
            await self._stopper.stop_all(None)
            self._terminating = self._node_decided = True
            return
        for box, reason in plan.kill:
            if life := box.running:
                await self._stopper.stop(box, life, reason)
        lives = self._lives()
        went_well = await self._start_all(plan.init, plan.start)
        if self._lives() > lives:
            # After work without an error the kubelet looks at once; else when it lists its containers next.
            self._wake_after(0 if went_well else self._cell.knobs.status_latency)

    def _lives(self) -> int:
        return sum(box.lives for box in self._cell.boxes.values())

    def _too_late(self) -> bool:
        deadline = self.pod.active_deadline
        if deadline is None or self._clock.now() - self._born + EARLY < deadline:
            return False
        self._cell.note(Kind.DEADLINE_EXCEEDED, grace=self.pod.grace_period)
        self._decided_by_node(DEADLINE)
        self._terminating = True
        return True

    async def _terminate(self) -> None:
        self._publish()
        for prober in self._probers:
            regular = prober.box.container.role is Role.REGULAR
            if regular and prober.kind is not ProbeKind.READINESS:
                prober.stop()
        await self._stopper.stop_all(self._effective)
        for prober in self._probers:
            prober.stop()
        self._board.look(float("inf"))
        self._board.show_readiness()
        self._board.show_end()

    def _publish(self) -> None:
        self._board.look(self._last_work_ended)
        self._board.show_readiness()
        if not self._node_decided:
            self._board.show_phase()
        for prober in self._probers:
            box = prober.box
            if prober.kind is ProbeKind.READINESS and box.running and not box.ready:
                prober.ask()

    # Starting.

    async def _start_all(self, init: list[Box], regular: list[Box]) -> bool:
        went_well = True
        for box in init:
            if not await self._start(box):
                went_well = False
                if box.container.role is Role.INIT:
                    return False
        for box in regular:
            went_well &= await self._start(box)
        return went_well

    async def _start(self, box: Box) -> bool:
        if self._must_wait(box):
            return False
        box.waiting = ("ContainerCreating", "")
        life = await self._create(box)
        if life is None:
            return False
        return box.container.post_start is None or await self._post_start(box, life)

    def _must_wait(self, box: Box) -> bool:
        if box.last_dead is None:
            return False
        back_off = self._back_offs[box.name]
        left = back_off.remaining(box.last_dead.at, self._clock.now())
        if left <= EARLY:
            back_off.step(box.last_dead.at, self._clock.now())
            return False
        if box.waiting[0] != CRASH_LOOP:
            box.waiting = (CRASH_LOOP, f"back-off {back_off.delay:g} s restarting failed container")
            left *= 1 + self._cell.knobs.jitter
            self._cell.note(Kind.WAITING, box, CRASH_LOOP, seconds=left)
            self._wake_after(left)
        return True

    async def _create(self, box: Box) -> Instance | None:
        if box.lives:
            self._cell.note(Kind.RESTARTED, box, restarts=box.lives)
        box.lives += 1
        life: Instance | None = None
        # A restart of the kubelet, or Ctrl-C, must not lose a process that is being made.
        with anyio.CancelScope(shield=True):
            try:
                life = self._adopt(box, await self._runtime.start(box.container, box.lives - 1))
            except CannotStartError as error:
                self._cannot_start(box, str(error))
        return life

    def _cannot_start(self, box: Box, why: str) -> None:
        box.waiting = ("RunContainerError", why)
        box.last_dead = Exit(code=128, at=self._clock.now(), reason="StartError")
        self._cell.warn(box, "Failed", why)

    def _adopt(self, box: Box, process: Process) -> Instance:
        box.instance = life = Instance(box.lives - 1, process)
        self._cell.note(Kind.STARTED, box, pid=process.pid, instance=life.number)
        assert self._containers is not None  # noqa: S101 - made by run()
        self._containers.start_soon(self._watch, box, life)
        return life

    async def _watch(self, box: Box, life: Instance) -> None:
        life.exit = end = await life.process.wait()
        self._cell.note(
            Kind.EXITED,
            box,
            exit_code=end.code,
            reason=end.reason,
            message=self._cell.message(box.container, end),
        )
        life.exited.set()
        await self._clock.sleep(self._cell.knobs.status_latency)
        self._board.see_exit(box, life)
        self._wake.set()

    async def _post_start(self, box: Box, life: Instance) -> bool:
        """Nothing else of this pod goes on until it has ended."""
        handler = box.container.post_start
        assert handler is not None  # noqa: S101 - asked by the caller
        began = self._clock.now()
        self._cell.note(Kind.POST_START_BEGAN, box, shown(handler))
        try:
            outcome = await self._cell.hook(handler, box, life)
        except anyio.get_cancelled_exc_class():
            seconds = self._clock.now() - began
            self._cell.note(Kind.POST_START_ENDED, box, ok=False, seconds=seconds, lost=True)
            raise
        self._cell.note(
            Kind.POST_START_ENDED,
            box,
            ok=outcome.ok,
            seconds=self._clock.now() - began,
            message=outcome.message,
        )
        if not outcome.ok:
            self._cell.warn(box, POST_START, "PostStartHook failed")
            await self._stopper.stop(box, life, POST_START)
            box.waiting = ("PostStartHookError", outcome.message)
        return outcome.ok

    # Probes.

    def _ensure_probers(self) -> None:
        there = {(prober.box.name, prober.kind) for prober in self._probers}
        for box in self._cell.boxes.values():
            for kind in ProbeKind:
                probe = probe_of(box.container, kind)
                if probe is None or (box.name, kind) in there:
                    continue
                prober = Prober(
                    box,
                    kind,
                    probe,
                    network=self._cell.network,
                    clock=self._clock,
                    found=self._found,
                    decided=self._decided,
                    goes_on=self._is_probed,
                )
                self._probers.append(prober)
                if self._cell.kubelet is not None:
                    self._cell.kubelet.start_soon(prober.run)

    def _is_probed(self, box: Box) -> bool:
        over = box.seen_exit is not None and not may_restart(self.pod, box.container)
        return not over and not (self._terminating and self._node_decided)

    def _found(self, box: Box, kind: ProbeKind, ok: bool, message: str) -> None:  # noqa: FBT001 - a callback's data
        self._cell.note(Kind.PROBE, box, message, probe=kind, ok=ok)
        if not ok:
            self._cell.warn(box, "Unhealthy", f"{kind.title()} probe failed: {message}")

    def _decided(self, box: Box, kind: ProbeKind, result: ProbeResult) -> None:  # noqa: ARG002 - a callback's data
        if kind is not ProbeKind.LIVENESS:
            self._board.show_readiness()
        if result is not ProbeResult.SUCCESS or kind is not ProbeKind.LIVENESS:
            self._wake.set()
