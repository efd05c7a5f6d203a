"""The one deadline, and who may spend what of it.

`terminationGracePeriodSeconds` is one purse: the kubelet pays the preStop hook out of it, and kills when it is
empty. It is counted from the first request to stop, and never again from a later one.

    |<- delay ->|<------ drain ------>|<- hooks ->|<- margin ->|
    asked       routes are gone       reserved    deadline     SIGKILL

See https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/#container-hooks
"""

import math
from dataclasses import dataclass
from typing import Final

from lifecycle.core._errors import BudgetError

DEFAULT_GRACE: Final = 30.0
"""Seconds; the default of `terminationGracePeriodSeconds`."""
HOOKS_RESERVE: Final = 5.0
"""Seconds that a slow drain cannot take from the shutdown hooks."""
MARGIN_LEAST: Final = 1.0
MARGIN_SHARE: Final = 0.05
"""The exit and the report come this much before SIGKILL: the kubelet's own clock counts in whole seconds."""
TURN_MOST: Final = 1.0
"""Seconds set aside for each hook that waits for its turn: enough for one that behaves."""
DELAY_MOST: Final = 5.0
DELAY_SHARE: Final = 1 / 6
"""Routers usually let go within this time of the deletion; a sixth leaves most of a short purse to the drain."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How a grace period is divided. All in seconds."""

    grace: float
    margin: float
    delay: float
    drain: float
    hooks: float

    @property
    def deadline(self) -> float:
        """From the first stop request to the moment by which the process must be gone."""
        return self.grace - self.margin

    @property
    def hooks_begin(self) -> float:
        """From the first stop request to the moment at which the drain must be over."""
        return self.delay + self.drain


def divide(
    *,
    grace: float = DEFAULT_GRACE,
    delay: float | None = None,
    drain: float | None = None,
    in_kubernetes: bool = True,
) -> Budget:
    """Divide a grace period of `grace` seconds; what is not given is derived.

    Outside Kubernetes no router has to forget an address, so the delay is 0 unless it is given.

    Raises:
        BudgetError: The parts take more than there is.
    """
    margin = max(MARGIN_LEAST, MARGIN_SHARE * grace)
    derived = delay is None and in_kubernetes
    if delay is None:
        delay = min(DELAY_MOST, DELAY_SHARE * grace) if in_kubernetes else 0.0
    fixed = delay + HOOKS_RESERVE + margin
    enough = _enough((0 if derived else delay) + (drain or 0), derived=derived)
    if fixed >= grace:
        raise BudgetError(
            f"shutdown_delay {delay:g} s + {HOOKS_RESERVE:g} s reserved for shutdown hooks + margin {margin:g} s"
            f" = {fixed:g} s leave nothing of a grace period of {grace:g} s for requests in flight: set"
            f" terminationGracePeriodSeconds and grace_period (LIFECYCLE_GRACE_PERIOD) to {enough} or more,"
            " or shorten shutdown_delay (LIFECYCLE_SHUTDOWN_DELAY)"
        )
    rest = grace - fixed
    if drain is None:
        drain = rest
    elif drain > rest + 1e-9:
        total = fixed + drain
        most = math.floor(rest * 1000) / 1000
        raise BudgetError(
            f"shutdown_delay {delay:g} s + drain_timeout {drain:g} s + {HOOKS_RESERVE:g} s reserved for shutdown"
            f" hooks + margin {margin:g} s = {total:g} s do not fit into a grace period of {grace:g} s: set"
            f" terminationGracePeriodSeconds and grace_period (LIFECYCLE_GRACE_PERIOD) to {enough} or more, or"
            f" drain_timeout (LIFECYCLE_DRAIN_TIMEOUT) to {most:.12g} or less"
        )
    return Budget(
        grace=grace, margin=margin, delay=delay, drain=drain, hooks=grace - margin - delay - drain
    )


def _enough(parts: float, *, derived: bool) -> int:
    """The least grace period, in whole seconds as manifests have it, for hooks, margin and `parts`.

    More than what is missing now: the margin, and a `derived` delay, grow with the grace period.
    """

    def least(fixed: float, growing: float) -> float:
        return max((fixed + MARGIN_LEAST) / (1 - growing), fixed / (1 - growing - MARGIN_SHARE))

    fixed = HOOKS_RESERVE + parts
    seconds = least(fixed, 0)
    if derived:
        seconds = min(least(fixed + DELAY_MOST, 0), least(fixed, DELAY_SHARE))
    return math.floor(seconds) + 1


@dataclass(frozen=True, slots=True)
class Turns:
    """How hooks that run one after another share one purse, so that none costs a later one its turn.

    Half of the purse at the beginning is set aside in equal parts, at most 1 s each: a hook that behaves may still use
    most of it, and however many overrun, the last one gets its part.
    """

    aside: float
    """Seconds for each that waits."""

    @classmethod
    def of(cls, purse: float, hooks: int) -> "Turns":
        """`purse` seconds for so many `hooks`."""
        return cls(min(TURN_MOST, max(0.0, purse) / (2 * max(hooks, 1))))

    def share(self, remaining: float, waiting: int) -> float:
        """Seconds of the `remaining` ones that the next of `waiting` hooks may take."""
        if waiting <= 1:
            return max(0.0, remaining)
        # The purse may have shrunk (somebody forced the stop): then all are equal.
        return max(0.0, remaining - (waiting - 1) * self.aside, remaining / waiting)
