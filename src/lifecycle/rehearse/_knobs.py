"""What differs between clusters, and what a rehearsal may choose."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """Seconds are the pod's own."""

    speed: float = 1.0
    """The pod's seconds in one on the wall. What programs do takes its own time: they look slower by this factor."""
    status_latency: float = 1.0
    """From an exit until the kubelet sees it: it lists its containers every second."""
    endpoint_lag: float = 2.0
    """From a change of a pod until traffic follows it. Nothing orders it with SIGTERM."""
    jitter: float = 0.0
    """What a wait for back-off is prolonged by: a real kubelet draws it from 0 to 0.5."""
    stop_signals: bool = False
    """The feature gate ContainerStopSignals, off in Kubernetes 1.36: `lifecycle.stopSignal` is not heeded."""
    image_signals: Mapping[str, int] = field(default_factory=dict[str, int])
    """STOPSIGNAL of images, by the name of their container: a manifest does not show it. SIGTERM, where there is none."""
