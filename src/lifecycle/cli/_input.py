"""A manifest, read from the file that a command line names."""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lifecycle.kube import Manifest


def read_file(file: str) -> "Manifest":
    """What stands in `file`, or comes from standard input: `-`.

    Raises:
        ManifestError: It cannot be read, is no manifest, or is empty.
    """
    from lifecycle.core import ManifestError
    from lifecycle.kube import read_manifest

    name = shown(file)
    try:
        source = _bytes(file)
    except IsADirectoryError:
        raise ManifestError(
            f"it is a directory: give the files in it, {name.rstrip('/')}/*.yaml", file=name
        ) from None
    except OSError as error:
        raise ManifestError(f"it cannot be read: {error.strerror}", file=name) from None
    manifest = read_manifest(source, name)
    if not manifest.objects:
        raise ManifestError(
            "there is nothing in it: did the command before this one print a manifest?", file=name
        )
    return manifest


def _bytes(file: str) -> bytes:
    """At most one more than are read of a manifest, whose reader then says so."""
    from lifecycle.kube import MAX_BYTES

    if file != "-":
        with open(file, "rb") as stream:  # noqa: PTH123 - Path("") is this folder
            return stream.read(MAX_BYTES + 1)
    # Python has none where it was started with a closed one.
    if sys.stdin is None:
        return b""
    return sys.stdin.buffer.read(MAX_BYTES + 1)


def shown(file: str) -> str:
    """The name for messages: a file's name is bytes, and need not be text."""
    if file == "-":
        return "<stdin>"
    return os.fsencode(file).decode("utf-8", "replace") or "''"
