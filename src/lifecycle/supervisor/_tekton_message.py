"""A step's termination message: a JSON list to which everything that reports something is added."""

from binascii import a2b_base64, b2a_base64
from time import gmtime, strftime

from . import _json, _markers
from ._errors import write_line
from ._system import TYPE_CHECKING, posix

if TYPE_CHECKING:
    from ._json import JSON

TASK_RESULT, INTERNAL_RESULT, STEP_RESULT, STEP_ARTIFACTS, TASK_ARTIFACTS = 1, 3, 4, 5, 6
MESSAGE_BYTES = 4096
# What Tekton writes before a message that is compressed.
COMPRESSED = b"tknz:"


def entry(key: str, value: str, kind: int) -> dict[str, object]:
    return {"key": key, "value": value, "type": kind}


def files(names: list[str], folder: str, kind: int) -> list[dict[str, object]]:
    """The results that were left; one that was not is no error."""
    found = ((name, _markers.read(f"{folder}/{name}")) for name in names)
    return [
        entry(name, text.decode("utf-8", "replace"), kind)
        for name, text in found
        if text is not None
    ]


def provenance(path: str, kind: int) -> list[dict[str, object]]:
    """The artifacts that were described, under the path of their description."""
    text = _markers.read(path)
    return [] if text is None else [entry(path, text.decode("utf-8", "replace"), kind)]


def moment(seconds: float) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03}Z"


def leave(path: str, results: list[dict[str, object]], *, compressed: bool) -> None:
    """
    Raises:
        OSError: It cannot be written, or Kubernetes would cut it.
    """
    if not (_markers.is_there(path) or _markers.is_folder(_markers.parent(path))):
        return
    message = _json.write([*_entries(_markers.read(path) or b""), *results]).encode()
    if compressed:
        message = COMPRESSED + _pack(message)
    if len(message) > MESSAGE_BYTES:
        write_line(f"{len(message)} bytes of results do not fit into a termination message")
        raise OSError(27, "File too large", path)
    descriptor = posix.open(
        path, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_NONBLOCK, 0o644
    )
    try:
        _markers.write_all(descriptor, message)
    finally:
        posix.close(descriptor)


def _entries(message: bytes) -> "list[JSON]":
    """What an earlier writer left, compressed or not."""
    try:
        if message.startswith(COMPRESSED):
            message = _unpack(message[len(COMPRESSED) :])
        found = _json.read(message.decode() or "[]")
    except ValueError:
        return []
    return found if isinstance(found, list) else []


def _pack(message: bytes) -> bytes:
    """Deflate without a header, base64 without padding."""
    import zlib

    packer = zlib.compressobj(9, wbits=-15)
    return b2a_base64(packer.compress(message) + packer.flush(), newline=False).rstrip(b"=")


def _unpack(text: bytes) -> bytes:
    import zlib

    try:
        return zlib.decompressobj(-15).decompress(a2b_base64(text + b"=="), 1 << 20)
    except zlib.error as failure:
        raise ValueError(str(failure)) from None
