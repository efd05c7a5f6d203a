"""How long a container waits for its next start."""

from dataclasses import dataclass
from typing import Final

BASE: Final = 10.0
CAP: Final = 300.0
RESET: Final = 600.0
"""Seconds: initialCrashLoopBackOff and MaxContainerBackOff of the kubelet, and twice the latter."""


@dataclass(slots=True)
class BackOff:
    """One container's. The first restart is at once; each step doubles the wait after the last exit."""

    delay: float = 0.0
    stepped_at: float = 0.0

    def remaining(self, exited_at: float, now: float) -> float:
        """Seconds to go, 0 if it may start now."""
        if not self.delay or exited_at - self.stepped_at > RESET:
            return 0.0
        return max(self.delay - (now - exited_at), 0.0)

    def step(self, exited_at: float, now: float) -> None:
        fresh = not self.delay or exited_at - self.stepped_at > RESET
        self.delay = BASE if fresh else min(2 * self.delay, CAP)
        self.stepped_at = now
