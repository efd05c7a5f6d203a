"""Standard output and standard error, each of which may be closed, full, or a pipe that nobody reads any more."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


def say(stream: "TextIO | None", text: str) -> None:
    """Write it, if that is possible: what is only told changes no exit status, least of all a hook's."""
    if stream is None:  # Python was started with a closed one
        return
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        silence(stream)


def silence(stream: "TextIO") -> None:
    """What is written from now on, and what Python still holds back, goes nowhere; else the exit would fail by it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
