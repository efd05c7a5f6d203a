"""Where the threads of this process are, and which of a pool's are at work."""

import sys
import threading
import traceback
from collections import Counter
from types import FrameType
from typing import Final

POOLS: Final = ("AnyIO worker thread", "asyncio_")
"""Names of the threads that run synchronous endpoints, and what is passed to the loop's executor."""
DEEPEST: Final = 12
"""Frames of a stack that are told: the innermost."""


def stacks() -> dict[str, str]:
    """Where every other thread is, by its name."""
    return _told({ident: frame for ident, frame in _frames() if ident != threading.get_ident()})


def busy_threads() -> dict[str, str]:
    """The stacks of pools' threads that are at work."""
    return _told(_busy())


def any_busy() -> bool:
    """Whether a pool's thread is at work."""
    return bool(_busy())


def _frames() -> list[tuple[int, FrameType]]:
    return list(sys._current_frames().items())  # noqa: SLF001 - the documented way to other threads' frames


def _busy() -> dict[int, FrameType]:
    pools = {
        thread.ident: thread
        for thread in threading.enumerate()
        if thread.name.startswith(POOLS) and thread.ident is not None
    }
    return {
        ident: frame
        for ident, frame in _frames()
        if ident in pools and not _is_idle(pools[ident], frame)
    }


def _is_idle(thread: threading.Thread, frame: FrameType) -> bool:
    """Whether it waits for work: a thread of anyio's in its own queue, one of an executor's in its own loop."""
    if frame.f_code.co_name == "_worker" and "concurrent" in frame.f_code.co_filename:
        return True
    queue = getattr(thread, "queue", None)
    # `Queue.get`, and what that calls.
    waiting = (frame, frame.f_back, frame.f_back and frame.f_back.f_back)
    return queue is not None and any(
        place is not None and place.f_locals.get("self") is queue for place in waiting
    )


def _told(frames: dict[int, FrameType]) -> dict[str, str]:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    told: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for ident, frame in frames.items():
        name = names.get(ident, str(ident))
        seen[name] += 1
        # All of anyio's have one name.
        name = name if seen[name] == 1 else f"{name} ({seen[name]})"
        told[name] = "".join(traceback.format_stack(frame)[-DEEPEST:])
    return told
