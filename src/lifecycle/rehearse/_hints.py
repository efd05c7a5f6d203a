"""What to write instead, where a rule's own fix would not help: it depends on what has happened to the pod."""

from collections.abc import Iterable, Mapping
from typing import Final

AFTER_DEATH: Final = "nobody serves on after a sudden death: run several replicas, and let clients repeat what may be repeated"
EVICTED: Final = (
    "an evicted pod has one second for its hooks and two to end, whatever its manifest says, and routers lead to it until then:"
    " give it requests (memory, ephemeral-storage) that are true, so that others go first; run several replicas, and let"
    " clients repeat what may be repeated"
)
HURRIED: Final = (
    "an evicted pod has one second for its hooks and two to end, whatever its manifest says: what takes longer has to be safe to"
    " lose, and to be done again elsewhere"
)
FORCED: Final = (
    "a forced deletion leaves one second for hooks and two to end, whatever the manifest says: do without --force, and let"
    " what cannot be done by then be safe to lose"
)
NODE_ENDED: Final = (
    "a pod that its node ends is not deleted: it stays ready, and routers lead to it until it has ended, however long it serves"
    " on. Drain a node before it shuts down (kubectl drain), which deletes its pods; or let clients repeat what may be repeated"
)
RESTARTED: Final = (
    "a restart is no deletion: routers lead to the pod until its readinessProbe has failed often enough. Serve on for longer than"
    " its failureThreshold x periodSeconds and the routers' lag, or make the threshold 1"
)

LOSSES: Final = ("refused", "cut-off", "server-errors", "streams-cut-off")
UNROUTABLE: Final = ("refused", "server-errors")
"""What a longer lame duck usually mends."""
TOO_SHORT: Final = ("pre-stop-took-it-all", "killed", "work-abandoned")
"""What a longer grace period usually mends."""


def _same(hint: str, *findings: Iterable[str]) -> dict[str, str]:
    return {finding: hint for group in findings for finding in group}


HINTS: Final[Mapping[str, Mapping[str, str]]] = {
    "crash": _same(AFTER_DEATH, LOSSES),
    "oom": _same(AFTER_DEATH, LOSSES),
    "liveness": _same(RESTARTED, UNROUTABLE),
    "evict": _same(EVICTED, LOSSES) | _same(HURRIED, TOO_SHORT),
    "force": _same(FORCED, LOSSES, TOO_SHORT),
    "node-shutdown": _same(NODE_ENDED, UNROUTABLE),
    "poststart-fails": {
        "pre-stop-failed": (
            "the hook came before the program listened, as it does after a postStart hook that fails at once; `sleep:` needs nobody"
        ),
    },
    "hook-hangs": {
        "pre-stop-took-it-all": (
            "the scenario lets the hook hang. A hook should have a time limit of its own, and a program should end within the two"
            " seconds that are left, or by itself while the hook still runs"
        ),
        "pre-stop-failed": (
            "EOF, or exit status 137, is the scenario's doing: the container ended before its hook did. At anything else, check"
            " that the hook's binary is in the image, or that its port listens on the pod's address"
        ),
    },
    "kubelet-restart": {
        "pre-stop-failed": "a hook may be run twice: let it succeed when what it asks for is under way, or done",
    },
    "poststart-lost": {
        "restarted": (
            "this is what saves a pod whose postStart hook was lost: the next life runs it again. A startupProbe with a lower"
            " failureThreshold gives up earlier"
        ),
        "never-ready": (
            "a postStart hook that is lost is never run again in this life: have the container started again by a startupProbe that"
            " gives up, or by a limit to its waiting (LIFECYCLE_POST_START_TIMEOUT)"
        ),
    },
}
"""By scenario, then by finding."""
