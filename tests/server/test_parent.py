"""When a worker ends by itself: how soon it is replaced, and when nobody tries any more."""

import time
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from lifecycle import ExitStatus
from lifecycle.core import read_settings
from lifecycle.runtime import EarlySignals
from lifecycle.server._parent import STEADY_AFTER, TRIES, Parent


class Starting(Parent):
    """Starts nothing, and notes when it would have."""

    def __init__(self) -> None:
        super().__init__("shop:app", [], 2, read_settings({}, {}), {}, EarlySignals())
        self.started_at: list[float] = []

    async def _start(self) -> Any:
        self.started_at.append(anyio.current_time())
        self._workers.append(worker())
        return self._workers[-1]

    async def end(self, ended: Any) -> float:
        """A worker ends: the seconds until it is replaced."""
        began = anyio.current_time()
        await self._replace(ended, 1)
        self._workers.pop()
        return self.started_at[-1] - began


def worker(*, ready_for: float | None = None) -> Any:
    ready_at = None if ready_for is None else time.monotonic() - ready_for
    return SimpleNamespace(ready_at=ready_at, replaced=False, stop=lambda _: None)


@pytest.fixture
def parent() -> Any:
    made = Starting()
    made._workers.append(worker())
    made._ever_ready = True
    yield made
    made._relay.close()


async def test_one_that_crashes_whenever_it_is_ready_is_replaced_ever_more_slowly(
    parent: Starting,
) -> None:
    pauses = [await parent.end(worker(ready_for=1)) for _ in range(8)]
    assert pauses == pytest.approx([0.5, 1, 2, 4, 8, 16, 30, 30])


async def test_one_that_was_steady_is_replaced_at_once_again(parent: Starting) -> None:
    for _ in range(3):
        await parent.end(worker(ready_for=1))
    assert await parent.end(worker(ready_for=STEADY_AFTER + 1)) == pytest.approx(0.5)


async def test_nobody_tries_for_ever(parent: Starting) -> None:
    for _ in range(TRIES - 1):
        await parent.end(worker())
    assert not parent._stopping.is_set()
    await parent._replace(worker(), 1)
    assert parent._stopping.is_set()
    assert parent._status == ExitStatus.START_FAILED


async def test_where_nobody_has_ever_been_ready_the_first_failure_is_enough(
    parent: Starting,
) -> None:
    parent._ever_ready = False
    await parent._replace(worker(), 1)
    assert parent._status == ExitStatus.START_FAILED


async def test_one_too_many_is_not_replaced(parent: Starting) -> None:
    """As where a rolling replacement has started it beside the old ones, and it is wrong each time."""
    parent._workers.append(worker())
    for _ in range(TRIES + 1):
        await parent._replace(worker(), 1)
    assert parent.started_at == []
    assert not parent._stopping.is_set(), "those that serve were stopped"
