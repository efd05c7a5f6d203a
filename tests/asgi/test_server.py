"""Which server this is, whether it hears signals through us, and how it is told to leave."""

import multiprocessing
import os
import signal
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import anyio
import pytest

from lifecycle import Lifecycle, LifecycleMiddleware, StopRequest
from lifecycle.asgi import _server
from lifecycle.asgi._server import ServerLink, parent_of_workers
from lifecycle.core import StopSource
from tests.support.asgi import serving
from tests.support.phases import hello


@pytest.fixture
def _no_gunicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERVER_SOFTWARE", raising=False)
    monkeypatch.delitem(sys.modules, "gunicorn.arbiter", raising=False)


@pytest.mark.usefixtures("_no_gunicorn")
def test_a_process_of_its_own_has_no_parent_that_would_replace_it() -> None:
    assert parent_of_workers() is None


@pytest.mark.usefixtures("_no_gunicorn")
def test_a_child_of_multiprocessing_is_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: SimpleNamespace(pid=42))
    assert parent_of_workers() == 42


@pytest.mark.parametrize(
    ("software", "imported", "is_worker"),
    [
        ("gunicorn/23.0.0", True, True),
        ("gunicorn/23.0.0", False, False),  # a child of an application under gunicorn
        ("uvicorn", True, False),
        ("", True, False),
    ],
)
@pytest.mark.usefixtures("_no_gunicorn")
def test_gunicorn_names_itself(
    software: str, imported: bool, is_worker: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_SOFTWARE", software)
    if imported:
        monkeypatch.setitem(sys.modules, "gunicorn.arbiter", ModuleType("gunicorn.arbiter"))
    assert parent_of_workers() == (os.getppid() if is_worker else None)


class Uvicorn:
    """What there is to see of uvicorn: a handler that is a method of who has `should_exit`."""

    def __init__(self) -> None:
        self.should_exit = False
        self.handled: list[int] = []

    def handle_exit(self, number: int, _frame: object) -> None:
        self.handled.append(number)


def link(handler: Any, *, installed: bool = True, request: StopRequest | None = None) -> ServerLink:
    """A link to a server whose handler of SIGTERM is `handler`."""
    relay = SimpleNamespace(
        previous={signal.SIGTERM: handler} if installed else {}, installed=installed
    )
    engine = SimpleNamespace(request=request, loop=SimpleNamespace(is_asyncio=True))
    host: Any = SimpleNamespace(relay=relay, engine=engine, terminated=anyio.Event())
    return ServerLink(host)


def asked_by(source: StopSource) -> StopRequest:
    return StopRequest("enough", source, None, 0.0)


async def test_uvicorn_is_told_by_its_flag_since_its_handler_would_raise_the_signal_again() -> None:
    server = Uvicorn()
    await link(server.handle_exit, request=asked_by(StopSource.SIGNAL)).leave()
    assert server.should_exit
    assert server.handled == []


async def test_a_server_that_began_the_stop_itself_is_not_told() -> None:
    server = Uvicorn()
    await link(server.handle_exit, request=asked_by(StopSource.SERVER)).leave()
    assert not server.should_exit


async def test_off_the_main_thread_nobody_is_told_and_nothing_is_signalled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raised: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", raised.append)
    monkeypatch.setattr(os, "kill", lambda *arguments: raised.append(arguments[1]))
    for source in StopSource:
        await link(None, installed=False, request=asked_by(source)).leave()
    assert raised == []


def test_a_server_that_was_told_to_stop_before_our_start_is_noticed() -> None:
    server = Uvicorn()
    assert not link(server.handle_exit).stopped_already()
    server.should_exit = True
    assert link(server.handle_exit).stopped_already()
    assert not link(signal.SIG_DFL).stopped_already()


@pytest.mark.parametrize(
    ("handler", "parent", "hears"),
    [
        (Uvicorn().handle_exit, None, True),
        (Uvicorn().handle_exit, 42, True),
        (lambda *_: None, 42, True),
        (signal.SIG_DFL, None, True),
        (signal.SIG_DFL, 42, False),  # hypercorn's workers wait for an event of their parent
        (signal.SIG_IGN, 42, False),
    ],
)
def test_a_worker_without_a_handler_does_not_hear_of_its_parents_signal(
    handler: Any, parent: int | None, hears: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_server, "parent_of_workers", lambda: parent)
    made = link(handler)
    assert made.hears_signals == hears
    if not hears:
        assert "preStop hook call /shutdown" in made.remark
        assert "hypercorn --workers 0" in made.remark


def test_off_the_main_thread_signals_are_not_heard_and_the_remark_says_what_to_do() -> None:
    made = link(None, installed=False)
    assert not made.hears_signals
    assert made.remark == (
        "SIGTERM cannot be heard off the main thread: let a preStop hook call /shutdown"
    )


async def test_what_cannot_work_is_said_once_at_the_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ServerLink, "hears_signals", property(lambda _self: False))
    async with serving(LifecycleMiddleware(hello, Lifecycle())) as server:
        await server.ask("/")
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "preStop hook call /shutdown" in warnings[0].getMessage()
