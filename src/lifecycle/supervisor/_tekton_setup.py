"""What the init containers of a Tekton task call: exact words in an exact number, else it is a program.

`init SRC DST [STEP…]` and `cp SRC DST` copy the entrypoint, `step-init [STEP…]` links the steps, `decode-script FILE`
writes a script.
"""

from binascii import a2b_base64

from . import _markers
from ._errors import write_line
from ._install import install
from ._system import posix

RUNS = "/tekton/run"
STEPS = "/tekton/steps"


def subcommand(words: list[str]) -> int | None:
    if (words[0] == "init" and len(words) >= 3) or (words[0] == "cp" and len(words) == 3):
        status = install(words[2], source=words[1])
        if words[0] == "init":
            _link_steps(words[3:])
        return status
    if words[0] == "step-init":
        _link_steps(words[1:])
        return 0
    if words[0] == "decode-script" and len(words) == 2:
        content = _markers.read(words[1], 1 << 24)
        if content is None:
            write_line(f"cannot read {words[1]}")
            return 1
        _markers.write(words[1], a2b_base64(content), mode=posix.stat(words[1]).st_mode & 0o777)
        return 0
    return None


def _link_steps(steps: list[str]) -> None:
    """Each step's folder, under its number and under its name."""
    for number, step in enumerate(steps):
        for link in (str(number), step):
            _link(f"{RUNS}/{number}/status", f"{STEPS}/{link}")


def _link(target: str, path: str) -> None:
    try:
        _markers.make_folders(_markers.parent(path))
        posix.symlink(target, path)
    except FileExistsError:
        pass  # A pod that restarted runs its init containers again.
