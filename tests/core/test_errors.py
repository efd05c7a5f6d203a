"""One tree of errors, drawn where it is defined; and numbers that mean one thing each."""

import inspect
import re

import pytest

from lifecycle import core
from lifecycle.core import ExitStatus, IllegalMoveError, LifecycleError, _errors

ERRORS = {
    name: value
    for name, value in vars(_errors).items()
    if inspect.isclass(value) and issubclass(value, Exception)
}


def drawn() -> dict[str, tuple[str, str | None]]:
    """Name → its parent and its builtin, as the drawing at the top of the module has them."""
    found: dict[str, tuple[str, str | None]] = {}
    path: list[str] = []
    for line in (_errors.__doc__ or "").splitlines():
        if row := re.match(r"([│├└─ ]*)(\w+Error)(?: \((\w+)\))?(?:  |$)", line):
            depth = len(row[1]) // 4
            path[depth:] = [row[2]]
            found[row[2]] = (path[depth - 1] if depth else "Exception", row[3])
    return found


def test_the_drawing_is_the_tree() -> None:
    assert {
        name: (error.__bases__[0].__name__, (*(b.__name__ for b in error.__bases__[1:]), None)[0])
        for name, error in ERRORS.items()
    } == drawn()


@pytest.mark.parametrize("name", ERRORS)
def test_all_can_be_caught_as_one_and_imported_from_core(name: str) -> None:
    assert issubclass(ERRORS[name], LifecycleError)
    assert getattr(core, name) is ERRORS[name]
    assert ERRORS[name].__doc__


def test_a_defect_of_ours_says_what_happened_where() -> None:
    assert str(IllegalMoveError("ready", "drained")) == (
        "event 'drained' has no place in phase 'ready': this is a defect in lifecycle, please report it"
    )


def test_each_exit_status_is_a_number_of_its_own_and_no_supervisors() -> None:
    assert {status.name: int(status) for status in ExitStatus} == {
        "CLEAN": 0,
        "START_FAILED": 3,
        "WORK_ABANDONED": 4,
        "HOOK_FAILED": 5,
        "TASK_CRASHED": 6,
        "FORCED": 7,
        "DEADLINE": 8,
    }
    assert all(status < 64 for status in ExitStatus)
    assert not {1, 2} & set(ExitStatus), "those are the interpreter's, and those of wrong usage"
