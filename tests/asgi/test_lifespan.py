"""The server's lifespan: when it may listen, and how it learns that it is time to leave."""

import os
import signal
from pathlib import Path

import anyio
import pytest

from lifecycle import ExitStatus, Lifecycle, LifecycleMiddleware, Phase, StartError
from lifecycle.asgi._http import Message
from tests.support.asgi import Server, serving
from tests.support.phases import hello


def kinds(messages: list[Message]) -> list[str]:
    return [message["type"].removeprefix("lifespan.") for message in messages]


async def test_the_server_may_listen_when_the_startup_hooks_are_done() -> None:
    life = Lifecycle()

    @life.on_startup
    async def open_pool() -> None:
        await anyio.sleep(5)

    async with serving(LifecycleMiddleware(hello, life), wait=False) as server:
        await anyio.sleep(4)
        assert server.messages == []
        await server.started.wait()
        assert anyio.current_time() == pytest.approx(5, abs=0.1)


async def test_the_server_listens_while_the_trigger_is_awaited_or_probes_could_not_ask(
    tmp_path: Path,
) -> None:
    life = Lifecycle(post_start_file=tmp_path / "done")
    async with serving(LifecycleMiddleware(hello, life)) as server:
        assert server.messages == [{"type": "lifespan.startup.complete"}]
        assert (await server.ask("/readyz")).status == 503
        assert (await server.ask("/")).status == 503
        (tmp_path / "done").write_text("Wake up!")
        assert (await server.ask("/post-start")).status == 200
        assert (await server.ask("/readyz")).status == 200
        assert (await server.ask("/")).status == 200


async def test_a_failed_start_is_rolled_back_before_the_server_hears_of_it() -> None:
    life = Lifecycle()
    order: list[str] = []

    @life.on_startup(name="pool")
    async def open_pool() -> None: ...

    @life.on_shutdown(name="pool")
    async def close_pool() -> None:
        await anyio.sleep(2)
        order.append("closed")

    @life.on_startup
    async def migrate() -> None:
        raise ValueError("table users exists")

    async with serving(LifecycleMiddleware(hello, life)) as server:
        order.append("told")
    assert order == ["closed", "told"]
    assert kinds(server.messages) == ["startup.failed"]
    assert server.failure is not None
    assert "migrate" in server.failure
    assert "table users exists" in server.failure
    assert "test_lifespan.py" in server.failure  # where it was registered
    assert isinstance(server.error, StartError)


async def test_a_server_that_raises_at_the_news_of_a_failed_start_gets_its_own_exception_back() -> (
    None
):
    """hypercorn does; wrapped in a group it would take the exception for an application without a lifespan."""

    class LifespanFailureError(Exception):
        pass

    class Touchy(Server):
        async def _send(self, message: Message) -> None:
            await super()._send(message)
            raise LifespanFailureError

    life = Lifecycle()

    @life.on_startup
    async def migrate() -> None:
        raise ValueError("table users exists")

    async with anyio.create_task_group() as group:
        server = Touchy(LifecycleMiddleware(hello, life), group, carries_state=True, asgi="2.3")
        await server.live()
    assert type(server.error) is LifespanFailureError


async def test_a_start_that_fails_when_the_server_listens_already_makes_the_server_leave(
    tmp_path: Path,
) -> None:
    life = Lifecycle(post_start_file=tmp_path / "never", post_start_timeout=5)
    async with serving(LifecycleMiddleware(hello, life)) as server:
        await server.told.wait()
        assert anyio.current_time() < 7
    assert kinds(server.messages) == ["startup.complete", "shutdown.complete"]
    assert life.report.exit_status == ExitStatus.START_FAILED


async def test_sigterm_begins_the_stop_and_the_server_hears_of_it_when_all_is_done() -> None:
    life = Lifecycle(shutdown_delay=3)
    async with serving(LifecycleMiddleware(hello, life)) as server:
        os.kill(os.getpid(), signal.SIGTERM)
        await anyio.sleep(1)
        assert life.phase is Phase.LAME_DUCK
        assert not server.told.is_set()
        assert (await server.ask("/")).status == 200
        await server.told.wait()
        assert life.report.exit_status == 0
    assert life.report.signal == "SIGTERM"
    assert kinds(server.messages) == ["startup.complete", "shutdown.complete"]


async def test_sigterm_during_the_start_cuts_it_short_and_the_server_comes_up_to_leave() -> None:
    life = Lifecycle()

    @life.on_startup
    async def slow() -> None:
        await anyio.sleep(3600)

    async with serving(LifecycleMiddleware(hello, life), wait=False) as server:
        await anyio.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)
        await server.told.wait()
        assert anyio.current_time() < 3
    assert life.report.exit_status == 0
    assert kinds(server.messages) == ["startup.complete", "shutdown.complete"]


async def test_a_shutdown_that_nobody_announced_still_drains_but_waits_for_no_router() -> None:
    life = Lifecycle(shutdown_delay=10)
    async with serving(LifecycleMiddleware(hello, life)) as server:
        with life.in_flight("job 42"):
            left = anyio.current_time()
            server.leave()
            await anyio.sleep(3)
            assert life.phase is Phase.DRAINING
        await server.left.wait()
        assert anyio.current_time() - left == pytest.approx(3, abs=0.1)
    assert life.report.source == "server"
    assert life.report.exit_status == 0


async def test_the_servers_lifespan_ends_only_when_the_shutdown_hooks_are_done() -> None:
    life = Lifecycle()
    order: list[str] = []

    @life.on_shutdown
    async def close_pool() -> None:
        await anyio.sleep(4)
        order.append("closed")

    async with serving(LifecycleMiddleware(hello, life)) as server:
        server.leave()
        await server.left.wait()
        order.append(kinds(server.messages)[-1])
    assert order == ["closed", "shutdown.complete"]


async def test_nothing_of_ours_is_left_to_do_after_the_last_word() -> None:
    """hypercorn cancels the lifespan's task as soon as it has heard it, and takes an exception for a crash."""
    before = signal.getsignal(signal.SIGINT)
    at_the_end = []

    class Hasty(Server):
        async def _send(self, message: Message) -> None:
            await super()._send(message)
            if message["type"] == "lifespan.shutdown.complete":
                at_the_end.append(signal.getsignal(signal.SIGINT))
                task.cancel()

    life = Lifecycle()
    async with anyio.create_task_group() as group:
        server = Hasty(LifecycleMiddleware(hello, life), group, carries_state=True, asgi="2.3")
        task = anyio.CancelScope()

        async def live() -> None:
            with task:
                await server.live()

        server.leave()
        group.start_soon(live)
        await server.left.wait()
    assert at_the_end == [before]
    assert not task.cancelled_caught


async def test_the_signal_handlers_are_given_back() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGQUIT)}
    life = Lifecycle()
    async with serving(LifecycleMiddleware(hello, life)) as server:
        assert signal.getsignal(signal.SIGINT) != before[signal.SIGINT]
        server.leave()
        await server.left.wait()
    assert {number: signal.getsignal(number) for number in before} == before


async def test_a_call_of_request_stop_makes_the_server_leave() -> None:
    life = Lifecycle()
    async with serving(LifecycleMiddleware(hello, life)) as server:
        life.request_stop("the lease is lost", exit_code=7)
        await server.told.wait()
    assert life.report.exit_status == 7
    assert (life.report.reason, life.report.source) == ("the lease is lost", "call")
