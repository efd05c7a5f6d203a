"""The contract with uvicorn: what we override is there. `nox -s lowest` asks the oldest version that is supported."""

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lifecycle.server._arrivals import Arrivals
from lifecycle.server._uvicorn import (
    PRIVATE,
    PRIVATE_ATTRIBUTES_OF_PROTOCOLS,
    PRIVATE_OF_PROTOCOLS,
    Watched,
    missing,
    watched,
)


async def app(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nobody asks")


def test_this_uvicorn_has_every_name() -> None:
    assert missing(uvicorn.Server(uvicorn.Config(app))) == []


@pytest.mark.parametrize("name", PRIVATE)
def test_a_name_that_has_gone_is_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delattr(uvicorn.Server, name)
    assert missing(uvicorn.Server(uvicorn.Config(app))) == [name]


@pytest.mark.parametrize("protocol", [H11Protocol, HttpToolsProtocol])
def test_its_protocols_have_every_name(protocol: Any) -> None:
    assert all(callable(getattr(protocol, name, None)) for name in PRIVATE_OF_PROTOCOLS)

    async def made() -> list[str]:
        config = uvicorn.Config(app)
        config.load()
        state = uvicorn.Server(config).server_state
        instance = protocol(config=config, server_state=state, app_state={})
        return [name for name in PRIVATE_ATTRIBUTES_OF_PROTOCOLS if not hasattr(instance, name)]

    assert asyncio.run(made()) == []


def test_a_protocol_of_another_kind_is_served_as_it_is() -> None:
    class Other:
        pass

    arrivals = Arrivals(lambda: 0.0)
    assert watched(Other, arrivals, asyncio.Event()) is Other
    assert issubclass(watched(H11Protocol, arrivals, asyncio.Event()), Watched)
