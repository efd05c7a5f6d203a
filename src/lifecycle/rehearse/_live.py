"""What happens, while it happens: one screen at a terminal, lines elsewhere."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lifecycle.rehearse._events import STOPS, Event, Kind
from lifecycle.rehearse._result import Sample
from lifecycle.rehearse._stage import Stage
from lifecycle.rehearse._timeline import line, printable

REFRESH: Final = 8
"""Times a second: a bar that drains looks smooth, and a slow terminal can follow."""
LATEST: Final = 8
"""Events below the tables."""
BAR: Final = 24

STATES: Final = {
    Kind.STARTED: ("started", "cyan"),
    Kind.POST_START_BEGAN: ("postStart runs", "magenta"),
    Kind.POST_START_ENDED: ("started", "cyan"),
    Kind.READY: ("ready", "green"),
    Kind.NOT_READY: ("not ready", "yellow"),
    Kind.WAITING: ("waits", "yellow"),
    Kind.KILLING: ("is stopped", "yellow"),
    Kind.PRE_STOP_BEGAN: ("preStop runs", "magenta"),
    Kind.PRE_STOP_ENDED: ("preStop is over", "yellow"),
    Kind.PRE_STOP_ABANDONED: ("preStop runs on", "red"),
    Kind.EXITED: ("exited", "dim"),
}
"""What a container is after such an event, and in which colour."""

# Once it is asked to stop, probes say what everybody knows.
_QUIET_WHILE_STOPPING: Final = frozenset({Kind.READY, Kind.NOT_READY})


@dataclass(slots=True)
class Row:
    """One container, as it stands."""

    name: str
    state: str = "waits"
    colour: str = "yellow"
    restarts: int = 0
    probes: dict[str, bool] = field(default_factory=dict[str, bool])
    stopping_at: float | None = None
    grace: float = 0.0
    ended_at: float | None = None

    def hear(self, event: Event) -> None:
        if event.kind is Kind.PROBE:
            self.probes[str(event.data.get("probe", ""))] = bool(event.data.get("ok"))
        elif event.kind is Kind.RESTARTED:
            self.restarts += 1
        elif event.kind is Kind.SIGNAL:
            self.state, self.colour = f"after {event.detail}", "red"
        elif event.kind in STATES and not (
            self.stopping_at is not None and event.kind in _QUIET_WHILE_STOPPING
        ):
            self.state, self.colour = STATES[event.kind]
        if event.kind is Kind.STARTED:
            self.probes.clear()
            self.stopping_at = self.ended_at = None
        elif event.kind is Kind.KILLING:
            grace = event.data.get("grace")
            self.stopping_at = event.at
            self.grace = float(grace) if isinstance(grace, (int, float)) else 0.0
        elif event.kind is Kind.EXITED:
            code = event.data.get("exit_code")
            self.state, self.colour = f"exited {code}", "dim" if code == 0 else "red"
            self.ended_at = event.at

    def purse(self, now: float) -> Text:
        """What is left of its grace period."""
        if self.stopping_at is None or not self.grace:
            return Text()
        spent = (now if self.ended_at is None else self.ended_at) - self.stopping_at
        left = max(self.grace - spent, 0.0)
        cells = round(left / self.grace * BAR)
        colour = "green" if left > self.grace / 2 else "yellow" if left > self.grace / 5 else "red"
        return Text.assemble(
            ("━" * cells, colour), ("─" * (BAR - cells), "dim"), f" {left:.1f} of {self.grace:g} s"
        )


class View:
    """Folds events into a screen. `samples` and `under_way` are the load's own, and grow."""

    def __init__(
        self,
        title: str,
        now: Callable[[], float],
        *,
        samples: Sequence[Sample] = (),
        under_way: Callable[[], int] = lambda: 0,
    ) -> None:
        self._title = title
        self._now = now
        self._samples = samples
        self._under_way = under_way
        self._looked_at = 0
        self._lost = 0
        self._stopped_at: float | None = None
        self._rows: dict[tuple[str, str], Row] = {}
        self._latest: deque[Event] = deque(maxlen=LATEST)

    def hear(self, event: Event) -> None:
        if event.kind is not Kind.LOG:
            self._latest.append(event)
        if event.kind in STOPS:
            self._stopped_at = event.at
        if event.container:
            key = (event.pod, event.container)
            if key not in self._rows:
                self._rows[key] = Row(printable(event.container))
            self._rows[key].hear(event)

    def __rich__(self) -> RenderableType:
        now = self._now()
        since = "" if self._stopped_at is None else f", {now - self._stopped_at:.1f} s after T0"
        return Group(
            Text.assemble((printable(self._title), "bold"), (f"  {now:.1f} s{since}", "dim")),
            self._containers(now),
            self._requests(),
            Text(),
            *(
                Text(line(event, several_pods=self._several), "dim")
                for event in tuple(self._latest)
            ),
        )

    @property
    def _several(self) -> bool:
        return len({pod for pod, _ in tuple(self._rows)}) > 1

    def _containers(self, now: float) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name in ("container", "state", "probes", "grace period"):
            table.add_column(name, header_style="dim", no_wrap=True)
        for (pod, _), row in tuple(self._rows.items()):
            name = f"{printable(pod)}/{row.name}" if self._several else row.name
            again = f", {row.restarts} restarts" if row.restarts else ""
            probes = [
                (f"{'✓' if ok else '✗'} {printable(probe)} ", "green" if ok else "red")
                for probe, ok in sorted(row.probes.items())
            ]
            table.add_row(
                Text(name),
                Text(f"{row.state}{again}", row.colour),
                Text.assemble(*probes),
                row.purse(now),
            )
        return table

    def _requests(self) -> Text:
        # Only what has come since: there may be a hundred thousand.
        ended = len(self._samples)
        self._lost += sum(self._samples[i].failed for i in range(self._looked_at, ended))
        self._looked_at = ended
        flying = self._under_way()
        return Text.assemble(
            ("requests  ", "dim"),
            f"{ended + flying} sent, {flying} in flight, ",
            (f"{self._lost} lost", "bold red" if self._lost else "green"),
        )


def live(
    console: Console, *, logs: bool = False
) -> Callable[[Stage], AbstractContextManager[object]]:
    """What shows a rehearsal while it goes on: `rehearse(…, watch=live(Console()))`.

    A terminal gets a screen that is gone at the end. Whatever else it is gets a line for each event, and with `logs` one
    for each line of output.
    """

    @contextmanager
    def watch(stage: Stage) -> Iterator[None]:
        if not console.is_terminal or console.is_dumb_terminal:

            def tell(event: Event) -> None:
                if logs or event.kind is not Kind.LOG:
                    console.print(Text(line(event, several_pods=stage.rolls)), soft_wrap=True)

            unsubscribe = stage.journal.subscribe(tell)
            try:
                yield
            finally:
                unsubscribe()
            return
        # The screen is drawn in a thread, where no event loop runs that could be asked for the time.
        ahead, origin = stage.clock.now(), time.monotonic()
        view = View(
            f"{stage.workload.title}, {stage.scenario.name}",
            lambda: ahead + (time.monotonic() - origin) * stage.clock.speed,
            samples=stage.load.samples,
            under_way=lambda: stage.load.under_way,
        )
        unsubscribe = stage.journal.subscribe(view.hear)
        shown = Live(view, console=console, refresh_per_second=REFRESH, transient=True)
        try:
            with shown:
                yield
        finally:
            unsubscribe()

    return watch
