"""What of this machine's /tmp is seen in a container, which has a /tmp of its own: its program, and what that imports."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from lifecycle.rehearse._recipe import Recipe

TMP: Final = "/tmp"  # noqa: S108 - this machine's
MENTIONED: Final = re.compile(rf"{TMP}/[^\s'\"=:;,]+")
SEARCHED: Final = (
    "PATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "NODE_PATH",
)
"""Variables with folders in which programs look for what they are made of."""
POINTERS: Final = ("*.pth", "*.egg-link", "__editable__*.py")
"""Files of an installation that point elsewhere: a project that was installed with `--editable`."""


def seen_in_tmp(recipe: Recipe, folder: Path) -> list[str]:
    """The folders directly below /tmp: with all that is beside a program, for it may need that."""
    program = Path(shutil.which(recipe.argv[0], path=recipe.env.get("PATH")) or recipe.argv[0])
    files = (Path(found) for word in recipe.argv for found in MENTIONED.findall(word))
    wanted = [Path(recipe.cwd), folder, program, program.resolve()]
    wanted += (file for file in files if file.is_file())
    for name in SEARCHED:
        wanted += map(Path, recipe.env.get(name, "").split(os.pathsep))
    wanted += _pointed(program)
    inside = [one.relative_to(TMP) for one in wanted if one.is_relative_to(TMP)]
    tops = {Path(TMP, one.parts[0]) for one in inside if one.parts}
    return sorted(str(top) for top in tops if top.is_dir())


def _pointed(program: Path) -> Iterator[Path]:
    """Where the interpreter of a program, and what is installed beside it, point to."""
    for prefix in dict.fromkeys(one.parent.parent for one in (program, program.resolve())):
        installed = [prefix / "pyvenv.cfg"]
        for pattern in POINTERS:
            installed += prefix.glob(f"lib/python*/site-packages/{pattern}")
        for file in installed:
            with suppress(OSError):
                yield from map(Path, MENTIONED.findall(file.read_text(errors="replace")))
    with suppress(OSError), program.open("rb") as script:
        if (line := script.readline(MAX_SHEBANG)).startswith(b"#!"):
            yield from map(Path, MENTIONED.findall(line.decode(errors="replace")))


MAX_SHEBANG: Final = 256
"""Bytes of a first line that the kernel reads."""
