"""What Argo's wait container collects when the main container has ended: parameters as files, artifacts as tarballs.

Paths below a volume of the template are left alone, as Argo sees those itself. A file that is not there is not an
error here: outputs may be optional, and Argo decides.
"""

from . import _markers
from ._system import TYPE_CHECKING, posix

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._json import JSON

    Write = Callable[[bytes], None]
    Fill = Callable[[str, Write], None]

BLOCK = 512
CHUNK_BYTES = 1 << 16
# What fits into eleven octal digits.
LARGEST = 8**11 - 1
FILE, LINK, FOLDER, MORE = b"0", b"2", b"5", b"x"
KINDS = {0o100000: FILE, 0o120000: LINK, 0o040000: FOLDER}
GZIP = 31  # wbits of zlib: the largest window, with the header of gzip


def save(template: "JSON", folder: str) -> None:
    """
    Raises:
        OSError: Something that is there could not be read, or not be written.
    """
    volumes = mounts(template)
    outputs = _get(template, "outputs")
    for parameter in _all(outputs, "parameters"):
        path = _get(_get(parameter, "valueFrom"), "path")
        if isinstance(path, str) and _is_ours(path, volumes):
            _save(path, f"{folder}/parameters/{path.lstrip('/')}", _copy)
    for _, path in listed(template, "outputs"):
        if _is_ours(path, volumes):
            _save(path, f"{folder}/artifacts/{path.lstrip('/')}.tgz", _pack)


def listed(template: "JSON", kind: str) -> list[tuple[str, str]]:
    """The artifacts among the `inputs` or `outputs`, by name, and where each is wanted."""
    found: list[tuple[str, str]] = []
    for artifact in _all(_get(template, kind), "artifacts"):
        name, path = _get(artifact, "name"), _get(artifact, "path")
        if isinstance(name, str) and isinstance(path, str) and path:
            found.append((name, path.rstrip("/")))
    return found


def _is_ours(path: str, volumes: list[str]) -> bool:
    below = any(path == mount or path.startswith(f"{mount}/") for mount in volumes)
    return bool(path) and not below and _markers.is_there(path)


def mounts(template: "JSON") -> list[str]:
    found = [
        _get(mount, "mountPath")
        for kind in ("container", "script", "containerSet")
        for mount in _all(_get(template, kind), "volumeMounts")
    ]
    return [path.rstrip("/") for path in found if isinstance(path, str)]


def _save(source: str, target: str, fill: "Fill") -> None:
    _markers.make_folders(_markers.parent(target), 0o755)
    descriptor = posix.open(
        target, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o644
    )
    try:
        fill(source, lambda content: _markers.write_all(descriptor, content))
    finally:
        posix.close(descriptor)


def _copy(source: str, write: "Write") -> None:
    descriptor = posix.open(source, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        while chunk := posix.read(descriptor, CHUNK_BYTES):
            write(chunk)
    finally:
        posix.close(descriptor)


def _pack(source: str, write: "Write") -> None:
    import zlib

    packer = zlib.compressobj(wbits=GZIP)

    def pack(content: bytes) -> None:
        write(packer.compress(content))

    _add(source, source.rpartition("/")[2], pack)
    pack(bytes(2 * BLOCK))
    write(packer.flush())


def _add(path: str, name: str, pack: "Write") -> None:
    status = posix.lstat(path)
    kind = KINDS.get(status.st_mode & 0o170000)
    if kind is None:
        return  # A socket, a pipe or a device is nothing to keep.
    size = status.st_size if kind == FILE else 0
    target = posix.readlink(path) if kind == LINK else ""
    _describe(name + ("/" if kind == FOLDER else ""), target, kind, size, status, pack)
    if kind == FILE:
        _fill(path, size, pack)
    elif kind == FOLDER:
        for entry in sorted(posix.listdir(path)):
            _add(f"{path}/{entry}", f"{name}/{entry}", pack)


def _fill(path: str, size: int, pack: "Write") -> None:
    """So much as the header said, also of a file that somebody still writes."""
    left = size

    def some(chunk: bytes) -> None:
        nonlocal left
        pack(chunk[:left])
        left -= min(left, len(chunk))

    _copy(path, some)
    pack(bytes(left + -size % BLOCK))


def _describe(
    name: str, target: str, kind: bytes, size: int, status: "posix.stat_result", pack: "Write"
) -> None:
    """The header of an entry; before it, what does not fit there: POSIX.1-2001, pax interchange format."""
    records = b""
    for key, text in (("path", name), ("linkpath", target)):
        if len(_bytes(text)) > 100 or not text.isascii():
            records += _record(key, text)
    if size > LARGEST:
        records += _record("size", str(size))
    if records:
        pack(_header(b"pax", b"", MORE, len(records), 0o644, 0))
        pack(records + bytes(-len(records) % BLOCK))
    mtime = int(status.st_mtime)
    mode = status.st_mode & 0o7777
    pack(_header(_bytes(name), _bytes(target), kind, min(size, LARGEST), mode, mtime))


def _record(key: str, text: str) -> bytes:
    """Its length, which counts its own digits, then the key and the value."""
    content = b" " + key.encode() + b"=" + _bytes(text) + b"\n"
    length = len(content)
    while length != len(content) + len(str(length)):
        length = len(content) + len(str(length))
    return str(length).encode() + content


def _header(name: bytes, target: bytes, kind: bytes, size: int, mode: int, mtime: int) -> bytes:
    fields = (
        name[:100].ljust(100, b"\0"),
        b"%07o\0" % mode,
        b"%07o\0" % 0,
        b"%07o\0" % 0,
        b"%011o\0" % size,
        b"%011o\0" % max(mtime, 0),
        b" " * 8,
        kind,
        target[:100].ljust(100, b"\0"),
        b"ustar\00000",
    )
    block = b"".join(fields).ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _get(value: "JSON", name: str) -> "JSON":
    return value.get(name) if isinstance(value, dict) else None


def _all(value: "JSON", name: str) -> "list[JSON]":
    found = _get(value, name)
    return found if isinstance(found, list) else []
