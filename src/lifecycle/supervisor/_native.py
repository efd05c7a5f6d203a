"""prctl(2), which Python does not offer.

The static executable has it built in. Elsewhere it is called through `_ctypes`, without the `ctypes` package on
top of it, which costs as much as our whole start. Where neither works (a libc without dlopen, a seccomp filter)
the caller gets False, says so once, and goes on.
"""

import sys

from ._system import TYPE_CHECKING

STATIC = "_supervisor" in sys.builtin_module_names
if TYPE_CHECKING:

    def prctl(option: int, value: int) -> int: ...
    def original_mask() -> set[int]: ...
    def own_memory() -> None: ...

elif STATIC:
    from _supervisor import original_mask, own_memory, prctl
else:

    def original_mask() -> set[int]:
        return set()

    def own_memory() -> None:
        """Where faults are a small part of the way that a signal takes."""

    def prctl(option: int, value: int) -> int:
        import _ctypes

        address = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")
        return _ctypes.call_function(address, (option, value, 0, 0, 0))


# From <linux/prctl.h>.
SET_PDEATHSIG = 1
SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> bool:
    """Become the parent of whatever our descendants leave behind."""
    return _try(SET_CHILD_SUBREAPER, 1)


def die_with_parent(signal_number: int) -> bool:
    """Cleared by the exec of a set-user-id program; counted from the parent's *thread*, so no threads there."""
    return _try(SET_PDEATHSIG, signal_number)


def _try(option: int, value: int) -> bool:
    try:
        return prctl(option, value) == 0
    except (ImportError, OSError, ValueError):
        return False
