"""The figures as a page of the documentation, and as a table in a terminal."""

import os
import statistics

from benchmarks.supervisor.measures import MEASURES, Figures
from benchmarks.supervisor.wrappers import DIRECT, FLOOR, OURS

START_AIM = 1.25
TERM_AIM = 0.3
LEAVE_AIM = 1.5
RESIDENT_AIM = 9.0


def medians(found: Figures) -> dict[str, dict[str, float]]:
    return {
        wrapper: {name: statistics.median(values) for name, values in rows.items()}
        for wrapper, rows in found.items()
    }


def start_ratio(found: Figures) -> float:
    """Of our start to the interpreter's in the same round: what slows down a round slows down both."""
    pairs = zip(found[OURS]["start ms"], found[FLOOR]["start ms"], strict=True)
    return statistics.median(ours / floor for ours, floor in pairs)


def show(found: Figures) -> None:
    middle = medians(found)
    width = max(map(len, middle))
    print(" " * width, *(f"{name:>16.16}" for name in MEASURES))
    for wrapper, rows in middle.items():
        cells = [f"{rows[name]:16.2f}" if name in rows else " " * 15 + "-" for name in MEASURES]
        print(f"{wrapper:{width}}", *cells)
    ours = middle[OURS]
    print(
        f"\nstatic start-up over direct: {ours['start ms'] - middle[DIRECT]['start ms']:.1f} ms, and "
        f"{start_ratio(found):.2f} x python3 -I -S -c pass (aim: {START_AIM})"
    )
    print(
        f"a neighbour's SIGKILL is noticed after {ours['notice a death ms']:.1f} ms; "
        "a poll of 1 s, as Tekton's, takes 500 ms on average where there is something to find"
    )


PAGE = """\
# Benchmarks of the supervisor

Written by the program that measures; nothing in it was typed:

    nox -s supervisor
    python -m benchmarks.supervisor --page docs/reference/supervisor-benchmarks.md

Medians of {rounds} rounds, in which every wrapper has its turn. Other programs ran beside them (load {load} on {cores} cores):
compare the rows. *start*: the whole life of `/bin/true`; supervisord, which does not end with its program: until it runs.
*TERM*: from the signal to the wrapper until the program has it. *leave*: from the program's end until the wrapper is gone.
*with state*: what others can wait for is kept on a disk, with `--state-dir`; nothing else here does that.

{table}
* Aim: started within 1.25 times `python3 -I -S -c pass`, of the same round. Found: {ratio:.2f}, {ratio_met}.
* Aim: a signal is passed on within 0.3 ms. Found: {term:.2f} ms, where the same without a wrapper took {direct_term:.2f}, {term_met}.
* Aim: gone 1.5 ms after the program. Found: {leave:.2f} ms, where the same without a wrapper took {direct_leave:.2f}, {leave_met}.
* Aim: at most 9 MB resident. Found: {resident:.1f}, {resident_met}.
* Aim: no wake-ups. Found: {wakes:.0f} a minute, {wakes_met}.
* A neighbour's SIGKILL is noticed after {notice:.0f} ms, process starts included. A poll of 1 s takes 500 ms on average.
"""


def page(found: Figures, rounds: int) -> str:
    def met(*, is_met: bool) -> str:
        return "met" if is_met else "**missed**"

    middle = medians(found)
    lines = [["", *MEASURES], ["---", *("---:" for _ in MEASURES)]]
    for wrapper, rows in middle.items():
        lines.append([wrapper, *(f"{rows[name]:.2f}" if name in rows else "" for name in MEASURES)])
    ours, direct, ratio = middle[OURS], middle[DIRECT], start_ratio(found)
    return PAGE.format(
        rounds=rounds,
        load=f"{os.getloadavg()[1]:.0f}",
        cores=os.cpu_count(),
        table="".join(f"| {' | '.join(cells)} |\n" for cells in lines),
        ratio=ratio,
        ratio_met=met(is_met=ratio <= START_AIM),
        term=ours["TERM ms"],
        direct_term=direct["TERM ms"],
        term_met=met(is_met=ours["TERM ms"] <= TERM_AIM),
        leave=ours["leave ms"],
        direct_leave=direct["leave ms"],
        leave_met=met(is_met=ours["leave ms"] <= LEAVE_AIM),
        resident=ours["resident MB"],
        resident_met=met(is_met=ours["resident MB"] <= RESIDENT_AIM),
        wakes=ours["wake-ups/min"],
        wakes_met=met(is_met=ours["wake-ups/min"] == 0),
        notice=ours["notice a death ms"],
    )
