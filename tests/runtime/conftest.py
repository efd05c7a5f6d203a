"""No settings but those that a test makes."""

import os

import pytest


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tuple(os.environ):
        if name.startswith("LIFECYCLE_") or name in ("KUBERNETES_SERVICE_HOST", "HOST_IP"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def last_resort(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the timer in C was set to: it would end the tests, and is pytest's own for tests that hang."""
    asked: list[float] = []

    class Timer:
        @staticmethod
        def dump_traceback_later(seconds: float, **_: object) -> None:
            asked.append(seconds)

        @staticmethod
        def cancel_dump_traceback_later() -> None: ...

    monkeypatch.setattr("lifecycle.runtime._watchdog.faulthandler", Timer)
    return asked
