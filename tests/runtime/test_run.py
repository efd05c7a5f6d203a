"""`life.run`: what it refuses, and in which words."""

from typing import Any

import pytest

from lifecycle import AlreadyStartedError, Lifecycle, Phase, RegistrationError, SettingsError


async def main() -> None: ...


@pytest.fixture
def life() -> Lifecycle:
    return Lifecycle(report_file="/dev/null")


async def takes_two(first: object, second: object) -> None: ...
async def takes_a_keyword(*, life: object) -> None: ...
def blocks() -> None: ...


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (3, "3"),
        (takes_two, "takes_two"),
        (takes_a_keyword, "takes_a_keyword"),
        (blocks, "blocks"),
    ],
)
def test_a_main_that_cannot_be_called_is_named_with_its_place_and_what_it_should_be(
    life: Lifecycle, wrong: Any, name: str
) -> None:
    with pytest.raises(
        RegistrationError,
        match=rf"life\.run\({name}\) at .*test_run\.py:\d+: the main function is a coroutine function"
        r" \(async def\) that takes nothing or the lifecycle",
    ):
        life.run(wrong)
    assert life.phase is Phase.STARTING


def test_an_unknown_backend_is_refused_by_its_name(life: Lifecycle) -> None:
    with pytest.raises(
        SettingsError, match=r"life\.run\(backend='curio'\): write 'asyncio', or 'trio'"
    ):
        life.run(main, backend="curio")  # type: ignore[arg-type] # what a user without a type checker writes


def test_trio_that_is_not_installed_is_refused(
    life: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lifecycle.runtime._lifecycle.find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match="'trio' where trio is installed"):
        life.run(main, backend="trio")


async def test_inside_a_running_event_loop_it_says_what_works_there(life: Lifecycle) -> None:
    with pytest.raises(
        AlreadyStartedError, match=r"runs already: await life\.run_async\(main\) there"
    ):
        life.run(main)
    assert await life.run_async(main) == 0, "and it does"


def test_what_is_no_function_cannot_be_tracked(life: Lifecycle) -> None:
    with pytest.raises(RegistrationError, match=r"@life\.track was given 3, .*life\.in_flight"):
        life.track(3)  # type: ignore[arg-type] # what a user without a type checker writes
