"""A rehearsal as lines of text: what happens while it happens, and at the end what came of it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from lifecycle.rehearse._events import Event, Kind
from lifecycle.rehearse._result import Purse, Result, Severity, Way

BAR: Final = 60
"""Characters for a whole grace period."""
FILLED: Final = "#=+*o"
TOLD: Final = 0.5
"""Seconds beyond the grace period that are no mere inaccuracy."""
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
    facts["ended"] = (
        "succeeded" if data.get("ok") else "was abandoned" if data.get("abandoned") else "failed"
    )
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


def summary(result: Result) -> Iterator[str]:
    """The requests, the purse, the promises and the findings."""
    verdict = "all promises kept" if result.kept else "PROMISES BROKEN"
    yield f"{result.title}, {result.scenario}: {verdict} ({result.seconds:.1f} s)"
    yield ""
    yield from _requests(result)
    for purse in result.purses:
        yield from _purse(purse, result.purse_name(purse))
    yield ""
    for promise in result.promises:
        mark = {True: "kept", False: "BROKEN", None: "untried"}[promise.kept]
        detail = f" ({promise.detail})" if promise.detail else ""
        yield f"  {mark:8} {promise.title}{detail}"
    for finding in result.findings:
        who = "/".join(
            part for part in (finding.pod * result.several_pods, finding.container) if part
        )
        place = f"{finding.where}: " if finding.where else ""
        yield ""
        times = f" ({finding.times} times)" if finding.times > 1 else ""
        what = f"{who + ': ' if who else ''}{printable(finding.what)}{times}"
        yield f"{place}{finding.severity.value} {finding.id}: {what}"
        yield f"    {'fix' if finding.severity is not Severity.NOTE else 'hint'}: {finding.fix}"


def _requests(result: Result) -> Iterator[str]:
    if not result.sent:
        yield "  requests  none"
        return
    lost = Counter(sample.outcome.value for sample in result.failed)
    told = ", ".join(f"{number} {outcome}" for outcome, number in lost.most_common()) or "none"
    again = (
        f"; {result.reconnected} kept connections were found closed" if result.reconnected else ""
    )
    yield f"  requests  {result.sent} sent, {len(result.failed)} lost ({told}){again}"
    middle, slowest = result.latency(0.5), result.latency(0.99)
    if middle is not None and slowest is not None:
        yield f"            answered within {middle * 1000:.0f} ms (p50), {slowest * 1000:.0f} ms (p99)"
    for way in (Way.WEBSOCKET, Way.STREAM):
        ends = Counter(
            sample.detail or sample.outcome.value for sample in result.samples if sample.way is way
        )
        for end, number in ends.most_common(3):
            yield f"            {number} {way.value}: {end}"


def _purse(purse: Purse, who: str) -> Iterator[str]:
    whole = max(purse.granted, purse.spent) or 1
    drawn = ""
    for letter, share in zip(FILLED * len(purse.shares), purse.shares, strict=False):
        # What took any time at all is seen.
        drawn += letter * max(round(share.seconds / whole * BAR), 1)
    yield f"  grace     {purse.granted:g} s for {who}  [{drawn[:BAR]:.<{BAR}}]"
    for letter, share in zip(FILLED * len(purse.shares), purse.shares, strict=False):
        yield f"            {letter} {share.seconds:7.2f} s  {share.who}"
    beyond = purse.spent - purse.granted
    if beyond > TOLD:
        yield f"            ! {beyond:7.2f} s  beyond it: after its stop signal a container has 2 s at least"
    else:
        yield f"            . {purse.unused:7.2f} s  unused"


def side_by_side(results: Sequence[Result]) -> Iterator[str]:
    """One line for each of several."""
    width = max((len(result.scenario) for result in results), default=0)
    for result in results:
        broken = [promise.title for promise in result.promises if promise.kept is False]
        verdict = f"BROKEN: {'; '.join(broken)}" if broken else "kept"
        yield (
            f"  {result.scenario:<{width}}  {len(result.failed):4} of {result.sent:5} lost"
            f"  {result.seconds:7.1f} s  {verdict}"
        )
