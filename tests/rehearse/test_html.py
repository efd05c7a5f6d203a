"""The report says what happened, on one page that needs nothing else, and nobody's name becomes markup."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from lifecycle.rehearse import Event, Fate, Kind, Purse, Result, Share, to_html
from lifecycle.rehearse._purse import PRE_STOP
from tests.support.rehearsals import broken, hostile, kept

VOID = {"meta", "br"}


class Page(HTMLParser):
    """What a browser would make of it: elements with their attributes, and the text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [
            attributes
            for name, attributes in self.elements
            if name == tag
            and all(
                value in (attributes.get(key.rstrip("_")) or "") for key, value in wanted.items()
            )
        ]


def test_a_broken_promise_is_the_first_thing_one_reads() -> None:
    text = Page(to_html(broken())).text
    for part in (
        "2 promises were broken.",
        "Requests 240 Lost 59",
        "Grace used 20.1 / 20 s",
        "✗ No request was lost : 59 of 240",
        "closed-too-early · web · 8.05 s · pod.yaml:14:5",
        "Let it serve on for 5 s",
        "refused kept connection 20 +0.05 s to +2.85 s",
        "web exit code 137",
        "All 19 events",
    ):
        assert part in text
    assert text.index("broken") < text.index("What to do") < text.index("What happened")


def test_a_replica_that_lives_on_is_not_said_never_to_have_started_and_has_its_own_stops() -> None:
    events = (
        Event(1, Kind.STARTED, "web", "web-1"),
        Event(2, Kind.STARTED, "web", "web-2"),
        Event(3, Kind.WAITING, "web", "web-3", "CrashLoopBackOff"),
        Event(4, Kind.DELETED, pod="web-1", data={"grace": 30}),
        Event(5, Kind.EXITED, "web", "web-1", data={"exit_code": 0}),
    )
    fates = {"web-1/web": Fate(exit_code=0), "web-2/web": Fate(), "web-3/web": Fate()}
    page = Page(
        to_html(Result(title="Pod/web", scenario="rollout", events=events, containers=fates))
    )
    for told in ("web-1/web exit code 0", "web-2/web has not ended", "web-3/web never started"):
        assert told in page.text
    lines = [line for line in page.all("line", class_="t0") if line["y2"] == "26"]
    assert len(lines) == 1


def test_the_same_share_of_every_purse_has_the_same_colour() -> None:
    shares = (
        Share(who=PRE_STOP, began=0, seconds=5),
        Share(who="after SIGINT", began=5, seconds=1),
    )
    for some in (shares, shares[1:]):
        drawn = Purse(container="web", pod="", granted=30, began=0, shares=some)
        page = Page(to_html(Result(title="Pod/web", scenario="delete", purses=(drawn,))))
        assert len(page.all("rect", class_="share s1")) == 2
        assert len(page.all("rect", class_="share s0")) == 2 * (len(some) - 1)


def test_a_kept_promise_is_said_to_be_kept_and_an_untried_one_is_not() -> None:
    page = Page(to_html(kept()))
    assert "Every promise was kept." in page.text
    assert "– WebSockets were closed by the rules : no path was given" in page.text  # noqa: RUF001 - the sign
    signs = [sign["aria-label"] for sign in page.all("span", class_="sign")]
    assert signs == ["kept", "kept", "kept", "not put to the test"]
    assert "Containers ran without namespaces of their own" in page.text


@pytest.mark.parametrize(
    ("look", "x", "width"),
    [
        ("pre", 8, 5.6),
        ("post", 0.4, 1.7),
        ("ready", 3.2, 5.9),
        ("run", 0.4, 13.5),
        ("stop", 13.6, 0.3),
    ],
)
def test_a_stretch_of_a_life_is_drawn_where_it_was(look: str, x: float, width: float) -> None:
    page = Page(to_html(kept()))
    drawn = [(bar["x"], bar["width"]) for bar in page.all("rect", class_=look) if "x" in bar]
    assert (f"{x / 15.1 * 100:.3f}%", f"{width / 15.1 * 100:.3f}%") in drawn


def test_signals_and_failed_probes_are_marked_and_told_to_those_who_cannot_see_them() -> None:
    page = Page(to_html(broken()))
    assert next(mark["x1"] for mark in page.all("line", class_="kill")) == f"{28 / 30.3 * 100:.3f}%"
    assert len(page.all("circle", class_="probe")) == 2
    (lane,) = page.all("svg", **{"aria-label": "web: "})
    assert "SIGKILL at 28.00 s" in (lane["aria-label"] or "")
    assert "readiness probe failed at 8.60 s" in (lane["aria-label"] or "")


def test_nothing_is_loaded_and_nothing_is_run() -> None:
    source = to_html([broken(), kept()], compare=True)
    page = Page(source)
    assert not {tag for tag, _ in page.elements} & {"script", "link", "img", "iframe", "object"}
    assert all((link["href"] or "").startswith("#") for link in page.all("a"))
    assert not re.search(r"url\(|@import|https?://(?!0\.0\.0\.0)", source)
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_a_hostile_name_stays_text() -> None:
    page = Page(to_html([hostile(), hostile()], compare=True))
    assert page.all("script") == []
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert '<script>alert("lost")</script>' in page.text
    assert not {"\x1b", "\u202e"} & {*page.text}


def test_two_that_are_compared_have_names_and_one_scale() -> None:
    page = Page(
        to_html([broken(), kept()], names=("plain uvicorn", "with lifecycle"), compare=True)
    )
    assert [link["href"] for link in page.all("a")] == ["#r0", "#r0", "#r1"]
    assert {heading["id"] for heading in page.all("h2")} == {"r0", "r1"}
    assert page.text.count("plain uvicorn") == page.text.count("with lifecycle") == 2
    assert "Lost 59 0" in page.text
    # The preStop hook of the second began at 8 s, on the first one's scale of 30.3 s.
    assert f"{8 / 30.3 * 100:.3f}%" in {bar.get("x") for bar in page.all("rect", class_="pre")}


def test_many_scenarios_are_a_row_each() -> None:
    page = Page(to_html([*[kept()] * 3, broken()]))
    assert len(page.all("article")) == 4
    assert "Verdict Requests Lost p99 Grace used Took delete ✓ kept 240 0" in page.text


def test_a_flood_of_events_is_cut_and_told() -> None:
    events = tuple(Event(0.001 * n, Kind.LOG, "web", detail="x") for n in range(2500))
    page = Page(to_html(Result(title="Pod/web", scenario="delete", events=events)))
    assert "All 2,500 events" in page.text
    assert "and 500 more: they are in the JSON (--json)" in page.text
    assert len(page.all("tr")) == 2001


def test_a_result_of_nothing_is_a_page_too() -> None:
    assert (
        "Every promise was kept." in Page(to_html(Result(title="Pod/web", scenario="delete"))).text
    )


def test_code_in_a_fix_is_set_as_code_and_stays_text() -> None:
    page = Page(
        to_html(replace(broken(), findings=(replace(broken().findings[0], fix="write `<b>` `"),)))
    )
    assert "write `<b>` `" in page.text  # not in pairs: nothing is code
    source = to_html(
        replace(broken(), findings=(replace(broken().findings[0], fix="write `<b>`"),))
    )
    assert "write <code>&lt;b&gt;</code>" in source
