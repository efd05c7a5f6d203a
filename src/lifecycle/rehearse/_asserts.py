"""What is asserted of a rehearsal. Each message says what was lost, when, and what to do."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from lifecycle.rehearse._result import Finding, Result, Severity
from lifecycle.rehearse._timeline import timeline

LATEST: Final = 40
"""Lines of the timeline in a message: it is not seen again."""


def assert_kept(result: Result) -> None:
    """No promise was broken.

    Raises:
        AssertionError: One was; the message has its findings with their fixes, and the timeline.
    """
    __tracebackhide__ = True  # pytest shows the test, not this
    broken = [
        f"{promise.title}{f': {promise.detail}' if promise.detail else ''}"
        for promise in result.promises
        if promise.kept is False
    ]
    if broken:
        raise AssertionError(_message(result, ["not kept: " + text for text in broken]))


def assert_nothing_lost(result: Result) -> None:
    """Every request, WebSocket and stream was answered, or ended by the rules; and there were some.

    Raises:
        AssertionError: The message says what was lost, how, and when, from the stop signal on.
    """
    __tracebackhide__ = True  # pytest shows the test, not this
    if not result.sent:
        raise AssertionError(
            _message(result, ["nothing was asked for: name the port, or a containerPort"])
        )
    if result.failed:
        raise AssertionError(_message(result, [*_lost(result)]))


def assert_inside_budget(result: Result, *, spare: float = 0.0) -> None:
    """Every container that was stopped was gone with at least `spare` seconds of its grace period left.

    Raises:
        AssertionError: The message says who spent it.
    """
    __tracebackhide__ = True  # pytest shows the test, not this
    short: list[str] = []
    for purse in result.purses:
        if purse.granted - purse.spent < spare:
            spent = ", ".join(f"{share.who} {share.seconds:.1f} s" for share in purse.shares)
            short.append(
                f"{purse.container} used {purse.spent:.1f} s of {purse.granted:g} s, and {spare:g} s were to be"
                f" left: {spent}"
            )
    if not result.purses:
        short.append("nothing was stopped that has ended")
    if short:
        raise AssertionError(_message(result, short))


def _lost(result: Result) -> Iterator[str]:
    yield f"{len(result.failed)} of {result.sent} were lost"
    kinds = Counter((one.outcome, one.way, one.path) for one in result.failed)
    for (outcome, way, path), count in kinds.most_common():
        same = [
            one for one in result.failed if (one.outcome, one.way, one.path) == (outcome, way, path)
        ]
        times = [one.after_signal for one in same if one.after_signal is not None]
        when = (
            f"sent {min(times):+.2f} s to {max(times):+.2f} s from the stop signal"
            if times
            else f"sent {same[0].at:.2f} s to {same[-1].at:.2f} s after the beginning"
        )
        detail = f" ({same[0].detail})" if same[0].detail else ""
        yield f"{count} {outcome.value}, {way.value}, {path}: {when}{detail}"


def _message(result: Result, faults: list[str]) -> str:
    lines = [*timeline(result)]
    return "\n".join(
        [
            f"{result.title}, {result.scenario}: {faults[0]}",
            *(f"  {fault}" for fault in faults[1:]),
            *(_advice(one) for one in result.findings if one.severity is not Severity.NOTE),
            "",
            *(["  ..."] if len(lines) > LATEST else []),
            *lines[-LATEST:],
        ]
    )


def _advice(finding: Finding) -> str:
    place = f"{finding.where}: " if finding.where else ""
    return f"  {place}{finding.id}: {finding.what} Fix: {finding.fix}"
