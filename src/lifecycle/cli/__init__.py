"""The command line."""

from lifecycle.cli._main import main

__all__ = ["main"]
