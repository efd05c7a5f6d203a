"""The virtual clock is the library's own, `lifecycle.testing`: here are its names for the tests."""

from lifecycle.testing import flowing
from lifecycle.testing import on_virtual_clock as backend

__all__ = ["backend", "flowing"]
