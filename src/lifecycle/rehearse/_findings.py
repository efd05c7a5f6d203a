"""What may be found in a rehearsal: one row each, with what it means and what to write instead."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from lifecycle.kube import NOWHERE, Place, Where
from lifecycle.rehearse._events import STOPS, Event, Kind
from lifecycle.rehearse._result import Finding, Outcome, Sample, Severity, Way
from lifecycle.rehearse._story import Stop, Story

REQUESTS: Final = frozenset({Way.NEW, Way.KEPT})
LITTLE: Final = 0.1
"""Share of the grace period that ought to be left: a production machine is slower than this one."""
FLOOR: Final = 2.0
"""Seconds that a container has after its stop signal, however little of its grace period is left."""
YOUNG: Final = 2.0
"""Seconds after its start within which a program may not have come to its handlers yet."""
TELLING: Final = frozenset({Kind.EXITED, Kind.WARNING})
"""Kinds that may say why a container does not get ready."""
LOSSES: Final = frozenset({"refused", "cut-off", "server-errors", "streams-cut-off"})
AFTER_DEATH: Final = "nobody serves on after a sudden death: run several replicas, and let clients repeat what may be repeated"
NOT_FOUND: Final = frozenset({"400", "401", "403", "404", "405"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`values` go into the rule's fix."""

    what: str
    container: str = ""
    pod: str = ""
    at: float | None = None
    where: Where | None = None
    values: dict[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`means` and `fix` are what the documentation shows."""

    id: str
    severity: Severity
    means: str
    fix: str
    find: Callable[[Story], Iterator[Found]]

    def findings(self, story: Story, *, promised: bool) -> Iterator[Finding]:
        """What no promise of the scenario is about is worth a note."""
        meant = self.id in story.scenario.expects
        unasked = self.severity is Severity.ERROR and not promised
        for found in self.find(story):
            alone = self.id in LOSSES and story.died_alone
            yield Finding(
                id=self.id,
                severity=Severity.NOTE if meant or unasked else self.severity,
                what=found.what,
                fix=AFTER_DEATH if alone else self.fix.format(**found.values),
                container=found.container,
                pod=found.pod,
                at=found.at,
                where=None if found.where == NOWHERE else found.where,
            )


def _times(samples: Sequence[Sample]) -> str:
    """From when to when, by the stop signal if there was one."""
    relative = [sample.after_signal for sample in samples if sample.after_signal is not None]
    if not relative:
        first, last = samples[0].at, max(sample.at for sample in samples)
        return f"at {first:.2f} s" if len(samples) == 1 else f"from {first:.2f} s to {last:.2f} s"
    first, last = min(relative), max(relative)
    span = _signed(first) if len(relative) == 1 else f"{_signed(first)} to {_signed(last)}"
    return f"{span} from the stop signal"


def _signed(seconds: float) -> str:
    """Nothing is neither before nor after."""
    return f"{round(seconds, 2) + 0.0:+.2f} s"


def _lost(story: Story, outcomes: set[Outcome], ways: frozenset[Way]) -> Iterator[Found]:
    lost = [one for one in story.samples if one.outcome in outcomes and one.way in ways]
    if lost:
        lost.sort(key=lambda sample: sample.at)
        details = Counter(one.detail or one.outcome.value for one in lost).most_common(3)
        told = ", ".join(f"{number} x {detail}" for detail, number in details)
        yield Found(
            what=f"{len(lost)} of {len(story.samples)} requests, {_times(lost)}: {told}",
            at=lost[0].at,
            where=_lifecycle(story),
            values={"lag": f"{math.ceil(story.options.knobs.endpoint_lag) + 1:g}"},
        )


def _lifecycle(story: Story, name: str = "") -> Where | None:
    """Where the hooks of a container stand, or would stand."""
    container = story.container(name) if name else story.workload.pod.containers[0]
    return container.lifecycle_place.where if container else None


def _hook_place(story: Story, name: str, hook: str) -> Where | None:
    container = story.container(name)
    handler = container.hooks.get(hook) if container else None
    return handler.place.where if handler else _lifecycle(story, name)


def _refused(story: Story) -> Iterator[Found]:
    yield from _lost(story, {Outcome.REFUSED}, frozenset(Way))


def _cut_off(story: Story) -> Iterator[Found]:
    yield from _lost(story, {Outcome.RESET, Outcome.TRUNCATED}, REQUESTS)


def _server_errors(story: Story) -> Iterator[Found]:
    yield from _lost(story, {Outcome.SERVER_ERROR}, frozenset(Way))


def _unanswered(story: Story) -> Iterator[Found]:
    yield from _lost(story, {Outcome.TIMEOUT}, REQUESTS)


def _streams(story: Story) -> Iterator[Found]:
    broken = {Outcome.CUT_OFF, Outcome.RESET, Outcome.TRUNCATED}
    yield from _lost(story, broken, frozenset(Way) - REQUESTS)


def _killed(story: Story) -> Iterator[Found]:
    for stop in story.stops:
        if stop.killed is not None and not stop.ignored:
            yield _of(
                stop,
                f"it did not end by {stop.signal_name} and was killed {_since(stop, stop.killed):.1f} s after the"
                f" kubelet began to stop it (grace period {stop.granted:g} s)",
                at=stop.killed,
                where=_grace_period(story),
            )


def _grace_period(story: Story) -> Where:
    return story.workload.pod.place.at("terminationGracePeriodSeconds")


def _ignored(story: Story) -> Iterator[Found]:
    for stop in story.stops:
        # Whoever ended all the same had other ways to hear of it.
        if stop.ignored and stop.killed is not None:
            age = None if stop.signal is None else stop.signal - story.started(stop)
            yet = f" yet, {age:.2f} s after its start" if age is not None and age < YOUNG else ""
            yield _of(
                stop,
                f"its PID 1 has no handler for {stop.signal_name}{yet}, so the kernel did not deliver it",
                at=stop.signal,
                where=_command(story, stop.container),
            )


def _command(story: Story, name: str) -> Where | None:
    container = story.container(name)
    return container.place.at("command", "args", "image") if container else None


def _exit_status(story: Story) -> Iterator[Found]:
    regular = {one.name for one in story.workload.pod.containers}
    for stop in story.stops:
        if stop.exit_code and stop.killed is None and stop.container in regular:
            died = f", died of signal {stop.exit_code - 128}" if stop.exit_code > 128 else ""  # noqa: PLR2004 - as shells say it
            yield _of(
                stop,
                f"it ended with exit status {stop.exit_code}{died}: the pod counts as failed",
                at=stop.exited,
                where=_command(story, stop.container),
            )


def _pre_stop_took_all(story: Story) -> Iterator[Found]:
    for stop in story.stops:
        if stop.pre_stop_began is None or stop.pre_stop_ended is None:
            continue
        took = stop.pre_stop_ended - stop.pre_stop_began
        if stop.abandoned or stop.granted - took < FLOOR:
            gave_up = ", and nobody waits for it any longer" if stop.abandoned else ""
            yield _of(
                stop,
                f"the preStop hook took {took:.1f} s of {stop.granted:g} s{gave_up}: {FLOOR:g} s are left to end",
                at=stop.pre_stop_ended,
                where=_hook_place(story, stop.container, "preStop"),
            )


def _little_left(story: Story) -> Iterator[Found]:
    for stop in story.stops:
        ended = stop.exited is not None and stop.killed is None and not stop.abandoned
        if stop.exited is None or not ended or stop.granted <= FLOOR:
            continue
        left = stop.granted - _since(stop, stop.exited)
        if left < LITTLE * stop.granted:
            yield _of(
                stop,
                f"it ended {left:.1f} s before the end of its grace period of {stop.granted:g} s",
                at=stop.exited,
                where=_grace_period(story),
            )


def _hook_failed(kind: Kind, hook: str) -> Callable[[Story], Iterator[Found]]:
    def find(story: Story) -> Iterator[Found]:
        for event in story.of(kind):
            data = event.data
            # An abandoned hook dies with its container: that is the other finding.
            if data.get("ok") is False and not data.get("abandoned") and not data.get("lost"):
                yield _at(
                    event,
                    f"{hook}: {data.get('message') or event.detail or 'it failed'}",
                    _hook_place(story, event.container, hook),
                )

    return find


def _never_ready(story: Story) -> Iterator[Found]:
    if story.became_ready:
        return
    before = itertools.takewhile(lambda event: event.kind not in STOPS, story.events)
    for event in reversed([*before]):
        failed = event.kind is Kind.PROBE and event.data.get("ok") is False
        if failed or _tells(event):
            seconds = story.options.start_within
            told = event.data.get("message") or event.detail or event.data.get("reason")
            if event.kind is Kind.EXITED:
                told = f"exit status {event.data.get('exit_code')}"
            probe = f"{event.data['probe']} probe: " if failed else ""
            yield _at(
                event,
                f"not ready after {event.at:.0f} s (it had {seconds:g} s); the last that was seen: {probe}{told}",
                _probe_place(story, event),
            )
            return
    yield Found(what="it did not become ready, and nothing was seen that says why")


def _tells(event: Event) -> bool:
    """A probe says the same itself."""
    return event.kind in TELLING and event.data.get("reason") != "Unhealthy"


def _probe_place(story: Story, event: Event) -> Where | None:
    container = story.container(event.container)
    if container is None:
        return None
    probe = container.probes.get(f"{event.data.get('probe')}Probe")
    place: Place = probe.place if probe else container.place
    return place.where


def _loopback(story: Story) -> Iterator[Found]:
    for event in story.of(Kind.NOTE):
        if event.data.get("loopback"):
            yield Found(what=event.detail, pod=event.pod, at=event.at)


def _restarted(story: Story) -> Iterator[Found]:
    if story.scenario.restarts:
        return
    for name, fate in story.fates.items():
        if fate.restarts:
            yield Found(what=f"it was started again {_count(fate.restarts)}", container=name)


def _count(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _not_back(story: Story) -> Iterator[Found]:
    if not story.scenario.restarts or not story.became_ready:
        return
    ready = {
        (event.pod, event.container): event.kind is Kind.READY
        for event in story.of(Kind.READY, Kind.NOT_READY)
    }
    for (pod, container), is_ready in ready.items():
        if not is_ready and "back-again" in story.scenario.promises:
            yield Found(what="it did not become ready again", container=container, pod=pod)


def _nobody(story: Story) -> Iterator[Found]:
    if "always-served" not in story.scenario.promises:
        return
    routed: set[str] = set()
    gone: float | None = None
    for event in story.of(Kind.ENDPOINT_ADDED, Kind.ENDPOINT_REMOVED):
        if event.kind is Kind.ENDPOINT_ADDED:
            if gone is not None and event.at > gone:
                yield Found(
                    what=f"from {gone:.1f} s to {event.at:.1f} s no pod was there to go to",
                    at=gone,
                    where=story.workload.place.where,
                )
            routed.add(event.pod)
            gone = None
        else:
            routed.discard(event.pod)
            gone = event.at if not routed else None


def _no_end(story: Story) -> Iterator[Found]:
    if not story.finished:
        yield Found(what=f"it was not over after {story.options.end_within:g} s")


def _abandoned(story: Story) -> Iterator[Found]:
    for stop in story.stops:
        if abandoned := stop.report.get("abandoned"):
            names = [str(one["name"]) for one in abandoned]
            yield _of(stop, f"work was cut off: {', '.join(names[:3])} ({len(names)} in all)")


def _late(story: Story) -> Iterator[Found]:
    for stop in story.stops:
        late = stop.report.get("late")
        if isinstance(late, int | float) and late > 0:
            yield _of(
                stop,
                f"the last request came {late:.2f} s after the end of its lame duck",
                where=_lifecycle(story, stop.container),
                values={"more": f"{math.ceil(late) + 1:g}"},
            )


def _wrong_path(story: Story) -> Iterator[Found]:
    answered = [one for one in story.samples if one.way in REQUESTS and not one.failed]
    for path in dict.fromkeys(one.path for one in answered):
        statuses = {one.detail for one in answered if one.path == path}
        if statuses <= NOT_FOUND:
            yield Found(what=f"every answer to {path} was {', '.join(sorted(statuses))}")


def _since(stop: Stop, at: float) -> float:
    return at - stop.began


def _of(
    stop: Stop,
    what: str,
    *,
    at: float | None = None,
    where: Where | None = None,
    values: dict[str, object] | None = None,
) -> Found:
    return Found(
        what=what,
        container=stop.container,
        pod=stop.pod,
        at=at,
        where=where,
        values=values or {},
    )


def _at(event: Event, what: str, where: Where | None) -> Found:
    return Found(what=what, container=event.container, pod=event.pod, at=event.at, where=where)


FINDINGS: Final = (
    Rule(
        id="never-ready",
        severity=Severity.ERROR,
        means="The pod did not get ready in the time that it was given, or exited before.",
        fix="read what its containers said (--logs); allow more time with --start-within",
        find=_never_ready,
    ),
    Rule(
        id="listens-on-loopback",
        severity=Severity.ERROR,
        means="The server listens on 127.0.0.1, where neither the kubelet nor a Service can reach it.",
        fix="listen on all addresses: --host 0.0.0.0",
        find=_loopback,
    ),
    Rule(
        id="restarted",
        severity=Severity.ERROR,
        means="A container was started again, though nobody asked for it.",
        fix=(
            "give the start the time that it takes: a startupProbe with failureThreshold x periodSeconds above it,"
            " and no liveness probe that is stricter"
        ),
        find=_restarted,
    ),
    Rule(
        id="refused",
        severity=Severity.ERROR,
        means="Connections were refused while routers still led to the pod: it had closed its port.",
        fix=(
            "serve on for at least {lag} s after the stop signal: a preStop hook `sleep: {{seconds: {lag}}}`, or a"
            " shutdown delay in the application (LIFECYCLE_SHUTDOWN_DELAY={lag}); where it was at a start, add a readinessProbe"
        ),
        find=_refused,
    ),
    Rule(
        id="cut-off",
        severity=Severity.ERROR,
        means="Requests that had been sent were not answered, or not to their end: the process left too early.",
        fix=(
            "finish what is in flight before the process ends, and answer with `Connection: close` from the stop on,"
            " so that kept connections are given back"
        ),
        find=_cut_off,
    ),
    Rule(
        id="server-errors",
        severity=Severity.ERROR,
        means="Requests were answered with 5xx, while routers still led to the pod.",
        fix="serve on until the routes are gone: {lag} s or more after the stop signal (LIFECYCLE_SHUTDOWN_DELAY={lag})",
        find=_server_errors,
    ),
    Rule(
        id="unanswered",
        severity=Severity.ERROR,
        means="Requests got no answer within a client's patience.",
        fix="see what the application waits for; a process that is frozen or starved answers nobody",
        find=_unanswered,
    ),
    Rule(
        id="streams-cut-off",
        severity=Severity.ERROR,
        means="WebSockets or event streams broke off, or were closed with a code that says failure.",
        fix="close WebSockets with 1001 or 1012, and end streams, before the process ends",
        find=_streams,
    ),
    Rule(
        id="nobody-routed",
        severity=Severity.ERROR,
        means="There was a time in which the Service led to no pod at all.",
        fix="maxUnavailable: 0 with maxSurge: 1, a readinessProbe that tells the truth, and minReadySeconds above the endpoint lag",
        find=_nobody,
    ),
    Rule(
        id="signal-ignored",
        severity=Severity.ERROR,
        means="PID 1 of a container has no default action for a signal: without a handler it is dropped.",
        fix=(
            "write the command as a list without a shell (or `exec` in it), handle SIGTERM in the program, before it"
            " loads anything else, or run it below an init: lifecycle supervise -- COMMAND"
        ),
        find=_ignored,
    ),
    Rule(
        id="killed",
        severity=Severity.ERROR,
        means="A container was still there when its grace period was over: SIGKILL.",
        fix="raise terminationGracePeriodSeconds above what preStop, drain and hooks need together, or shorten one of them",
        find=_killed,
    ),
    Rule(
        id="exit-status",
        severity=Severity.ERROR,
        means="A container ended with an exit status that is not 0: its pod is shown as failed.",
        fix="handle the stop signal and end with 0; its log (--logs) and its termination message say what happened",
        find=_exit_status,
    ),
    Rule(
        id="post-start-failed",
        severity=Severity.ERROR,
        means="A postStart hook failed: the kubelet kills the container, with its preStop hook.",
        fix="let the hook wait for what it needs (it starts beside the process, perhaps before it), and succeed when run again",
        find=_hook_failed(Kind.POST_START_ENDED, "postStart"),
    ),
    Rule(
        id="pre-stop-failed",
        severity=Severity.ERROR,
        means="A preStop hook failed: the stop signal follows at once.",
        fix="check that its binary is in the image, or that its port listens on the pod's address; `sleep:` needs neither",
        find=_hook_failed(Kind.PRE_STOP_ENDED, "preStop"),
    ),
    Rule(
        id="not-back",
        severity=Severity.ERROR,
        means="After its restart a container did not become ready again.",
        fix="see what is left over from its first life: files in an emptyDir, locks, a trigger that is not written again",
        find=_not_back,
    ),
    Rule(
        id="no-end",
        severity=Severity.ERROR,
        means="The scenario did not come to its end: a rollout makes no progress, or a stop waits for ever.",
        fix="see the last events; a postStart hook that hangs holds up everything, the pod's own deletion too",
        find=_no_end,
    ),
    Rule(
        id="pre-stop-took-it-all",
        severity=Severity.WARNING,
        means="The preStop hook left nothing of the grace period: after the stop signal there are two seconds.",
        fix="raise terminationGracePeriodSeconds, or shorten the hook: it is paid from the same purse as the drain",
        find=_pre_stop_took_all,
    ),
    Rule(
        id="little-left",
        severity=Severity.WARNING,
        means="A container ended just in time: less than a tenth of its grace period was left.",
        fix="raise terminationGracePeriodSeconds: production is busier than this machine",
        find=_little_left,
    ),
    Rule(
        id="work-abandoned",
        severity=Severity.WARNING,
        means="The application's own report names work that it had to cut off.",
        fix="raise the grace period (and LIFECYCLE_GRACE_PERIOD with it), or let this work be ended by a policy",
        find=_abandoned,
    ),
    Rule(
        id="came-late",
        severity=Severity.WARNING,
        means="The application's own report says that requests came after its lame duck.",
        fix="a shutdown delay that is {more} s longer",
        find=_late,
    ),
    Rule(
        id="wrong-path",
        severity=Severity.NOTE,
        means="Every answer to a path was a client error: the load tells little.",
        fix="ask for what the application serves: --path /",
        find=_wrong_path,
    ),
)
"""In the order in which they matter: what comes first is often the cause of what follows."""
