"""The report as one page that needs nothing else: no script, no font, no image from anywhere."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Final

from lifecycle.rehearse._chart import legend, owner, timeline
from lifecycle.rehearse._chart_load import load, most_in_flight
from lifecycle.rehearse._chart_purse import purse
from lifecycle.rehearse._events import Event
from lifecycle.rehearse._markup import Child, Markup, el, join, style, swatch
from lifecycle.rehearse._result import Finding, Promise, Result
from lifecycle.rehearse._scale import Scale

MOST_EVENTS: Final = 2000
"""Rows; a container that floods its output has more lines than a browser likes."""
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""Nothing is loaded, nothing is run, whatever a manifest or a log line says."""


def to_html(
    results: Result | Sequence[Result], *, names: Sequence[str] = (), compare: bool = False
) -> str:
    """One page for one result or several. `compare` sets them side by side, each scenario on one scale of time.

    `names` tell them apart where neither workload nor scenario does: "without the library", "with it".
    """
    results = [results] if isinstance(results, Result) else results
    named = dict(enumerate(names))
    scales = [
        Scale.of(*(other for other in results if other.scenario == one.scenario))
        if compare
        else Scale.of(one)
        for one in results
    ]
    several = len(results) > 1
    title = " and ".join(dict.fromkeys(result.title for result in results)) or "nothing"
    page = el(
        "html",
        el(
            "head",
            el("meta", charset="utf-8"),
            el("meta", name="viewport", content="width=device-width, initial-scale=1"),
            el("meta", http_equiv="Content-Security-Policy", content=POLICY),
            el("meta", name="referrer", content="no-referrer"),
            el("title", f"Rehearsal of {title}"),
            style(files("lifecycle.rehearse").joinpath("report.css").read_text("utf-8")),
        ),
        el(
            "body",
            el("a", "Skip to the verdict", class_="skip", href="#r0"),
            el(
                "header",
                el("h1", f"Rehearsal of {title}"),
                _overview(results, named) if several else None,
            ),
            el(
                "main",
                *(
                    _article(index, result, scales[index], named.get(index))
                    for index, result in enumerate(results)
                ),
            ),
            el(
                "footer",
                "Times are seconds of the pod since the rehearsal began. Made by ",
                el("code", "lifecycle rehearse"),
                ".",
            ),
            class_="pair" if compare else None,
        ),
        lang="en",
    )
    return f"<!doctype html>\n{page}\n"


def _overview(results: Sequence[Result], named: Mapping[int, str]) -> Markup:
    """Figures of all, to be compared; each leads to its part of the page."""
    links = [
        el("a", named.get(i, _name(result, results)), href=f"#r{i}")
        for i, result in enumerate(results)
    ]
    head: tuple[Child, ...] = ("", *links)
    figures = [dict(_figures(result)) for result in results]
    rows: list[tuple[Child, list[Child]]] = [
        ("Verdict", [_verdict(result) for result in results]),
        *[_row(what, [own[what] for own in figures]) for what in figures[0]],
    ]
    if len(results) > 3:  # noqa: PLR2004 - more columns do not fit beside each other
        head = ("", *(what for what, _ in rows))
        rows = [(link, [cells[i] for _, cells in rows]) for i, link in enumerate(links)]
    return el(
        "nav",
        el(
            "table",
            el("thead", el("tr", *(el("th", cell, scope="col") for cell in head))),
            el(
                "tbody",
                *(
                    el("tr", el("th", name, scope="row"), *(el("td", cell) for cell in cells))
                    for name, cells in rows
                ),
            ),
        ),
        class_="scroll",
        tabindex="0",
        aria_label="Overview",
    )


def _row(name: Child, cells: Sequence[Child]) -> tuple[Child, list[Child]]:
    return name, [*cells]


def _name(result: Result, results: Sequence[Result]) -> str:
    same = len({other.title for other in results}) == 1
    return result.scenario if same else f"{result.title}, {result.scenario}"


def _verdict(result: Result) -> Markup:
    return (
        el("span", "✓ kept", class_="dim")
        if result.kept
        else el("span", f"✗ {_broken(result)} broken", class_="bad")
    )


def _broken(result: Result) -> int:
    return sum(promise.kept is False for promise in result.promises)


def _figures(result: Result) -> Iterator[tuple[str, str]]:
    p99 = result.latency(0.99)
    yield "Requests", f"{result.sent:,}"
    yield "Lost", f"{len(result.failed):,}"
    yield "p99", "–" if p99 is None else f"{p99 * 1000:,.0f} ms"  # noqa: RUF001 - a dash for nothing
    spent = max(result.purses, key=lambda one: one.spent, default=None)
    yield "Grace used", "–" if spent is None else f"{spent.spent:.1f} / {spent.granted:g} s"  # noqa: RUF001 - as above
    yield "Took", f"{result.seconds:.1f} s"


