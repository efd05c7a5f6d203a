"""The deadline holds whatever the program does: all of these would go on for an hour."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from lifecycle import ExitStatus
from tests.support.programs import Program, program

pytestmark = pytest.mark.process

GRACE = 6.2
DEADLINE = GRACE - 1
HUNG = GRACE + 10
"""On a machine that is busy with other things a process may end late; one that hangs never does."""
"""Seconds from the signal to the watchdog's end of the process: grace minus margin."""


@dataclass
class Ending:
    status: int
    seconds: float
    """From the signal."""
    events: list[str]
    report: dict[str, Any]
    output: str


CASES = {
    # trouble: the event at which SIGTERM is sent
    "blocked": "blocking",
    "start blocks": "starting",
    "hook blocks": "ready",
    "nobody reads": "blocking",
    "executor hangs": "hanging",
    "hook holds the interpreter": "ready",
    "hook swallows": "ready",
    "hook hangs in a thread": "ready",
    "task hangs in a thread": "hanging",
    "task swallows": "ready",
    "reload hangs in a thread": "ready",
}


def end(running: Program, trouble: str) -> Ending:
    running.wait_for(CASES[trouble])
    if trouble.startswith("reload"):
        running.process.send_signal(signal.SIGHUP)
        running.wait_for("hanging")
    asked = time.monotonic()
    running.terminate()
    status = running.wait(HUNG)
    return Ending(
        status, time.monotonic() - asked, running.events(), running.report, running.output
    )


@pytest.fixture(scope="module")
def endings() -> Iterator[dict[str, Future[Ending]]]:
    """All of them at once: most of it is waiting."""
    unread, full = os.pipe()
    with ExitStack() as stack, ThreadPoolExecutor(len(CASES)) as threads:
        stack.callback(os.close, unread)
        stack.callback(os.close, full)
        running = {
            trouble: stack.enter_context(
                program(
                    trouble,
                    stderr=full if trouble == "nobody reads" else None,
                    LIFECYCLE_GRACE_PERIOD=str(GRACE),
                )
            )
            for trouble in CASES
        }
        yield {trouble: threads.submit(end, running[trouble], trouble) for trouble in CASES}


@pytest.mark.parametrize("trouble", ["blocked", "start blocks", "hook blocks", "nobody reads"])
def test_a_blocked_event_loop_is_ended_at_grace_minus_margin_with_its_stacks_in_the_report(
    endings: dict[str, Future[Ending]], trouble: str
) -> None:
    ending = endings[trouble].result()
    assert ending.status == ExitStatus.DEADLINE, ending.output
    assert DEADLINE - 0.3 < ending.seconds < HUNG
    assert (ending.report["exit_status"], ending.report["outcome"]) == (8, "deadline")
    assert any("event loop was blocked" in text for text in ending.report["failures"])
    where = {"start blocks": "in start", "nobody reads": "in fill_standard_error"}.get(
        trouble, "in block"
    )
    assert where in ending.report["stacks"]["MainThread"]
    assert "exiting" not in ending.events, "nothing of the program's own was waited for"


def test_code_that_never_lets_go_of_the_interpreter_is_ended_before_sigkill_and_named(
    endings: dict[str, Future[Ending]],
) -> None:
    ending = endings["hook holds the interpreter"].result()
    assert ending.status == 1, ending.output
    assert DEADLINE < ending.seconds < HUNG
    assert "holding" in ending.events
    assert "in hold_the_interpreter" in ending.output


@pytest.mark.parametrize("trouble", ["blocked", "hook blocks"])
def test_the_stacks_of_what_is_blocked_are_on_standard_error(
    endings: dict[str, Future[Ending]], trouble: str
) -> None:
    output = endings[trouble].result().output
    assert "the deadline has come, ending the process with status 8" in output
    assert "in block" in output
    assert "ended by the watchdog" in output


def test_a_hook_that_swallows_cancellation_for_ever_does_not_hold_the_process(
    endings: dict[str, Future[Ending]],
) -> None:
    ending = endings["hook swallows"].result()
    assert ending.status == ExitStatus.HOOK_FAILED, ending.output
    assert ending.seconds < HUNG
    assert "shut down" in ending.events, "the other hook had its turn"
    assert [hook["outcome"] for hook in ending.report["hooks"] if hook["name"] == "swallow"] == [
        "stuck"
    ]


def test_a_sync_hook_that_hangs_does_not_hold_the_process(
    endings: dict[str, Future[Ending]],
) -> None:
    ending = endings["hook hangs in a thread"].result()
    assert ending.status == ExitStatus.HOOK_FAILED, ending.output
    assert ending.seconds < HUNG
    assert "shut down" in ending.events
    assert [hook["outcome"] for hook in ending.report["hooks"] if hook["name"] == "hang"] == [
        "stuck"
    ]


@pytest.mark.parametrize("trouble", ["task hangs in a thread", "task swallows", "executor hangs"])
def test_work_that_cannot_be_cut_off_does_not_hold_the_process(
    endings: dict[str, Future[Ending]], trouble: str
) -> None:
    ending = endings[trouble].result()
    assert ending.status == ExitStatus.WORK_ABANDONED, ending.output
    assert ending.seconds < HUNG
    assert "shut down" in ending.events
    assert ending.report["abandoned"]


def test_a_signal_hook_that_hangs_in_a_thread_does_not_hold_the_process(
    endings: dict[str, Future[Ending]],
) -> None:
    ending = endings["reload hangs in a thread"].result()
    assert ending.status == 0, ending.output
    assert ending.seconds < HUNG
    assert "shut down" in ending.events
