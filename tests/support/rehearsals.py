"""Results of rehearsals as they could be: one in which all went well, one in which it did not, one that is hostile."""

from lifecycle.kube import Where
from lifecycle.rehearse import (
    Event,
    Fate,
    Finding,
    Kind,
    Outcome,
    Promise,
    Purse,
    Result,
    Sample,
    Severity,
    Share,
    Way,
)

HOSTILE = '<script>alert("lost")</script>\x1b[31m\u202e'


def _samples(
    *, until: float, lost_from: float, lost_to: float, signal: float
) -> tuple[Sample, ...]:
    found: list[Sample] = []
    for index in range(int(until * 20)):
        at = index / 20
        gone = lost_from <= at < lost_to
        slow = index % 7 == 0
        found.append(
            Sample(
                at=at,
                seconds=0.002 if gone else 1.2 if slow else 0.04,
                outcome=Outcome.REFUSED
                if gone and index % 3
                else Outcome.RESET
                if gone
                else Outcome.ANSWERED,
                way=Way.KEPT if index % 2 else Way.NEW,
                detail="Connection refused" if gone else "200",
                after_signal=at - signal,
            )
        )
    return tuple(found)


def _begin(*, sidecar: bool) -> list[Event]:
    early = [Event(0.05, Kind.STARTED, "proxy", data={"pid": 40, "instance": 0})] if sidecar else []
    return [
        Event(0, Kind.PHASE, detail="Pending"),
        *early,
        Event(0.4, Kind.STARTED, "web", data={"pid": 41, "instance": 0}),
        Event(0.4, Kind.POST_START_BEGAN, "web"),
        Event(0.9, Kind.LOG, "web", detail="INFO: Uvicorn running on http://0.0.0.0:8080"),
        Event(2.1, Kind.POST_START_ENDED, "web", data={"ok": True, "seconds": 1.7}),
        Event(2.2, Kind.PROBE, "web", data={"probe": "readiness", "ok": False, "message": "503"}),
        Event(3.2, Kind.PROBE, "web", data={"probe": "readiness", "ok": True}),
        Event(3.2, Kind.READY, "web"),
        Event(3.25, Kind.POD_READY),
        Event(3.4, Kind.ENDPOINT_ADDED),
        Event(8, Kind.DELETED, data={"grace": 20}),
    ]


def kept() -> Result:
    """With the library: nothing is lost, and 14 s of 20 s are left."""
    return Result(
        title="Pod/web",
        scenario="delete",
        what="The pod is deleted while requests come in.",
        seconds=15.1,
        events=(
            *_begin(sidecar=True),
            Event(8, Kind.KILLING, "web", data={"grace": 20}),
            Event(8, Kind.PRE_STOP_BEGAN, "web", data={"grace": 20}),
            Event(9.1, Kind.PROBE, "web", data={"probe": "readiness", "ok": False}),
            Event(9.1, Kind.NOT_READY, "web"),
            Event(11, Kind.ENDPOINT_REMOVED),
            Event(13.6, Kind.PRE_STOP_ENDED, "web", data={"ok": True, "seconds": 5.6}),
            Event(13.6, Kind.SIGNAL, "web", detail="SIGTERM", data={"timeout": 15}),
            Event(13.9, Kind.EXITED, "web", data={"exit_code": 0, "reason": "Completed"}),
            Event(13.9, Kind.SIGNAL, "proxy", detail="SIGTERM", data={"timeout": 14}),
            Event(14.8, Kind.EXITED, "proxy", data={"exit_code": 0, "reason": "Completed"}),
            Event(14.9, Kind.PHASE, detail="Succeeded"),
        ),
        containers={"web": Fate(exit_code=0), "proxy": Fate(exit_code=0)},
        samples=_samples(until=12, lost_from=99, lost_to=99, signal=13.6),
        promises=(
            Promise(id="nothing-lost", title="No request was lost", kept=True, detail="240 sent"),
            Promise(id="in-time", title="Every container ended before SIGKILL", kept=True),
            Promise(id="clean", title="Every container ended with exit code 0", kept=True),
            Promise(
                id="websocket",
                title="WebSockets were closed by the rules",
                kept=None,
                detail="no path was given",
            ),
        ),
        purses=(
            Purse(
                container="web",
                pod="",
                granted=20,
                began=8,
                shares=(
                    Share(who="preStop hook", began=8, seconds=5.6),
                    Share(who="after SIGTERM", began=13.6, seconds=0.3),
                ),
            ),
            Purse(
                container="proxy",
                pod="",
                granted=20,
                began=8,
                shares=(
                    Share(who="waiting for web", began=8, seconds=5.9),
                    Share(who="after SIGTERM", began=13.9, seconds=0.9),
                ),
            ),
        ),
        phases={"web": "Succeeded"},
        notes=("Containers ran without namespaces of their own: PID 1 was emulated.",),
    )


