"""What is no ASGI application is told before it is served, with what it is."""

import signal
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from lifecycle import Lifecycle, SettingsError
from lifecycle.runtime import EarlySignals
from lifecycle.server import _serve
from lifecycle.server._load import load_application
from lifecycle.server._serve import make_config


async def app(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nobody asks")


class Old:
    def __init__(self, scope: Any) -> None:
        self.scope = scope


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("shop")
    vars(module).update(
        app=app, old=Old, wsgi=wsgi, make=lambda: app, text="hello", nothing=lambda: None, of_c=dict
    )
    monkeypatch.setitem(sys.modules, "shop", module)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("text", "'shop:text' is no ASGI application: it is 'hello'"),
        ("make", "'shop:make' takes no arguments: it makes the application; add --factory"),
        ("wsgi", "'shop:wsgi' takes two arguments, as WSGI applications do: wrap it"),
        ("old", "'shop:old' takes the scope alone, as in ASGI 2: wrap it"),
    ],
)
def test_what_is_no_application_is_told_apart(name: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_application(f"shop:{name}")


def test_a_factory_that_makes_nothing_is_told() -> None:
    with pytest.raises(SettingsError, match="'shop:nothing' is no ASGI application: it is None"):
        load_application("shop:nothing", factory=True)


@pytest.mark.parametrize(("name", "factory"), [("app", False), ("make", True), ("of_c", False)])
def test_an_application_is_taken(name: str, factory: bool) -> None:
    _, life = load_application(f"shop:{name}", factory=factory)
    assert isinstance(life, Lifecycle)


def test_a_number_of_workers_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "many")
    with pytest.raises(SettingsError, match="'many': see WEB_CONCURRENCY, a number of workers"):
        make_config(app)


def test_an_option_whose_package_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dotenv", None)
    with pytest.raises(SettingsError, match="an option needs 'dotenv': install it"):
        make_config(app, env_file=".env")


@pytest.fixture
def parents(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What a parent of workers, which is not run, was given; meanwhile it hears a SIGHUP."""
    given: list[Any] = []

    def note(target: str, workers: int, settings: Any, *_: Any) -> int:
        given.append((target, workers, settings.grace_period))
        signal.raise_signal(signal.SIGHUP)
        return 0

    monkeypatch.setattr(_serve, "_serve_with_workers", note)
    monkeypatch.setattr("gc.freeze", lambda: None)
    before = signal.getsignal(signal.SIGHUP)
    yield given
    signal.signal(signal.SIGHUP, before)


def test_a_file_of_settings_is_read_before_the_settings_are(
    parents: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_dotenv(dotenv_path: str) -> None:
        monkeypatch.setenv("LIFECYCLE_GRACE_PERIOD", "47")
        monkeypatch.setenv("WEB_CONCURRENCY", "3")

    monkeypatch.setitem(sys.modules, "dotenv", SimpleNamespace(load_dotenv=load_dotenv))
    assert _serve.run_application("shop:app", EarlySignals(), env_file=".env") == 0
    assert parents == [("shop:app", 3, 47)]


def test_a_request_to_replace_workers_that_are_not_there_yet_ends_nothing(
    parents: list[Any],
) -> None:
    assert _serve.run_application("shop:app", EarlySignals(), workers=2) == 0
    assert len(parents) == 1


def test_an_option_that_workers_cannot_be_given_is_told() -> None:
    with pytest.raises(SettingsError, match=r"serve\(loop=.*, workers=2\): it cannot be passed on"):
        _serve.serve(Lifecycle(), "shop:app", workers=2, loop=object())


def test_no_program_that_the_application_starts_holds_the_port() -> None:
    with _serve.listening(make_config(app, port=0, log_config=None)) as sock:
        assert not sock.get_inheritable()


def test_a_descriptor_that_is_no_socket_is_told() -> None:
    with (
        pytest.raises(SettingsError, match=r"serve\(fd=9999\) is no socket that is open here"),
        _serve.listening(make_config(app, fd=9999)),
    ):
        raise AssertionError("it does not listen")
