"""One prober for each probe of each container: it ticks from its own beginning, not from the container's."""

from collections.abc import Callable

import anyio

from lifecycle.kube import Probe
from lifecycle.rehearse._clock import EARLY, PodClock, whole
from lifecycle.rehearse._hooks import run_check
from lifecycle.rehearse._runtime import Network
from lifecycle.rehearse._state import BEFORE_THE_FIRST, Box, Instance, ProbeKind, ProbeResult


class Prober:
    """Made with the pod, before its container exists."""

    def __init__(
        self,
        box: Box,
        kind: ProbeKind,
        probe: Probe,
        *,
        network: Network,
        clock: PodClock,
        found: Callable[[Box, ProbeKind, bool, str], object],
        decided: Callable[[Box, ProbeKind, ProbeResult], object],
        goes_on: Callable[[Box], bool],
    ) -> None:
        """`found` hears when the outcome changes, `decided` when a threshold is reached.

        `goes_on` says whether there is still something to probe.
        """
        self.box = box
        self.kind = kind
        self.scope = anyio.CancelScope()
        self._probe = probe
        self._network = network
        self._clock = clock
        self._found = found
        self._decided = decided
        self._goes_on = goes_on
        self._asked = anyio.Event()
        self._instance: Instance | None = None
        self._on_hold = False
        self._last = ProbeResult.UNKNOWN
        self._in_a_row = 0

    def ask(self) -> None:
        """Once more, outside the period."""
        self._asked.set()

    def stop(self) -> None:
        self.scope.cancel()

    async def run(self) -> None:
        with self.scope:
            period = self._probe.period
            due = self._clock.now() + period
            while await self._tick():
                late = self._clock.now() - due + EARLY
                if late >= 0:
                    # What was missed while a probe took long is made up for once, as by Go's Ticker.
                    due += (late // period + 1) * period
                    continue
                with self._clock.move_on_after(-late) as waiting:
                    await self._asked.wait()
                    self._asked = anyio.Event()
                if waiting.cancelled_caught:
                    due += period

    async def _tick(self) -> bool:
        instance = self.box.visible
        if not self._goes_on(self.box):
            return False
        if instance is None:
            return True
        if instance is not self._instance:
            self._instance = instance
            self._on_hold = False
            self._last, self._in_a_row = ProbeResult.UNKNOWN, 0
            instance.results.setdefault(self.kind, BEFORE_THE_FIRST[self.kind])
        if self._on_hold:
            return True
        if instance.seen_exited:
            self._set(instance, ProbeResult.FAILURE)
            return True
        age = self._clock.now() - instance.process.started_at
        is_startup = self.kind is ProbeKind.STARTUP
        if whole(age) < self._probe.initial_delay or self.box.is_started() is is_startup:
            return True
        await self._ask_it(instance)
        return True

    async def _ask_it(self, instance: Instance) -> None:
        result, message = await run_check(
            self._probe.check,
            self.box.container,
            instance.process,
            self._network,
            self._clock,
            self._probe.timeout,
        )
        if result is ProbeResult.UNKNOWN:
            return
        if result is not self._last:
            self._last, self._in_a_row = result, 0
            self._found(self.box, self.kind, result is ProbeResult.SUCCESS, message)
        self._in_a_row += 1
        succeeded = result is ProbeResult.SUCCESS
        threshold = self._probe.success_threshold if succeeded else self._probe.failure_threshold
        if self._in_a_row < threshold:
            return
        self._set(instance, result)
        if self.kind is ProbeKind.STARTUP or (
            self.kind is ProbeKind.LIVENESS and result is ProbeResult.FAILURE
        ):
            self._on_hold = True
            self._in_a_row = 0

    def _set(self, instance: Instance, result: ProbeResult) -> None:
        before = instance.results.get(self.kind)
        instance.results[self.kind] = result
        if before is not result:
            self._decided(self.box, self.kind, result)
