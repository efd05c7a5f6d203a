"""No settings but those that a test makes."""

import os

import pytest


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tuple(os.environ):
        if name.startswith("LIFECYCLE_") or name in ("KUBERNETES_SERVICE_HOST", "HOST_IP"):
            monkeypatch.delenv(name)
