"""What came of a rehearsal, as lines of text: the requests, the grace period, the promises and the findings."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from lifecycle.rehearse._purse import PHASES, PRE_STOP, WAITING
from lifecycle.rehearse._result import Purse, Result, Severity, Way
from lifecycle.rehearse._timeline import printable

BAR: Final = 60
"""Characters for a whole grace period."""
LETTERS: Final[Mapping[str, str]] = {
    **dict(zip(PHASES.values(), "#=+", strict=True)),
    PRE_STOP: "*",
    WAITING: "-",
}
AFTER_SIGNAL_LETTER: Final = "o"
MOST_PURSES: Final = 8
"""Those of which least is left; JSON and the page have all."""
TOLD: Final = 0.5
"""Seconds beyond the grace period that are no mere inaccuracy."""
SEVERITIES: Final = (Severity.ERROR, Severity.WARNING, Severity.NOTE)


def summary(result: Result) -> Iterator[str]:
    """The requests, the purse, the promises and the findings."""
    verdict = "all promises kept" if result.kept else "PROMISES BROKEN"
    yield f"{result.title}, {result.scenario}: {verdict} ({result.seconds:.1f} s)"
    yield ""
    yield from _requests(result)
    fullest = sorted(result.purses, key=lambda purse: purse.unused)[:MOST_PURSES]
    for purse in result.purses:
        if purse in fullest:
            yield from _purse(purse, result.purse_name(purse))
    if more := len(result.purses) - len(fullest):
        yield f"            {more} more, each of which had {fullest[-1].unused:.2f} s or more left"
    yield ""
    for promise in result.promises:
        mark = {True: "kept", False: "BROKEN", None: "untried"}[promise.kept]
        detail = f" ({promise.detail})" if promise.detail else ""
        yield f"  {mark:8} {promise.title}{detail}"
    yield from findings(result)


def findings(result: Result, *, at_least: Severity = Severity.NOTE) -> Iterator[str]:
    """Each with its place and its fix, which is written out once."""
    written: set[str] = set()
    for finding in result.findings:
        if SEVERITIES.index(finding.severity) > SEVERITIES.index(at_least):
            continue
        who = "/".join(
            part for part in (finding.pod * result.several_pods, finding.container) if part
        )
        place = f"{finding.where}: " if finding.where else ""
        yield ""
        times = f" ({finding.times} times)" if finding.times > 1 else ""
        what = f"{who + ': ' if who else ''}{printable(finding.what)}{times}"
        yield f"{place}{finding.severity.value} {finding.id}: {what}"
        word = "fix" if finding.severity is not Severity.NOTE else "hint"
        yield f"    {word}: {'as above' if finding.fix in written else finding.fix}"
        written.add(finding.fix)


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
    letters = [(_letter(share.who), share) for share in purse.shares]
    # What took any time at all is seen.
    drawn = "".join(
        letter * max(round(share.seconds / whole * BAR), 1) for letter, share in letters
    )
    yield f"  grace     {purse.granted:g} s for {who}  [{drawn[:BAR]:.<{BAR}}]"
    for letter, share in letters:
        yield f"            {letter} {share.seconds:7.2f} s  {share.who}"
    beyond = purse.spent - purse.granted
    if beyond > TOLD:
        yield f"            ! {beyond:7.2f} s  beyond it: after its stop signal a container has 2 s at least"
    else:
        yield f"            . {purse.unused:7.2f} s  unused"


def _letter(who: str) -> str:
    """The same for everybody, so that bars can be compared."""
    return LETTERS.get(who, AFTER_SIGNAL_LETTER)


def side_by_side(results: Sequence[Result]) -> Iterator[str]:
    """One line for each of several."""
    width = max((len(result.scenario) for result in results), default=0)
    yield from (in_a_line(result, width) for result in results)


def in_a_line(result: Result, width: int = 0) -> str:
    """`width` is that of the longest name among several."""
    broken = [promise.title for promise in result.promises if promise.kept is False]
    verdict = f"BROKEN: {'; '.join(broken)}" if broken else "kept"
    return (
        f"  {result.scenario:<{width}}  {len(result.failed):4} of {result.sent:5} lost"
        f"  {result.seconds:7.1f} s  {verdict}"
    )
