"""Programs without HTTP in real processes; see `tests/process/apps/program.py`."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.servers import ROOT, Server, end_group, environment


class Program(Server):
    """A running program. `program` makes one."""

    @property
    def report(self) -> dict[str, Any]:
        """What it left behind for the kubelet: nothing, if it could not."""
        path = self._folder / "report"
        report: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return report

    def events(self) -> list[str]:
        return [note.event for note in self.journal()]

    def seconds_since(self, event: str, until: float) -> float:
        return until - self.journal(event)[0].at


@contextmanager
def program(
    trouble: str,
    backend: str = "asyncio",
    *,
    prefix: Sequence[str] = (),
    module: str = "tests.process.apps.program",
    stderr: int | None = None,
    **settings: str,
) -> Iterator[Program]:
    """`python -m module trouble backend`, behind a `prefix`; `settings` go into its environment."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = environment(
            JOURNAL=str(folder / "journal"),
            LIFECYCLE_REPORT_FILE=str(folder / "report"),
            **settings,
        )
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(
                [*prefix, sys.executable, "-m", module, trouble, backend],
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if stderr is None else stderr,
                start_new_session=True,
            )
        try:
            yield Program(process, 0, folder)
        finally:
            end_group(process)
