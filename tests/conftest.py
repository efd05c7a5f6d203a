"""Every async test runs twice, on asyncio and on trio, both on a clock that jumps (see `tests/support/clock.py`)."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.clock import backend, flow_during_threads


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The backend for one test. Override it (`params=["asyncio"]`) where a library under test knows only one."""
    return backend(request.param)


@pytest.fixture(scope="session", autouse=True)
def _threads_take_real_time() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        flow_during_threads(patch)
        yield
