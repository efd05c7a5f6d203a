"""A life played in a test: on a virtual clock, without processes, with or without pytest."""

from lifecycle.testing._clock import flowing, on_virtual_clock, run_virtual
from lifecycle.testing._exchange import (
    NEAR,
    Answer,
    Conversation,
    Exchange,
    Headers,
    Socket,
    make_scope,
)
from lifecycle.testing._running import Running, running
from lifecycle.testing._serving import Serving, serving
from lifecycle.testing._verdicts import (
    assert_clean,
    assert_inside_budget,
    assert_nothing_lost,
    outcomes,
)

__all__ = [
    "Answer",
    "Conversation",
    "Exchange",
    "Headers",
    "NEAR",
    "Running",
    "Serving",
    "Socket",
    "assert_clean",
    "assert_inside_budget",
    "assert_nothing_lost",
    "flowing",
    "make_scope",
    "on_virtual_clock",
    "outcomes",
    "run_virtual",
    "running",
    "serving",
]
