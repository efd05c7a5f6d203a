"""Finds the samples in a page, and runs them as a reader would: from files, in a folder of their own.

* A `python` block is a program, and is run. One whose first line is `# name.py` is saved under that name and imported,
  so that later blocks of the page can use it and its `if __name__ == "__main__"` is not run; `# test_name.py` is
  given to pytest.
* A `console` block is a session: `$ ` begins a command, the lines below are what it prints, `...` stands for anything,
  and a duration (`0.25 s`) for any.
  It is run if each command is `python` or `lifecycle`; what needs a cluster, or runs until stopped, is only shown, and
  so is a session that says where it takes place (`# the second terminal`): the tutorial has a test of its own.
* A block that cannot run says so in words that a reader understands too: `# fragment` is its first line. It is still
  compiled.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.servers import unmeasured

FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>```+)(?P<language>\w+)\n(?P<text>.*?)^(?P=indent)(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)
FILE_NAME = re.compile(r"# (?P<name>[\w/]+\.\w+)\n")
DURATION = re.compile(r" *\d+\.\d+ s\b")
WARNINGS = ["-W", "error", "-W", "ignore:Using `httpx` with `starlette.testclient`"]
"""Warnings are errors; but the newest Starlette would like its next client, which the oldest does not know."""
PATIENCE = 60
"""Seconds after which a sample is taken for hung."""


class Sample(NamedTuple):
    line: int
    language: str
    text: str

    @property
    def name(self) -> str | None:
        match = FILE_NAME.match(self.text)
        return match["name"] if match else None


def samples(page: str) -> Iterator[Sample]:
    for match in FENCE.finditer(page):
        indent = match["indent"]
        text = re.sub(rf"^{indent}", "", match["text"], flags=re.MULTILINE)
        yield Sample(page.count("\n", 0, match.start()) + 1, match["language"], text)


def pages(root: Path) -> list[Path]:
    """Every page with something to run."""
    found = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    return [
        page for page in found if any(runs(sample) for sample in samples(page.read_text("utf-8")))
    ]


def runs(sample: Sample) -> bool:
    return sample.language == "python" or (sample.language == "console" and bool(session(sample)))


def session(sample: Sample) -> list[tuple[str, str]]:
    """Each command of a console block with what it prints, or nothing if it is only to be shown."""
    alone = not sample.text.startswith("# ")
    steps = commands(sample.text)
    runs_here = all(command.split()[0] in {"python", "lifecycle"} for command, _ in steps)
    return steps if alone and runs_here else []


def commands(text: str) -> list[tuple[str, str]]:
    """Each command of a session with what it prints."""
    return re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)


def faults(page: str, folder: Path) -> list[str]:
    """What goes wrong when the samples of a page are run one after the other in `folder`."""
    return [
        f"line {sample.line}: {fault}"
        for sample in samples(page)
        for fault in _faults(sample, folder)
    ]


def _faults(sample: Sample, folder: Path) -> Iterator[str]:
    if sample.language == "python":
        yield from _python(sample, folder)
    elif sample.language == "console":
        for command, output in session(sample):
            words = shlex.split(command)
            program = {
                "python": [sys.executable],
                "lifecycle": [sys.executable, "-m", "lifecycle"],
            }
            status, printed = _run([*program[words[0]], *words[1:]], folder)
            if not fits(output, printed):
                yield f"{command}: printed\n{printed}instead of\n{output}(status {status})"
    elif sample.name is not None:
        _save(sample, folder)


def _python(sample: Sample, folder: Path) -> Iterator[str]:
    if sample.text.startswith("# fragment"):
        try:
            compile(sample.text, "fragment", "exec")
        except SyntaxError as error:
            yield str(error)
        return
    if sample.name is None:
        command = ["-c", sample.text]
    else:
        path = _save(sample, folder)
        module = ".".join(path.relative_to(folder).with_suffix("").parts)
        test = path.name.startswith("test_")
        command = ["-m", "pytest", "-q", path.name] if test else ["-c", f"import {module}"]
    status, printed = _run([sys.executable, *WARNINGS, *command], folder)
    if status:
        yield f"ended with status {status}\n{printed}"


def _save(sample: Sample, folder: Path) -> Path:
    assert sample.name is not None
    path = folder / sample.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(sample.text, encoding="utf-8")
    return path


def _run(command: list[str], folder: Path) -> tuple[int, str]:
    result = subprocess.run(
        command,
        cwd=folder,
        env={
            **unmeasured(os.environ),
            "PYTHONPATH": os.pathsep.join([str(folder), os.getenv("PYTHONPATH", "")]),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return result.returncode, result.stdout


def fits(expected: str, printed: str) -> bool:
    """Whether `printed` is what was expected; `...` stands for anything, and a duration for any."""
    expected, printed = (DURATION.sub(" 0.0 s", text.strip()) for text in (expected, printed))
    pattern = ".*".join(re.escape(part) for part in expected.split("..."))
    return re.fullmatch(pattern, printed, re.DOTALL) is not None
