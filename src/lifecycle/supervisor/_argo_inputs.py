"""Where Argo runs without init containers: what a step takes in is linked to where its template wants it.

Argo's supervisor has put each artifact under its name; one that lies on a volume of the template is there already. What an image
has in that place gives way if it is a file or an empty folder. Anything more is not ours to remove.
"""

from . import _markers
from ._argo_outputs import listed, mounts
from ._system import TYPE_CHECKING, posix

if TYPE_CHECKING:
    from ._json import JSON


def link(template: "JSON", folder: str) -> None:
    """
    Raises:
        OSError: An artifact cannot be where it is wanted.
    """
    volumes = mounts(template)
    for name, path in listed(template, "inputs"):
        source = f"{folder}/{name}"
        if _is_there(source):
            _markers.make_folders(_markers.parent(path), 0o755)
            _make_room(path, volumes)
            posix.symlink(source, path)


def _is_there(path: str) -> bool:
    try:
        posix.lstat(path)
    except OSError:
        return False
    return True


def _make_room(path: str, volumes: list[str]) -> None:
    if not _is_there(path):
        return
    inside = next((each for each in volumes if f"{path}/".startswith(f"{each}/")), None)
    if inside is not None or any(each.startswith(f"{path}/") for each in volumes):
        raise OSError(17, "an artifact would replace what is on a volume", path)
    try:
        posix.unlink(path)
    except IsADirectoryError:
        posix.rmdir(path)
