"""Stopping containers: the hook, the turn, the signal, and SIGKILL, all paid from one grace period.

See killContainer and killContainersWithSyncResult in pkg/kubelet/kuberuntime of Kubernetes 1.36.
"""

from dataclasses import dataclass, field
from typing import Final

import anyio

from lifecycle.kube import Handler, Sleep
from lifecycle.rehearse._cell import Cell, shown
from lifecycle.rehearse._clock import whole
from lifecycle.rehearse._events import Kind
from lifecycle.rehearse._kill import MIN_STOP, Turns, grace_of, signal_name, stop_signal
from lifecycle.rehearse._state import Box, Instance

LAST_WORDS: Final = 0.25
"""Seconds for a hook to find out that its container is gone."""


@dataclass(eq=False, slots=True)
class _PreStop:
    began: float
    ended: anyio.Event = field(default_factory=anyio.Event)
    abandoned: bool = False


class Stopper:
    """How the containers of one pod are stopped."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._hooks: list[_PreStop] = []

    def forget(self) -> None:
        self._hooks.clear()

    async def stop_all(self, grace: float | None) -> None:
        """All that run, side by side; hooks all begin now, and sidecars wait for their turn after theirs."""
        running = {name: box for name, box in self._cell.boxes.items() if box.running}
        turns = Turns(self._cell.pod, running) if self._cell.pod.sidecars else None
        async with anyio.create_task_group() as tasks:
            for box in running.values():
                if life := box.running:
                    tasks.start_soon(self._stop, box, life, "", grace, turns)
        with self._cell.clock.move_on_after(LAST_WORDS):
            for hook in self._hooks:
                await hook.ended.wait()

    async def stop(self, box: Box, life: Instance, reason: str) -> None:
        """This one, to be started again perhaps; for its own grace period."""
        await self._stop(box, life, reason, None, None)

    async def _stop(
        self, box: Box, life: Instance, reason: str, grace: float | None, turns: Turns | None
    ) -> None:
        cell = self._cell
        if grace is None:
            grace = grace_of(cell.pod, box.container, reason, cell.deletion_grace)
        cell.note(Kind.KILLING, box, reason=reason, grace=grace)
        if box.container.pre_stop is not None and grace > 0:
            grace -= await self._pay_for_hook(box.container.pre_stop, box, life, grace)
        if turns is not None and grace > 0:
            began = cell.clock.now()
            await turns.wait(box.name, cell.clock, grace)
            grace -= whole(cell.clock.now() - began)
        await self._signal(box, life, max(grace, MIN_STOP))
        if turns is not None:
            turns.stopped(box.name)

    async def _pay_for_hook(self, handler: Handler, box: Box, life: Instance, grace: float) -> int:
        """Whole seconds that it took. When they are used up the hook is left alone: it is not cancelled."""
        clock = self._cell.clock
        hook = _PreStop(clock.now())
        self._cell.note(Kind.PRE_STOP_BEGAN, box, shown(handler), grace=grace)
        if not isinstance(handler, Sleep):
            self._hooks.append(hook)
        assert self._cell.kubelet is not None  # noqa: S101 - nothing is stopped without a kubelet
        self._cell.kubelet.start_soon(self._run_hook, handler, box, life, hook)
        with clock.move_on_after(grace):
            await hook.ended.wait()
        if not hook.ended.is_set():
            hook.abandoned = True
            self._cell.note(Kind.PRE_STOP_ABANDONED, box)
        return whole(clock.now() - hook.began)

    async def _run_hook(self, handler: Handler, box: Box, life: Instance, hook: _PreStop) -> None:
        outcome = await self._cell.hook(handler, box, life)
        self._cell.note(
            Kind.PRE_STOP_ENDED,
            box,
            ok=outcome.ok,
            seconds=self._cell.clock.now() - hook.began,
            message=outcome.message,
            abandoned=hook.abandoned,
        )
        if not outcome.ok:
            self._cell.warn(box, "FailedPreStopHook", "PreStop hook failed")
        hook.ended.set()

    async def _signal(self, box: Box, life: Instance, timeout: float) -> None:  # noqa: ASYNC109 - the pod's seconds
        """What the runtime does when it is told to stop a container."""
        if life.exited.is_set():
            return
        if not life.signalled:
            life.signalled = True
            number = stop_signal(box.container, self._cell.knobs)
            heard = await life.process.signal(number)
            self._cell.note(
                Kind.SIGNAL, box, signal_name(number), ignored=not heard, timeout=timeout
            )
        with self._cell.clock.move_on_after(timeout):
            await life.exited.wait()
            return
        self._cell.note(Kind.SIGNAL, box, "SIGKILL", ignored=False, timeout=0)
        await life.process.kill()
        await life.exited.wait()
