"""Every async test runs twice, on asyncio and on trio, both on a clock that jumps (see `lifecycle.testing`)."""

import signal
from typing import Any

import hypothesis
import pytest

from lifecycle.testing import on_virtual_clock

# A shell without job control starts what it runs in the background with the first two ignored, and nohup(1) the third;
# every child would inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGQUIT) is signal.SIG_IGN:
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A deadline per example, or for making one, measures the machine and not the code.
hypothesis.settings.register_profile(
    "house", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("house")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The backend for one test: `parametrize("anyio_backend", ["asyncio"], indirect=True)` for a single one."""
    return on_virtual_clock(request.param)
