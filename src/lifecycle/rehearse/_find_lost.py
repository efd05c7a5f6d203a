"""Requests that were lost, and those that tell nothing."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from lifecycle.rehearse._finding import Found, lifecycle_place
from lifecycle.rehearse._result import Outcome, Sample, Way
from lifecycle.rehearse._story import Story

REQUESTS: Final = frozenset({Way.NEW, Way.KEPT})
NOT_FOUND: Final = frozenset({"400", "401", "403", "404", "405"})


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
            where=lifecycle_place(story),
            values={"lag": f"{math.ceil(story.options.knobs.endpoint_lag) + 1:g}"},
        )


def refused(story: Story) -> Iterator[Found]:
    yield from _lost(story, {Outcome.REFUSED}, frozenset(Way))


def cut_off(story: Story) -> Iterator[Found]:
    yield from _lost(story, {Outcome.RESET, Outcome.TRUNCATED}, REQUESTS)


def server_errors(story: Story) -> Iterator[Found]:
    yield from _lost(story, {Outcome.SERVER_ERROR}, frozenset(Way))


def unanswered(story: Story) -> Iterator[Found]:
    yield from _lost(story, {Outcome.TIMEOUT}, REQUESTS)


def streams(story: Story) -> Iterator[Found]:
    broken = {Outcome.CUT_OFF, Outcome.RESET, Outcome.TRUNCATED}
    yield from _lost(story, broken, frozenset(Way) - REQUESTS)


def wrong_path(story: Story) -> Iterator[Found]:
    answered = [one for one in story.samples if one.way in REQUESTS and not one.failed]
    for path in dict.fromkeys(one.path for one in answered):
        statuses = {one.detail for one in answered if one.path == path}
        if statuses <= NOT_FOUND:
            yield Found(what=f"every answer to {path} was {', '.join(sorted(statuses))}")
