"""What Python does not offer: prctl(2), unshare(2) before 3.12, and a start by vfork(2), which the static executable alone has.

It has all built in. Elsewhere the others are called through `_ctypes`, without the `ctypes` package on
top of it, which costs as much as our whole start. Where neither works (a libc without dlopen, a seccomp filter)
the caller gets False, says so once, and goes on.
"""

import sys

from ._system import TYPE_CHECKING, posix

STATIC = "_supervisor" in sys.builtin_module_names
if TYPE_CHECKING:

    def prctl(option: int, value: int) -> int: ...
    def original_mask() -> set[int]: ...
    def spawn(*launch: object) -> int: ...
    def unshare(flags: int) -> None: ...

elif STATIC:
    from _supervisor import original_mask, prctl, spawn, unshare
else:

    def original_mask() -> set[int]:
        return set()

    def spawn(*launch: object) -> int:
        raise NotImplementedError("only the static executable starts programs in C")

    def prctl(option: int, value: int) -> int:
        return _call("prctl", option, value, 0, 0, 0)

    def unshare(flags: int) -> None:
        """
        Raises:
            OSError: The system refuses.
        """
        if hasattr(posix, "unshare"):
            posix.unshare(flags)
        elif _call("unshare", flags) != 0:
            raise OSError(1, "the system refuses to give it namespaces of its own")

    def _call(name: str, *numbers: int) -> int:
        import _ctypes

        return _ctypes.call_function(_ctypes.dlsym(_ctypes.dlopen(None, 0), name), numbers)


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
