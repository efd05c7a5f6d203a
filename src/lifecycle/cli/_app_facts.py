"""An application's own numbers, by its name. It is imported in a process of its own: a broken one cannot break us."""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lifecycle.core import Endpoints, SettingsError
from lifecycle.kube import AppFacts, HookFacts

TAIL_BYTES = 8192
"""Of what the application wrote, enough to say where it hangs."""
START_LIMIT = 60.0
"""Seconds until Python and this library are there, on the slowest machine."""
LAST_WORDS = 2.0
"""Seconds for a process to say where it hangs."""
FRAME = re.compile(r'File "(?P<file>[^"<]+)", line (?P<line>\d+)')


def load_facts(
    target: str,
    *,
    environment: Mapping[str, str],
    app_dir: str = "",
    factory: bool = False,
    timeout: float = 20,
) -> AppFacts:
    """Import `target`, `module:life` or `module:app`, within `timeout` seconds, and ask it.

    Raises:
        SettingsError: It could not be imported, or there is no lifecycle; the message says why.
    """
    answer = _answer(target, environment, app_dir, "factory" if factory else "", timeout)
    if "error" in answer:
        raise SettingsError(answer["error"])
    return AppFacts(
        target=target,
        arguments=answer["arguments"],
        variables=answer["variables"],
        endpoints=Endpoints(**answer["endpoints"]),
        serves=answer["serves"],
        hooks=tuple(HookFacts(**hook) for hook in answer["hooks"]),
    )


def _answer(
    target: str, environment: Mapping[str, str], app_dir: str, factory: str, timeout: float
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="lifecycle-") as name:
        result, output = Path(name, "result"), Path(name, "output")
        begins, begun = os.pipe()
        command = [
            # -P: a file in this folder, such as click.py, must not stand in front of what we import.
            *(sys.executable, "-P", "-m", "lifecycle.cli._app_child"),
            *(str(begun), str(result), app_dir, factory, target),
        ]
        with output.open("wb") as file:
            process = subprocess.Popen(  # noqa: S603 - our own program; the application's name is one of its words
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[begun],
            )
        os.close(begun)
        try:
            # What our own part of the start takes is not the application's.
            with os.fdopen(begins, "rb", buffering=0) as pipe:
                select.select([pipe], [], [], START_LIMIT)
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # It says where it is.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LAST_WORDS)
            raise SettingsError(
                f"importing {target} took longer than {timeout:g} s{_hangs_at(output, app_dir)}: what waits, connects or"
                ' serves belongs into a hook, or under if __name__ == "__main__"; or give it more (--app-timeout)'
            ) from None
        finally:
            # With all that the import has started.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        try:
            answer: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            how = f"with status {status}" if status >= 0 else f"by {_signal(-status)}"
            raise SettingsError(
                f"importing {target} ended the process {how}, before anything could be asked{_last_line(output)}"
            ) from None
        return answer


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tail(output: Path) -> str:
    with output.open("rb") as file:
        file.seek(max(0, output.stat().st_size - TAIL_BYTES))
        return file.read().decode(errors="replace")


def _hangs_at(output: Path, app_dir: str) -> str:
    frames = [(match["file"], match["line"]) for match in FRAME.finditer(_tail(output))]
    root = Path(app_dir or ".").resolve()
    theirs = [frame for frame in frames if Path(frame[0]).resolve().is_relative_to(root)]
    for file, line in (theirs or frames)[:1]:
        return f" (it hangs at {file}:{line})"
    return ""


def _last_line(output: Path) -> str:
    lines = [line for line in _tail(output).splitlines() if line.strip()]
    printable = (
        "".join(letter if letter.isprintable() else "?" for letter in lines[-1][:200])
        if lines
        else ""
    )
    return f": {printable}" if printable else ""
