"""`life.run`: what it refuses, and in which words; how `main` may leave."""

import sys
from typing import Any

import anyio
import pytest

from lifecycle import (
    AlreadyStartedError,
    ExitStatus,
    Lifecycle,
    Phase,
    RegistrationError,
    SettingsError,
)
from tests.support.living import after


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
    monkeypatch.setattr("lifecycle.runtime._main.find_spec", lambda _name: None)
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


# Leaving by sys.exit.


@pytest.mark.parametrize(
    ("code", "status"), [(None, 0), (0, 0), (3, 3), (256 + 7, 7), (-1, 255), (True, 1)]
)
async def test_sys_exit_in_main_asks_for_the_stop_with_that_status(
    life: Lifecycle, code: int | None, status: int
) -> None:
    closed: list[str] = []
    life.on_shutdown(lambda: closed.append("closed"))

    async def main() -> None:
        await anyio.sleep(1)
        sys.exit(code)

    assert await life.run_async(main) == status
    assert closed == ["closed"]
    assert life.report.reason == f"main called sys.exit({code!r})"
    assert life.report.failures == []


async def test_sys_exit_with_a_text_says_it_and_stands_for_1(
    life: Lifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        sys.exit("no such queue: jobs")

    assert await life.run_async(main) == 1
    assert "the program gives up: no such queue: jobs" in caplog.text


@pytest.mark.parametrize("essential", [False, True])
async def test_sys_exit_in_a_task_is_the_same(life: Lifecycle, essential: bool) -> None:
    @life.task(essential=essential)
    async def watch() -> None:
        await anyio.sleep(1)
        sys.exit(4)

    async def main() -> None:
        await life.stop_requested.wait()

    assert await life.run_async(main) == 4


async def test_a_main_that_was_asked_to_stop_may_still_say_that_it_has_failed(
    life: Lifecycle,
) -> None:
    async def main() -> None:
        await life.stop_requested.wait()
        sys.exit(3)

    async with anyio.create_task_group() as group:
        group.start_soon(after, 1, lambda: life.request_stop("enough"))
        assert await life.run_async(main) == 3
    assert life.report.reason == "enough"


async def test_what_went_wrong_counts_for_more_than_sys_exit(life: Lifecycle) -> None:
    @life.on_shutdown
    def fail() -> None:
        raise OSError("disk full")

    async def main() -> None:
        sys.exit(0)

    assert await life.run_async(main) == ExitStatus.HOOK_FAILED
