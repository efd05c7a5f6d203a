"""Promises, kept or broken, and the whole result of a rehearsal."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from lifecycle.rehearse._events import Kind
from lifecycle.rehearse._findings import FINDINGS
from lifecycle.rehearse._purse import purses
from lifecycle.rehearse._result import Finding, Promise, Result, Sample, Severity
from lifecycle.rehearse._stage import Stage
from lifecycle.rehearse._story import Story


class Promised(NamedTuple):
    """`broken_by`: findings, any of which breaks it."""

    title: str
    broken_by: frozenset[str]


def _promised(title: str, broken_by: str) -> Promised:
    return Promised(title, frozenset(broken_by.split()))


PROMISES: Final = {
    "ready": _promised("The pod gets ready", "never-ready listens-on-loopback no-end"),
    "not-restarted": _promised("Nothing is restarted for being slow", "restarted"),
    "nothing-lost": _promised(
        "No request is lost", "refused cut-off server-errors unanswered streams-cut-off"
    ),
    "always-served": _promised("There is always a pod to go to", "nobody-routed"),
    "inside-grace": _promised("Everything has ended before SIGKILL", "killed signal-ignored"),
    "clean-exit": _promised(
        "Every container ends with exit status 0",
        "exit-status killed signal-ignored ended-by-itself",
    ),
    "hooks-succeed": _promised("Every hook succeeds", "post-start-failed pre-stop-failed"),
    "back-again": _promised("What was restarted gets ready again", "not-back no-end"),
}
"""In the order in which a report shows them."""

UNTESTED: Final = {
    "nothing-lost": "no request was sent",
    "hooks-succeed": "there are no hooks",
}


def judge(stage: Stage) -> Result:
    """Of a stage that has been played."""
    calm = stage.calm_at if stage.calm_at is not None else stage.clock.now()
    events = tuple(event for event in stage.journal.events if event.at <= calm)
    story = Story(
        workload=stage.workload,
        scenario=stage.scenario,
        options=stage.options,
        events=events,
        samples=(),
        became_ready=stage.became_ready,
        finished=stage.finished,
        port=stage.port,
    )
    samples = tuple(_timed(story, sample) for sample in stage.load.samples)
    story = replace(story, samples=tuple(sorted(samples, key=lambda sample: sample.at)))
    findings = tuple(_findings(story))
    return Result(
        title=stage.workload.title,
        scenario=stage.scenario.name,
        what=stage.scenario.what,
        events=events,
        containers=story.fates,
        samples=story.samples,
        reconnected=stage.load.reconnected,
        findings=findings,
        promises=tuple(_promises(story, findings)),
        purses=tuple(purses(story)),
        phases={event.pod: event.detail for event in story.of(Kind.PHASE)},
        notes=tuple(dict.fromkeys(event.detail for event in story.of(Kind.NOTE))),
        seconds=calm,
    )


def _timed(story: Story, sample: Sample) -> Sample:
    signal = story.signal_near(sample.pod, sample.at)
    return sample if signal is None else replace(sample, after_signal=sample.at - signal)


def _findings(story: Story) -> list[Finding]:
    promised = frozenset[str]().union(
        *(PROMISES[promise].broken_by for promise in story.scenario.promises)
    )
    return [
        finding
        for rule in FINDINGS
        for finding in _once([*rule.findings(story, promised=rule.id in promised)])
    ]


def _once(findings: list[Finding]) -> Iterator[Finding]:
    """The same, found in several lives or pods, is one finding with a count, at its first place."""
    same: dict[Finding, list[Finding]] = {}
    for finding in findings:
        same.setdefault(replace(finding, pod="", at=None), []).append(finding)
    for group in same.values():
        pods = {finding.pod for finding in group}
        yield replace(group[0], pod=pods.pop() if len(pods) == 1 else "", times=len(group))


def _promises(story: Story, findings: tuple[Finding, ...]) -> list[Promise]:
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    promises: list[Promise] = []
    for id_, (title, broken_by) in PROMISES.items():
        if id_ not in story.scenario.promises:
            continue
        breaking = [finding for finding in errors if finding.id in broken_by]
        kept: bool | None = not breaking
        detail = "; ".join(dict.fromkeys(finding.id for finding in breaking))
        if kept and (untested := _untested(story, id_)):
            kept, detail = None, untested
        promises.append(Promise(id=id_, title=title, kept=kept, detail=detail))
    return promises


def _untested(story: Story, promise: str) -> str:
    """Why nothing can be said."""
    tested = {
        "ready": True,
        "nothing-lost": bool(story.samples),
        "hooks-succeed": any(story.of(Kind.POST_START_ENDED, Kind.PRE_STOP_ENDED)),
    }.get(promise, story.became_ready)
    return "" if tested else UNTESTED.get(promise, "the pod did not get that far")
