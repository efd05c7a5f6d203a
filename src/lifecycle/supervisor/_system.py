"""The system calls, by their short way in.

`import signal` builds its enumerations for 8 ms and `os` maps the environment twice; the built-in modules
under them cost nothing and are in every build, the static one too. The types are those of the long names.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os as posix
    import signal
else:
    import _signal as signal
    import posix

__all__ = ["environment", "posix", "signal"]


def environment() -> dict[str, str]:
    """The environment as text; bytes that are no text survive as surrogates, there and back."""
    if TYPE_CHECKING:
        return dict(posix.environ)
    return {
        name.decode("utf-8", "surrogateescape"): value.decode("utf-8", "surrogateescape")
        for name, value in posix.environ.items()
    }