def broken() -> Result:
    """Without it: requests are refused while routers still send, and SIGKILL ends it."""
    return Result(
        title="Pod/web",
        scenario="delete",
        what="The pod is deleted while requests come in.",
        seconds=30.3,
        events=(
            *_begin(sidecar=False),
            Event(8, Kind.KILLING, "web", data={"grace": 20}),
            Event(8, Kind.SIGNAL, "web", detail="SIGTERM", data={"timeout": 20}),
            Event(8.6, Kind.PROBE, "web", data={"probe": "readiness", "ok": False}),
            Event(8.6, Kind.NOT_READY, "web"),
            Event(11, Kind.ENDPOINT_REMOVED),
            Event(28, Kind.SIGNAL, "web", detail="SIGKILL"),
            Event(28.1, Kind.EXITED, "web", data={"exit_code": 137, "reason": "Error"}),
            Event(28.2, Kind.PHASE, detail="Failed"),
        ),
        containers={"web": Fate(exit_code=137)},
        samples=_samples(until=12, lost_from=8.05, lost_to=11, signal=8),
        promises=(
            Promise(
                id="nothing-lost",
                title="No request was lost",
                kept=False,
                detail="59 of 240, 0.05 s to 2.95 s after SIGTERM",
            ),
            Promise(
                id="in-time",
                title="Every container ended before SIGKILL",
                kept=False,
                detail="web was killed 20 s after SIGTERM",
            ),
        ),
        findings=(
            Finding(
                id="closed-too-early",
                severity=Severity.ERROR,
                what="web closed its port 0.05 s after SIGTERM, and its endpoint was removed 2.95 s later.",
                fix="Let it serve on for 5 s: lifecycle: {preStop: {sleep: {seconds: 5}}}, or LifecycleMiddleware.",
                container="web",
                at=8.05,
                where=Where("pod.yaml", 14, 5),
            ),
            Finding(
                id="killed",
                severity=Severity.ERROR,
                what="A stream was open until SIGKILL: uvicorn waits for it without end.",
                fix="uvicorn --timeout-graceful-shutdown 10, or end streams when the drain begins.",
                container="web",
                at=28,
            ),
            Finding(
                id="no-startup-probe",
                severity=Severity.WARNING,
                what="It took 3.2 s to become ready, and no startupProbe says so.",
                fix="Add a startupProbe on /readyz.",
                container="web",
            ),
        ),
        purses=(
            Purse(
                container="web",
                pod="",
                granted=20,
                began=8,
                shares=(Share(who="after SIGTERM, until SIGKILL", began=8, seconds=20.1),),
            ),
        ),
        phases={"web": "Failed"},
    )


def hostile() -> Result:
    """Every text of it wants to be markup."""
    return Result(
        title=HOSTILE,
        scenario=HOSTILE,
        what=HOSTILE,
        seconds=2,
        events=(
            Event(0, Kind.STARTED, HOSTILE, pod=HOSTILE, data={HOSTILE: HOSTILE}),
            Event(1, Kind.LOG, HOSTILE, pod=HOSTILE, detail=HOSTILE),
            Event(1, Kind.SIGNAL, HOSTILE, pod='" onload="alert(1)', detail=HOSTILE),
        ),
        containers={HOSTILE: Fate(exit_code=1, message=HOSTILE)},
        samples=(
            Sample(
                at=0, seconds=1, outcome=Outcome.RESET, detail=HOSTILE, path=HOSTILE, pod=HOSTILE
            ),
        ),
        promises=(Promise(id=HOSTILE, title=HOSTILE, kept=False, detail=HOSTILE),),
        findings=(
            Finding(
                id=HOSTILE,
                severity=Severity.NOTE,
                what=HOSTILE,
                fix=HOSTILE,
                container=HOSTILE,
                pod=HOSTILE,
                where=Where(HOSTILE, 1, 1),
            ),
        ),
        purses=(
            Purse(
                container=HOSTILE,
                pod=HOSTILE,
                granted=0,
                began=0,
                shares=(Share(who=HOSTILE, began=0, seconds=1),),
            ),
        ),
        phases={HOSTILE: HOSTILE},
        notes=(HOSTILE,),
    )
