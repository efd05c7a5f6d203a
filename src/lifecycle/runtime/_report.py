"""Where the report goes."""

import os
from pathlib import Path

from lifecycle.core import TERMINATION_LOG, TERMINATION_MESSAGE_LIMIT, Report


def report_path(setting: Path | None) -> Path | None:
    """The file that was set; else the termination message, where a runtime has mounted one."""
    if setting is not None:
        return setting
    return TERMINATION_LOG if TERMINATION_LOG.exists() else None


def write_report(report: Report, path: Path | None) -> OSError | None:
    """Write `report` as one JSON object; what went wrong is returned, for it must cost nobody the exit.

    In place, not by rename: the termination message is a mounted file, which cannot be replaced. Not blocking: a path
    that is a FIFO without a reader must not hold the process. The watchdog calls this too, so no lock is taken.
    """
    if path is None:
        return None
    try:
        descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NONBLOCK, 0o644
        )
        try:
            os.write(descriptor, report.to_json(limit=TERMINATION_MESSAGE_LIMIT).encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        return error
    return None
