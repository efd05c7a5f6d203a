"""GET /shutdown, by hand: http.client loads the email package, and takes four times as long as Python's own start.

`_socket` is what `socket` is made of, without the enums that `socket` builds.
"""

import _socket
import errno
import os

from lifecycle.cli._answer import Answer, seconds_left
from lifecycle.cli._outcome import (
    CONNECTION_LOST,
    FAILED,
    NOBODY_THERE,
    NOT_ALLOWED,
    NOT_OURS,
    STOPPED,
    TIMED_OUT,
    Outcome,
)
from lifecycle.cli._target import Target

CONNECT_TIMEOUT = 5.0
"""A listener on this machine accepts at once, or its queue is full and stays so."""

_Report = dict[str, list[object] | str | float | None]


def ask(target: Target, deadline: float | None) -> tuple[int, str]:
    """Ask, wait, and judge the answer: an exit status and one line."""
    try:
        connection = _connect(target, deadline)
        try:
            connection.settimeout(seconds_left(deadline))
            connection.sendall(target.request)
            status, headers, body = Answer(connection, deadline).read()
        finally:
            connection.close()
    except Outcome as outcome:
        return outcome.status, outcome.text
    except TimeoutError:
        return TIMED_OUT, (
            f"{target.label} has not answered in time; the application goes on stopping: allow more (--timeout)"
        )
    except OSError as failure:
        return CONNECTION_LOST, (
            f"the connection to {target.label} was lost before the answer ({failure.strerror}): "
            "see the application's log for how it ended"
        )
    return _judge(target.label, status, headers, body)


def _connect(target: Target, deadline: float | None) -> _socket.socket:
    refusals: list[str] = []
    for family, address in target.addresses:
        try:
            connection = _socket.socket(family, _socket.SOCK_STREAM)
        except OSError as failure:  # a machine without IPv6
            refusals.append(failure.strerror or str(failure))
            continue
        try:
            connection.settimeout(seconds_left(deadline, CONNECT_TIMEOUT))
            connection.connect(address)
        except TimeoutError:
            connection.close()
            if deadline is not None:
                seconds_left(deadline)
            refusals.append(f"no answer to connecting within {CONNECT_TIMEOUT:g} s")
        except OSError as failure:
            connection.close()
            if failure.errno in {errno.EACCES, errno.EPERM}:
                raise Outcome(
                    NOT_ALLOWED,
                    f"user {os.geteuid()} may not connect to {target.label} ({failure.strerror}): "
                    "run this as the application's own user",
                ) from failure
            refusals.append(failure.strerror or str(failure))
        else:
            return connection
    raise Outcome(
        NOBODY_THERE,
        f"nothing listens at {target.label} ({refusals[0].lower()}): it has stopped already, or it listens "
        "elsewhere (--port, --uds; on the pod's address only: --url)",
    )


def _judge(label: str, status: int, headers: dict[str, str], body: bytes) -> tuple[int, str]:
    if status == 403:  # noqa: PLR2004 - Forbidden
        return NOT_ALLOWED, (
            f"{label} refuses (403): give the application's token (--token, LIFECYCLE_SHUTDOWN_TOKEN), "
            "or ask from an address that it allows (LIFECYCLE_ALLOW)"
        )
    report = _report(body) if status in {200, 500} else None
    if report is not None:
        return (STOPPED if status == 200 else FAILED), _line(report)  # noqa: PLR2004 - 200 OK, as HTTP says
    found = {
        404: "404: is LifecycleMiddleware installed, and at this path?",
        405: "405: is this the path of another endpoint?",
        503: "503: is this another application, or a proxy in front of it?",
    }.get(status, f"{status} and not with a report: is the address right?")
    if 300 <= status < 400:  # noqa: PLR2004 - redirects
        found = f"{status}, to {_plain(headers.get('location', 'nowhere'))}: give that as --url"
    return NOT_OURS, f"{label} answered {found}"


def _report(body: bytes) -> _Report | None:
    # Takes longer than all the rest together; by now the application has stopped, and nobody waits.
    import json

    try:
        report: _Report | list[object] | None = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) and "exit_status" in report else None


def _line(report: _Report) -> str:
    failures = _items(report, "failures")
    work = f"{_number(report, 'finished'):g} finished, {_number(report, 'refused'):g} refused"
    parts = [
        f"{report.get('outcome', 'stopped')} (exit status {report['exit_status']})",
        f"{_number(report, 'used'):.1f} s of {_number(report, 'granted'):g} s used",
        f"{work}, {len(_items(report, 'abandoned'))} abandoned",
        *(str(failure) for failure in failures[:3]),
    ]
    return _plain("; ".join(parts))


def _number(report: _Report, key: str) -> float:
    value = report.get(key)
    return value if isinstance(value, int | float) else 0


def _items(report: _Report, key: str) -> list[object]:
    value = report.get(key)
    return value if isinstance(value, list) else []


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:1000])