def _article(index: int, result: Result, scale: Scale, name: str | None) -> Markup:
    broken = _broken(result)
    words = (
        "Every promise was kept."
        if result.kept
        else f"{broken} {'promise was' if broken == 1 else 'promises were'} broken."
    )
    return el(
        "article",
        el("h2", name or f"{result.title}: {result.scenario}", id=f"r{index}", tabindex="-1"),
        el("p", result.what, class_="dim") if result.what else None,
        el("p", words, class_=f"verdict {'kept' if result.kept else 'broken'}"),
        el(
            "dl",
            *(el("div", el("dt", what), el("dd", value)) for what, value in _figures(result)),
            class_="figures",
        ),
        el("ul", *map(_promise, result.promises), class_="promises"),
        [
            el("h3", "What to do"),
            *(_finding(one, several=result.several_pods) for one in result.findings),
        ]
        if result.findings
        else None,
        el("h3", "What happened"),
        el("div", timeline(result, scale), legend(), class_="plot"),
        _load(result, scale) if result.sent else None,
        [
            el("h3", "The grace period, and who spent it"),
            *(purse(one, result.purse_name(one)) for one in result.purses),
        ]
        if result.purses
        else None,
        _events(result),
        [el("h3", "Notes"), el("ul", *(el("li", note) for note in result.notes))]
        if result.notes
        else None,
        aria_labelledby=f"r{index}",
    )


_SIGNS: Final = {
    True: ("kept", "✓", "kept"),
    False: ("broken", "✗", "broken"),
    None: ("untried", "–", "not put to the test"),  # noqa: RUF001 - a dash for nothing
}


def _promise(promise: Promise) -> Markup:
    look, sign, meaning = _SIGNS[promise.kept]
    return el(
        "li",
        el("span", sign, class_="sign", role="img", aria_label=meaning),
        promise.title,
        el("span", f": {promise.detail}", class_="dim") if promise.detail else None,
        class_=look,
    )


def _finding(finding: Finding, *, several: bool) -> Markup:
    about = [
        finding.id,
        "/".join(part for part in (finding.pod * several, finding.container) if part),
        "" if finding.times == 1 else f"{finding.times:,} times",
        "" if finding.at is None else f"{'first at ' * (finding.times > 1)}{finding.at:.2f} s",
        "" if finding.where is None else str(finding.where),
    ]
    return el(
        "div",
        el("span", finding.severity.value, class_="tag"),
        el("span", " ", " · ".join(part for part in about if part), class_="dim"),
        el("p", _prose(finding.what)),
        el("p", _prose(finding.fix), class_="fix"),
        class_=f"finding {finding.severity.value}",
    )


def _prose(text: str) -> list[Child]:
    """What stands between backticks is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return [text]
    return [el("code", part) if index % 2 else part for index, part in enumerate(parts)]


def _load(result: Result, scale: Scale) -> Markup:
    kinds = Counter((sample.outcome, sample.way) for sample in result.failed)
    rows: list[Markup] = []
    for (outcome, way), count in kinds.most_common():
        times = [
            sample.after_signal
            for sample in result.failed
            if (sample.outcome, sample.way) == (outcome, way) and sample.after_signal is not None
        ]
        when = f"{min(times):+.2f} s to {max(times):+.2f} s" if times else "no signal"
        cells: list[tuple[Child, str | None]] = [
            (outcome.value, None),
            (way.value, None),
            (count, "number"),
            (when, None),
        ]
        rows.append(el("tr", *(el("td", cell, class_=look) for cell, look in cells)))
    names = ("Lost because", "By", "Count", "Sent, from the stop signal")
    return join(
        [
            el("h3", "Requests in flight and lost"),
            el("div", load(result, scale), class_="plot"),
            el(
                "ul",
                el("li", join([swatch("flight"), f"in flight, {most_in_flight(result)} at most"])),
                el("li", join([swatch("lost"), "lost, by the moment of sending"])),
                class_="legend",
            ),
            el(
                "div",
                el(
                    "table",
                    el("thead", el("tr", *(el("th", name, scope="col") for name in names))),
                    el("tbody", *rows),
                ),
                class_="scroll",
                tabindex="0",
                role="region",
                aria_label="What was lost",
            )
            if rows
            else None,
        ]
    )


def _events(result: Result) -> Markup:
    shown = result.events[:MOST_EVENTS]
    more = len(result.events) - len(shown)
    several = result.several_pods
    return el(
        "details",
        el("summary", f"All {len(result.events):,} events"),
        el(
            "div",
            el(
                "table",
                el(
                    "thead",
                    el(
                        "tr",
                        *(el("th", name, scope="col") for name in ("At", "Who", "What", "More")),
                    ),
                ),
                el("tbody", *(_event(event, several=several) for event in shown)),
                class_="events",
            ),
            el("p", f"and {more:,} more: they are in the JSON (--json)") if more else None,
            class_="scroll",
            tabindex="0",
            role="region",
            aria_label="Events",
        ),
    )


def _event(event: Event, *, several: bool) -> Markup:
    data = ", ".join(f"{name}={value}" for name, value in event.data.items() if value != "")
    return el(
        "tr",
        el("td", f"{event.at:.3f} s", class_="number"),
        el("td", owner(event, several=several) or event.pod or "pod"),
        el("td", event.kind.value),
        el("td", " ".join(part for part in (event.detail, data and f"({data})") if part)),
    )
