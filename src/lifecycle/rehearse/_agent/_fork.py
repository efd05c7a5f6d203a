"""Children, and what becomes of them before they are what they shall be: whatever fails in one is told here."""

import os
from collections.abc import Callable
from typing import NoReturn


def told_by(work: Callable[[], object]) -> str:
    """Do it in a child, to its end: why it failed, or nothing."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _report_and_exit(writing, work)
    os.close(writing)
    why = _read(reading).decode()
    os.waitpid(pid, 0)
    return why


def forked(work: Callable[[], NoReturn], enter: Callable[[], None] | None) -> int:
    """A child of ours that becomes a program by `work`. With `enter`, in the process namespace which that enters.

    Raises:
        OSError: It did not come to that: why, it says.
    """
    reading, writing = os.pipe()

    def become() -> NoReturn:
        _report_and_exit(writing, work)

    if enter is None:
        pid = os.fork()
        if pid == 0:
            become()
    else:
        pid = _forked_into(enter, become, writing)
    os.close(writing)
    # Closed by exec: then there is nothing to tell.
    if why := _read(reading).decode():
        if pid:
            os.waitpid(pid, 0)
        raise OSError(0, why)
    return pid


def _forked_into(enter: Callable[[], None], become: Callable[[], NoReturn], report: int) -> int:
    """Through a child that enters the process namespace for its own children, and then leaves this one to us.

    Entering it ourselves would be for good: in a user namespace nobody may come back. 0 if that failed.
    """
    told, telling = os.pipe()
    waiting, going = os.pipe()
    between = os.fork()
    if between == 0:
        os.close(going)
        _report_and_exit(report, lambda: _step_between(enter, become, telling, waiting))
    os.close(telling)
    os.close(waiting)
    pid = int(_read(told) or b"0")
    os.waitpid(between, 0)
    os.close(going)
    return pid


def _step_between(
    enter: Callable[[], None], become: Callable[[], NoReturn], telling: int, waiting: int
) -> None:
    enter()
    pid = os.fork()
    if pid == 0:
        os.close(telling)
        # Until it is ours: its parent's death must not be taken for ours.
        os.read(waiting, 1)
        become()
    os.write(telling, str(pid).encode())


def _read(descriptor: int) -> bytes:
    with open(descriptor, "rb") as pipe:
        return pipe.read()


def _report_and_exit(descriptor: int, work: Callable[[], object]) -> NoReturn:
    try:
        work()
    except OSError as error:
        os.write(descriptor, (error.strerror or str(error)).encode())
    except BaseException as error:  # noqa: BLE001 - a child of ours says what it died of
        os.write(descriptor, repr(error).encode())
    finally:
        os._exit(0)
