"""The status that `life.run` returns is the status of the process, which ends like any other."""

import pytest

from lifecycle import ExitStatus
from tests.support.programs import program

pytestmark = pytest.mark.process

ENDING = ["shut down", "restored", "exiting"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    ("trouble", "asked", "status", "ending"),
    [
        ("start fails", False, ExitStatus.START_FAILED, ENDING[1:]),
        ("main crashes", False, ExitStatus.TASK_CRASHED, ["finally", *ENDING]),
        ("hook fails", True, ExitStatus.HOOK_FAILED, ["finally", *ENDING]),
        ("work takes long", True, ExitStatus.WORK_ABANDONED, ["finally", *ENDING]),
    ],
)
def test_each_outcome_is_the_status_of_the_process_and_finally_and_atexit_run(
    trouble: str, asked: bool, status: ExitStatus, ending: list[str], backend: str
) -> None:
    with program(trouble, backend, LIFECYCLE_DRAIN_TIMEOUT="0.2") as running:
        if asked:
            running.wait_for("ready")
            running.terminate()
        assert running.wait() == status, running.output
        assert running.events()[-len(ending) :] == ending
        assert running.report["exit_status"] == status
        assert running.report["outcome"] == status.name.lower().replace("_", " ")
