"""Who watches a rehearsal sees at every moment how things stand."""

import io
from typing import Any

import pytest
from rich.console import Console

from lifecycle.kube import Container, Pod, Workload
from lifecycle.rehearse import Event, Kind
from lifecycle.rehearse._live import View, live
from lifecycle.rehearse._options import Options
from lifecycle.rehearse._stage import Stage
from tests.support.rehearsals import HOSTILE, broken, kept


def screen(view: View, width: int = 110) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as captured:
        console.print(view)
    return [text.rstrip() for text in captured.get().splitlines()]


def at(now: float, **options: Any) -> list[str]:
    """The screen at that moment of a rehearsal that goes well."""
    result = kept()
    ended = [one for one in result.samples if one.at + one.seconds <= now]
    view = View("Pod/web, delete", lambda: now, samples=ended, under_way=lambda: 3, **options)
    for event in result.events:
        if event.at <= now:
            view.hear(event)
    return screen(view)


@pytest.mark.parametrize(
    ("now", "shown"),
    [
        (1.0, "web        postStart runs"),
        (2.5, "web        started         ✗ readiness"),
        (5.0, "web        ready           ✓ readiness"),
        (9.0, "web        preStop runs    ✓ readiness   ━━━━━━━━━━━━━━━━━━━━━━━─ 19.0 of 20 s"),
        (12.0, "web        preStop runs    ✗ readiness   ━━━━━━━━━━━━━━━━━━━───── 16.0 of 20 s"),
        (13.7, "web        after SIGTERM   ✗ readiness   ━━━━━━━━━━━━━━━━━─────── 14.3 of 20 s"),
        (15.0, "web        exited 0        ✗ readiness   ━━━━━━━━━━━━━━━━━─────── 14.1 of 20 s"),
    ],
)
def test_a_container_is_shown_as_it_stands(now: float, shown: str) -> None:
    (row,) = [text for text in at(now) if text.startswith("web ")]
    assert row.split() == shown.split()


def test_the_clock_counts_from_the_deletion_on() -> None:
    assert at(5.0)[0] == "Pod/web, delete  5.0 s"
    assert at(12.0)[0] == "Pod/web, delete  12.0 s, 4.0 s after T0"


def test_requests_are_counted_once_however_often_the_screen_is_drawn() -> None:
    result = broken()
    samples = list(result.samples[:170])
    view = View("Pod/web", lambda: 9.0, samples=samples, under_way=lambda: 2)
    assert "requests  172 sent, 2 in flight, 9 lost" in screen(view)
    samples += result.samples[170:]
    assert "requests  242 sent, 2 in flight, 59 lost" in screen(view)
    assert "requests  242 sent, 2 in flight, 59 lost" in screen(view)


def test_the_latest_events_are_below_and_output_is_not_among_them() -> None:
    shown = at(15.0)
    assert len([text for text in shown if " s  " in text]) == 8
    assert shown[-1].split() == ["14.90", "s", "rehearsal", "phase", "Succeeded"]
    assert not any("Uvicorn" in text for text in at(1.0))


def test_a_restart_begins_anew_and_is_counted() -> None:
    view = View("Pod/web", lambda: 9.0)
    for kind in (Kind.STARTED, Kind.KILLING, Kind.EXITED, Kind.RESTARTED, Kind.STARTED):
        view.hear(Event(1, kind, "web", data={"grace": 30, "exit_code": 1}))
    (row,) = [text for text in screen(view) if text.startswith("web ")]
    assert row.split() == ["web", "started,", "1", "restarts"]


def test_a_hostile_name_steers_no_terminal() -> None:
    view = View(HOSTILE, lambda: 1.0)
    view.hear(Event(1, Kind.STARTED, HOSTILE, pod=HOSTILE))
    view.hear(Event(1, Kind.WARNING, "[bold]web[/bold]", detail=HOSTILE))
    text = "\n".join(screen(view))
    assert not {"\x1b", "\u202e"} & {*text}
    assert "[bold]web[/bold]" in text


class Nowhere:
    """No pod is played in these tests."""

    def open(self, *_: object) -> Any:
        raise AssertionError("not to be reached")


def stage() -> Stage:
    pod = Pod(containers=(Container(name="web", command=("true",)),))
    return Stage(Workload(kind="Pod", name="web", pod=pod), Options(), Nowhere())


async def test_without_a_terminal_every_event_is_a_line() -> None:
    stream, play = io.StringIO(), stage()
    with live(Console(file=stream))(play):
        play.journal.append(Kind.STARTED, "web", pid=3)
        play.journal.append(Kind.LOG, "web", detail="hello")
    play.journal.append(Kind.EXITED, "web", exit_code=0)
    assert stream.getvalue() == "    0.00 s  web                  started\n"


async def test_output_is_told_if_it_is_asked_for() -> None:
    stream, play = io.StringIO(), stage()
    with live(Console(file=stream), logs=True)(play):
        play.journal.append(Kind.LOG, "web", detail="hello")
    assert "| hello" in stream.getvalue()


async def test_a_terminal_gets_a_screen_which_is_gone_at_the_end() -> None:
    stream, play = io.StringIO(), stage()
    console = Console(file=stream, force_terminal=True, width=100, _environ={"TERM": "xterm"})
    with live(console)(play):
        play.journal.append(Kind.STARTED, "web")
    written = stream.getvalue()
    assert "Pod/web, delete" in written
    assert "started" in written
    assert written.endswith("\x1b[2K")  # the last line of the screen is erased
    assert "\x1b[?25h" in written  # and the cursor is back
