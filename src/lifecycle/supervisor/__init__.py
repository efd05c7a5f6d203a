"""PID 1 for programs that nobody can change. The standard library alone: it is copied and compiled by itself."""

from ._entry import main

__all__ = ["main"]
