"""Time as the pod has it: seconds that may pass faster than those on the wall."""

import math

import anyio

EARLY = 1e-6
"""A timer may fire this much before its time, by the resolution of a clock or of a float; the kubelet's never do."""


class PodClock:
    """`speed` 10: ten of the pod's seconds in one on the wall. It reads 0 when it is first read.

    Whatever counts in whole seconds counts the pod's, so that a fast rehearsal has the arithmetic of a slow one.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._origin: float | None = None

    def now(self) -> float:
        wall = anyio.current_time()
        if self._origin is None:
            self._origin = wall
        return (wall - self._origin) * self.speed

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds / self.speed)

    def move_on_after(self, seconds: float) -> anyio.CancelScope:
        return anyio.move_on_after(seconds / self.speed)


def whole(seconds: float) -> int:
    """Truncated, as the kubelet counts."""
    return math.floor(seconds + EARLY)
