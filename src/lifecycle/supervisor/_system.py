"""The system calls, by their short way in.

`import signal` builds its enumerations for 8 ms and `os` maps the environment twice; the built-in modules
under them cost nothing and are in every build, the static one too. The types are those of the long names.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os as posix
    import signal
    from typing import cast
else:
    import _signal as signal
    import posix

    def cast(kind: str, value: object) -> object:
        """`typing` costs more than all our imports together."""
        return value


__all__ = ["cast", "environment", "posix", "read", "signal"]


def environment() -> dict[str, str]:
    """The environment as text; bytes that are no text survive as surrogates, there and back."""
    variables: dict[bytes, bytes] = getattr(posix, "environ")  # noqa: B009 - bytes, unlike the `os.environ` that checkers see
    return {_text(name): _text(value) for name, value in variables.items()}


def read(path: str, limit: int = 65536) -> bytes:
    """The beginning of a file. `open` builds three objects for that, and the static executable does without it.

    Raises:
        OSError: There is nothing that can be read.
    """
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    try:
        return posix.read(descriptor, limit)
    finally:
        posix.close(descriptor)


def _text(words: bytes) -> str:
    # As the interpreter does with the command line, so that both come out again as they went in.
    return words.decode(sys.getfilesystemencoding(), "surrogateescape")
