"""Without HTTP: a queue consumer lives through its pod's life."""

import os
from pathlib import Path

import pytest

from tests.support.programs import program

pytestmark = [
    pytest.mark.process,
    pytest.mark.parametrize("backend", ["asyncio", "trio"]),
]


def test_a_consumer_stops_taking_finishes_the_job_in_hand_acknowledges_it_and_exits_0(
    tmp_path: Path, backend: str
) -> None:
    for number in range(4):
        (tmp_path / f"{number}.job").write_text("")
    with program(str(tmp_path), backend, module="tests.process.apps.consumer") as running:
        running.wait_for("took 1")
        running.terminate()
        assert running.wait(5) == 0, running.output
        assert running.events() == [
            "took 0", "did 0", "took 1", "left for SIGTERM", "did 1", "closed",
        ]  # fmt: skip # in the order of the story
        assert (running.report["finished"], running.report["abandoned"]) == (2, [])
        with pytest.raises(ProcessLookupError):
            os.killpg(running.process.pid, 0)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["2.job", "3.job"]


def test_a_job_that_takes_longer_than_the_drain_is_named_and_can_be_taken_again(
    tmp_path: Path, backend: str
) -> None:
    (tmp_path / "0.job").write_text("")
    with program(
        str(tmp_path), backend, module="tests.process.apps.consumer", LIFECYCLE_DRAIN_TIMEOUT="0.1"
    ) as running:
        running.wait_for("took 0")
        running.terminate()
        assert running.wait(5) == 4, running.output
        assert [work["name"] for work in running.report["abandoned"]] == ["0", "task consume"]
    assert [file.name for file in tmp_path.iterdir()] == ["0.taken"]
