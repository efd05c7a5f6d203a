"""What the tests of this layer share: settings as bare as they come, and no watchdog."""

import os
from collections.abc import Iterator

import pytest

import lifecycle.runtime._host
from lifecycle.runtime._signals import SignalRelay


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith("LIFECYCLE_") or name in ("KUBERNETES_SERVICE_HOST", "HOST_IP"):
            monkeypatch.delenv(name)
    relays: list[SignalRelay] = []

    class Asleep:
        """In place of the watchdog, which counts real seconds and ends the process; tests/process has the real one."""

        ends_process = True
        expired = False

        def __init__(self, relay: SignalRelay, *rest: object, **more: object) -> None:
            relays.append(relay)

        def start(self) -> None: ...
        def arm(self, seconds: float) -> None: ...
        def stop(self) -> None: ...

    monkeypatch.setattr(lifecycle.runtime._host, "Watchdog", Asleep)
    yield
    for relay in relays:
        # Where work is stuck the watchdog stays, and the relay with it: there the process would end now.
        relay.close()
