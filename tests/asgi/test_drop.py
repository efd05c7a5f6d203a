"""Ending a request without any status; what servers really make of it is tried in tests/process."""

import sys
from types import ModuleType
from typing import Any

import pytest

from lifecycle.asgi._drop import drop_connection
from lifecycle.asgi._http import Message
from tests.support.asgi import Exchange


@pytest.fixture
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("granian", "hypercorn"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def exchange() -> Exchange:
    return Exchange({"type": "http", "path": "/post-start", "asgi": {"spec_version": "2.3"}})


@pytest.mark.usefixtures("_alone")
async def test_a_dropped_request_has_no_status_and_raises_nothing() -> None:
    dropped = exchange()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await drop_connection(scope, send)

    await dropped.run(app)
    assert dropped.error is None
    assert (await dropped.answer()).dropped


@pytest.mark.usefixtures("_alone")
@pytest.mark.parametrize(
    ("server", "statuses"), [("granian", [200, None]), ("hypercorn", [102]), ("uvicorn", [0])]
)
async def test_each_server_is_sent_what_makes_it_close(
    server: str, statuses: list[int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, server, ModuleType(server))
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await drop_connection({"path": "/post-start"}, send)
    assert [message.get("status") for message in sent] == statuses
