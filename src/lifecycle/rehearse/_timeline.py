"""A rehearsal as lines of text, while it happens: `_summary` says at the end what came of it."""

from collections.abc import Iterator
from typing import Final

from lifecycle.rehearse._events import Event, Kind
from lifecycle.rehearse._result import Result

LONGEST: Final = 160
"""Characters of what a program said."""

SENTENCES: Final = {
    Kind.STARTED: "started",
    Kind.RESTARTED: "is started again",
    Kind.EXITED: "exited with {exit_code} {reason}",
    Kind.POST_START_BEGAN: "postStart began",
    Kind.POST_START_ENDED: "postStart {ended} after {seconds:.2f} s",
    Kind.PRE_STOP_BEGAN: "preStop began: {grace:g} s are left",
    Kind.PRE_STOP_ENDED: "preStop {ended} after {seconds:.2f} s",
    Kind.PRE_STOP_ABANDONED: "preStop is not waited for any longer",
    Kind.KILLING: "is to be stopped, within {grace:g} s",
    Kind.SIGNAL: "{detail}",
    Kind.PROBE: "{probe} probe {verdict}",
    Kind.READY: "ready",
    Kind.NOT_READY: "not ready",
    Kind.WAITING: "waits: {detail}",
    Kind.WARNING: "warning: {reason}",
    Kind.LOG: "| {detail}",
    Kind.NOTE: "note: {detail}",
    Kind.POD_READY: "the pod is ready",
    Kind.POD_NOT_READY: "the pod is not ready",
    Kind.PHASE: "phase {detail}",
    Kind.DELETED: "deleted, grace period {grace:g} s",
    Kind.EVICTED: "evicted: {grace:g} s",
    Kind.NODE_SHUTDOWN: "its node shuts down: {grace:g} s",
    Kind.DEADLINE_EXCEEDED: "activeDeadlineSeconds is over",
    Kind.KUBELET_RESTARTED: "the kubelet restarts",
    Kind.ENDPOINT_ADDED: "routers lead to it from now on ({detail})",
    Kind.ENDPOINT_REMOVED: "routers do not lead to it any more ({detail})",
}
"""What a line says of an event; `{name}` is from its data."""


_FATES: Final = {"ok": "succeeded", "abandoned": "was abandoned", "lost": "was lost"}
"""How a hook ended."""


class _Facts(dict[str, object]):
    """What an event did not tell stays out of its line."""

    def __missing__(self, name: str) -> "_Nothing":
        return _Nothing()


class _Nothing:
    def __format__(self, how: str) -> str:
        return "?" if how else ""


def sentence(event: Event) -> str:
    """Of an event, without when and who."""
    data = event.data
    facts = _Facts(data)
    facts["detail"] = event.detail
    facts["ended"] = next((word for fate, word in _FATES.items() if data.get(fate)), "failed")
    facts["verdict"] = "succeeds" if data.get("ok") else "fails"
    text = SENTENCES[event.kind].format_map(facts).strip()
    if event.kind is Kind.SIGNAL and data.get("ignored"):
        text += ", ignored: PID 1 has no handler"
    message = data.get("message") or (
        event.detail if "{detail}" not in SENTENCES[event.kind] else ""
    )
    if message and event.kind is not Kind.EXITED:
        text += f": {message}"
    return printable(text)


def line(event: Event, *, several_pods: bool = False) -> str:
    who = event.container
    if several_pods or not who:
        who = "/".join(part for part in (event.pod, event.container) if part)
    return f"{event.at:8.2f} s  {printable(who) or 'rehearsal':<20} {sentence(event)}"


def printable(text: str) -> str:
    """What a program wrote may neither begin a line nor steer a terminal."""
    flat = "".join(char if char.isprintable() else " " for char in text)
    return flat if len(flat) <= LONGEST else f"{flat[: LONGEST - 1]}…"


def timeline(result: Result, *, logs: bool = False) -> Iterator[str]:
    """All events, and with `logs` the containers' output among them."""
    for event in result.events:
        if logs or event.kind is not Kind.LOG:
            yield line(event, several_pods=result.several_pods)
