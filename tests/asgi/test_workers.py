"""Workers among themselves, as far as one process can play them; tests/process has real ones."""

import logging
import os
import socket
import sys

import anyio
import anyio.lowlevel
import pytest

from lifecycle import Lifecycle
from lifecycle.asgi import _workers
from lifecycle.asgi._workers import Workers
from tests.support.clock import flowing

PARENT = os.getppid()


async def test_alone_there_is_nobody_to_ask_and_nothing_to_listen_on() -> None:
    async with Workers(Lifecycle(), None).open() as workers:
        assert await workers.stop_all() == []
        assert os.getpid() not in _workers._siblings(os.getpid())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="abstract sockets are Linux's own")
async def test_a_worker_is_found_under_its_parent_and_only_there() -> None:
    names = [_workers._name(PARENT, 4_000_001), _workers._name(os.getpid(), 4_000_002)]
    sockets = [socket.socket(socket.AF_UNIX) for _ in names]
    try:
        for name, bound in zip(names, sockets, strict=True):
            bound.bind(name)
            bound.listen()
        assert 4_000_001 in _workers._siblings(PARENT)
        assert 4_000_002 not in _workers._siblings(PARENT)
        assert 4_000_002 in _workers._siblings(os.getpid())
    finally:
        for bound in sockets:
            bound.close()


def test_a_name_holds_when_its_parent_started_so_that_a_reused_number_is_no_parent() -> None:
    assert _workers._name(PARENT, 1).split("/")[2].isdigit()
    assert _workers._started(2**30) == "?"
    assert _workers._parent_of(os.getpid()) == PARENT
    assert _workers._parent_of(2**30) is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="abstract sockets are Linux's own")
async def test_a_name_that_is_taken_costs_the_others_but_not_the_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.socket(socket.AF_UNIX) as squatter:
        squatter.bind(_workers._name(PARENT, os.getpid()))
        async with Workers(Lifecycle(), PARENT).open() as workers:
            assert await workers.stop_all() == []
    (said,) = [record.getMessage() for record in caplog.records]
    assert said == "/shutdown stops one worker only: no socket to the others"


async def test_where_there_are_no_such_sockets_it_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    caplog.set_level(logging.WARNING, "lifecycle")
    async with Workers(Lifecycle(), PARENT).open() as workers:
        assert await workers.stop_all() == []
    (said,) = [record.getMessage() for record in caplog.records]
    assert "workers can reach each other on Linux alone" in said


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="abstract sockets are Linux's own")
@pytest.mark.parametrize(
    ("uid", "parent", "believed"),
    [(os.getuid(), PARENT, True), (os.getuid() + 1, PARENT, False), (os.getuid(), 1, False)],
)
async def test_only_the_same_user_with_the_same_parent_is_believed(
    uid: int, parent: int, believed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: uid)
    if parent != PARENT:
        monkeypatch.setattr(_workers, "_parent_of", lambda _pid: parent)
    with flowing(), socket.socket(socket.AF_UNIX) as listener:
        name = _workers._name(PARENT, 4_000_003)
        listener.bind(name)
        listener.listen()
        async with await _workers._connect(name) as stream:
            assert Workers(Lifecycle(), PARENT)._is_sibling(stream) == believed
        await anyio.lowlevel.checkpoint()
