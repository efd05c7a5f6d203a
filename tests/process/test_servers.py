"""Under the server commands that people use, with real processes, signals and load: nothing is lost.

The load comes from other processes and goes on for a second after the stop, as in a cluster whose routers have not
heard of it yet: new connections, and kept ones. Slow requests and background work are in flight all the time.
"""

import time
from dataclasses import dataclass

import pytest

from examples.stage.load import Result
from tests.process._support_table import SUPPORT, UVICORN, Support
from tests.support.servers import Answer, Note, load, running

pytestmark = pytest.mark.process

BARE = "tests.process.apps.bare:app"
PLAIN = "tests.process.apps.plain:app"

REQUESTS = {"/fast": 50.0, "/slow?seconds=0.8": 4.0}

SETTINGS = {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    # Longer than the load goes on after the stop.
    "LIFECYCLE_SHUTDOWN_DELAY": "1.8",
    "LIFECYCLE_GRACE_PERIOD": "20",
}


HISTORY = ["started", "background started", "background finished", "shut down"]


HINT = "let a preStop hook call /shutdown"


def every(supports: list[Support]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("support", supports, ids=lambda support: support.server)


@dataclass(frozen=True)
class Life:
    """What a server did from its start to its end."""

    new: Result
    kept: Result
    status: int
    journal: list[Note]
    output: str
    upload: Answer
    answer: Answer | None
    """To preStop."""

    def noted(self, event: str) -> list[float]:
        return [note.at for note in self.journal if note.event == event]

    def in_worker_with(self, event: str) -> list[str]:
        """All that the worker noted to which this happened."""
        pids = {note.pid for note in self.journal if note.event == event}
        # Not every server lets its workers run `atexit`.
        return [n.event for n in self.journal if n.pid in pids and n.event != "exiting"]

    def lost(self) -> str:
        """Empty if nothing was; else what pytest should show."""
        if not (self.new.failures or self.kept.failures):
            return ""
        new, kept = self.new.summary(), self.kept.summary()
        return f"new connections: {new}; kept: {kept}\n{self.output}"


def live(support: Support, app: str, *, pre_stop: bool = False) -> Life:
    with (
        running(support.words, app, workers=support.workers, **SETTINGS) as server,
        load(server, REQUESTS) as generators,
    ):
        upload = server.ask("/upload?seconds=2", method="POST")
        for generator in generators:
            generator.stopping(time.monotonic())
        answer = None
        if pre_stop:
            answer = server.pre_stop()
        server.terminate()
        new, kept = (generator.result() for generator in generators)
        status = server.wait()
        return Life(new, kept, status, server.journal(), server.output, upload, answer)


def assert_nothing_lost(life: Life, support: Support) -> None:
    assert not life.lost()
    assert life.status == 0, life.output
    assert len(life.noted("shut down")) == support.workers, life.output
    # And it was a test: load went on after the stop, on new connections and on old ones.
    assert life.upload.status == 202
    assert life.new.sent_after_stop > 40
    assert life.new.connections == life.new.sent
    assert life.kept.sent_after_stop > 40
    assert life.kept.connections < life.kept.sent
    # Kept connections are walked down one by one, each with its last answer.
    assert life.kept.asked_to_close > 0


def test_the_load_sees_what_a_bare_server_loses() -> None:
    """The control: without the middleware uvicorn refuses from the first moment, and ends by the signal."""
    life = live(UVICORN[0], BARE)
    for result in (life.new, life.kept):
        assert result.lost["refused"] > 30, result.summary()
        # Slow ones that were under way are finished; what comes too late is refused.
        assert min(failure.at for failure in result.failures) > -0.05, result.summary()
    assert life.status == -15


@every([support for support in SUPPORT if support.by_signal])
def test_sigterm_alone_loses_nothing(support: Support) -> None:
    life = live(support, PLAIN)
    assert_nothing_lost(life, support)
    assert life.in_worker_with("background started") == HISTORY


@every([support for support in SUPPORT if support.by_pre_stop])
def test_pre_stop_and_then_sigterm_loses_nothing(support: Support) -> None:
    life = live(support, PLAIN, pre_stop=True)
    assert_nothing_lost(life, support)
    assert (HINT in life.output) == (not support.by_signal), life.output
    assert life.answer is not None
    assert life.answer.status == 200, life.answer.body
    assert life.answer.json()["exit_status"] == 0
    assert max(life.noted("shut down")) <= life.answer.at, "the answer did not wait for all workers"
    assert life.in_worker_with("background started") == HISTORY
