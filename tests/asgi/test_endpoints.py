"""The endpoints in every phase, and the guard of `/shutdown` under attack."""

import itertools
import json
import logging
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from lifecycle import Endpoints, ExitStatus, Lifecycle, LifecycleMiddleware, Phase, StopRequest
from lifecycle.asgi._http import Receive, Scope, Send
from lifecycle.core import PROMISES
from tests.support.asgi import FAR, NEAR, Answer, Exchange, no_lifespan, serving
from tests.support.phases import held_in, hello

PROBES = {"/livez": "live", "/readyz": "ready", "/startupz": "started"}
TOKEN = "correct-horse-battery-staple"


# Probes.


@pytest.mark.parametrize("phase", Phase)
async def test_probes_answer_what_the_phase_promises_with_one_line_of_reason(phase: Phase) -> None:
    async with held_in(phase) as (life, server):
        for path, promise in PROBES.items():
            answer = await server.ask(path)
            assert answer.status == (200 if getattr(PROMISES[phase], promise) else 503), path
            assert answer.body.count(b"\n") == 1
            assert answer.body.endswith(b"\n")
            assert len(answer.body) > 5
            assert answer.header("cache-control") == "no-store"
            assert answer.header("content-type") == "text/plain; charset=utf-8"
            assert (answer.header("connection") == "close") == PROMISES[phase].closes
            head = await server.ask(path, method="HEAD")
            assert (head.status, head.body) == (answer.status, b"")
            assert head.header("content-length") == str(len(answer.body))
        assert life._works.refused == 0
        assert life._works.finished in (0, 1)  # what held the phase


TABLE = """
    starting    200 503 503
    ready       200 200 200
    lame duck   200 503 200
    draining    200 503 200
    stopping    200 503 200
    aborting    200 503 503
"""


@pytest.mark.parametrize("line", TABLE.strip().splitlines())
async def test_the_documented_table_of_phases_and_probes_holds(line: str) -> None:
    words = line.split()
    phase = Phase(" ".join(words[:-3]))
    async with held_in(phase) as (_, server):
        statuses = [(await server.ask(path)).status for path in PROBES]
    assert statuses == [int(word) for word in words[-3:]]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_probes_are_for_looking_only(method: str) -> None:
    async with serving(LifecycleMiddleware(hello, Lifecycle())) as server:
        for path in PROBES:
            answer = await server.ask(path, method=method)
            assert answer.status == 405
            assert answer.header("allow") == "GET, HEAD"


async def test_probes_are_not_counted_as_work() -> None:
    life = Lifecycle()
    async with serving(LifecycleMiddleware(hello, life)) as server:
        for path in PROBES:
            await server.ask(path)
        assert len(life._works) == 0
    assert life.report.finished == 0


async def test_probes_say_what_is_waited_for(tmp_path: Path) -> None:
    life = Lifecycle(post_start_file=tmp_path / "postStart-done")

    @life.on_startup
    async def open_pool() -> None:
        await anyio.sleep(5)

    @life.on_pre_stop
    async def leave_queue() -> None:
        await anyio.sleep(1)

    async with serving(LifecycleMiddleware(hello, life), wait=False) as server:
        await anyio.sleep(1)
        assert (await server.ask("/readyz")).body == b"startup: open_pool\n"
        await anyio.sleep(6)
        reason = (await server.ask("/readyz")).body
        assert reason.startswith(f"waiting for {tmp_path}/postStart-done".encode())
        life.request_stop("a test stops it")
        assert b"a test stops it" in (await server.ask("/readyz")).body


async def test_before_the_lifespan_probes_are_red_and_shutdown_has_nothing_to_stop() -> None:
    middleware = LifecycleMiddleware(hello, Lifecycle())
    expected = {"/livez": 503, "/readyz": 503, "/startupz": 503, "/shutdown": 503}
    for path, status in expected.items():
        exchange = Exchange(bare_scope(path))
        await exchange.run(middleware)
        answer = await exchange.answer()
        assert answer.status == status
        assert answer.body == b"not started\n"


def bare_scope(path: str) -> Scope:
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "headers": [],
        "client": NEAR,
        "asgi": {"spec_version": "2.3"},
    }


async def test_endpoints_answer_where_they_were_moved_to_and_nowhere_else() -> None:
    endpoints = Endpoints(readyz="/-/ready", livez=None, shutdown="/-/stop")
    life = Lifecycle()
    async with serving(LifecycleMiddleware(hello, life, endpoints=endpoints)) as server:
        assert (await server.ask("/-/ready")).body == b"serving\n"
        for path in ("/readyz", "/livez", "/shutdown"):
            assert (await server.ask(path)).body == b"hello"
        assert (await server.ask("/-/stop")).status == 200


async def test_websockets_on_the_paths_of_endpoints_are_the_applications() -> None:
    async with serving(LifecycleMiddleware(hello, Lifecycle())) as server:
        socket = server.connect("/shutdown")
        await socket.done.wait()
        assert socket.close == (1000, "")
        assert not server.told.is_set()


# /shutdown.


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_shutdown_answers_when_drain_and_hooks_are_done_with_the_report(method: str) -> None:
    life = Lifecycle(shutdown_delay=2)
    order: list[str] = []

    @no_lifespan
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep(5)
        await hello(scope, receive, send)
        order.append("request")

    @life.on_pre_stop
    async def leave(request: StopRequest) -> None:
        order.append(f"pre-stop by {request.source}")

    @life.on_shutdown
    async def close() -> None:
        await anyio.sleep(1)
        order.append("shutdown")

    async with serving(LifecycleMiddleware(slow, life)) as server:
        exchange = server.begin("/")
        await anyio.sleep(1)
        asked = anyio.current_time()
        answer = await server.ask("/shutdown", method=method)
        order.append("answer")
        assert anyio.current_time() - asked == pytest.approx(4 + 1, abs=0.1)
        assert (await exchange.answer()).body == b"hello"
        assert (answer.status, answer.header("content-type")) == (200, "application/json")
        assert answer.header("connection") == "close"
        report = json.loads(answer.body)
        await server.told.wait()
    assert order == ["pre-stop by endpoint", "request", "shutdown", "answer"]
    assert report["exit_status"] == 0
    assert report["reason"] == f"{method} /shutdown (preStop)"
    assert report["source"] == "endpoint"
    assert report["finished"] == 1
    assert report == life.report.to_dict()


async def test_shutdown_answers_500_with_the_report_if_something_failed() -> None:
    life = Lifecycle()

    @life.on_shutdown
    def close() -> None:
        raise OSError("the disk is full")

    async with serving(LifecycleMiddleware(hello, life)) as server:
        answer = await server.ask("/shutdown")
    assert answer.status == 500
    report = json.loads(answer.body)
    assert report["exit_status"] == ExitStatus.HOOK_FAILED
    assert "the disk is full" in str(report["failures"])


async def test_shutdown_during_the_start_cuts_it_short_and_is_answered() -> None:
    life = Lifecycle()

    @life.on_startup
    async def slow() -> None:
        await anyio.sleep(3600)

    async with serving(LifecycleMiddleware(hello, life), wait=False) as server:
        await anyio.sleep(1)
        assert (await server.ask("/shutdown")).status == 200
    assert life.phase is Phase.STOPPED


async def test_asked_again_and_again_shutdown_joins_and_gives_the_same_answer() -> None:
    life = Lifecycle(shutdown_delay=2)
    ran: list[str] = []

    # In the loop: a thread that a busy machine wakes late would take time on this clock.
    @life.on_pre_stop
    async def pre_stop() -> None:
        ran.append("pre-stop")

    @life.on_shutdown
    async def shutdown() -> None:
        ran.append("shutdown")

    async with serving(LifecycleMiddleware(hello, life)) as server:
        exchanges = []
        for method, pause in zip(itertools.cycle(("GET", "POST")), [0.1] * 30, strict=False):
            exchanges.append(server.begin("/shutdown", method=method))
            await anyio.sleep(pause)
        answers = [await exchange.answer() for exchange in exchanges]
        late = await server.ask("/shutdown")
    assert {answer.status for answer in answers} == {200}
    assert {answer.body for answer in answers} == {late.body}
    assert ran == ["pre-stop", "shutdown"]
    assert life.report.used == pytest.approx(2, abs=0.1)


async def test_thousands_of_concurrent_calls_are_one_stop() -> None:
    life = Lifecycle(shutdown_delay=1)
    async with serving(LifecycleMiddleware(hello, life)) as server:
        exchanges = [server.begin("/shutdown") for _ in range(3000)]
        answers = {(await exchange.answer()).body for exchange in exchanges}
        assert len(answers) == 1
        await server.told.wait()
    assert life.report.used == pytest.approx(1, abs=0.1)


async def test_callers_that_hang_up_do_not_stop_the_stop() -> None:
    life = Lifecycle()
    closed: list[str] = []

    @life.on_shutdown
    async def close() -> None:
        await anyio.sleep(3)
        closed.append("pool")

    async with serving(LifecycleMiddleware(hello, life)) as server:
        exchange = server.begin("/shutdown")
        await anyio.sleep(1)
        exchange.hang_up()
        with anyio.move_on_after(1):  # some servers cancel a request whose client has gone
            await Exchange(bare_scope("/shutdown")).run(server.app)
        await server.told.wait()
    assert closed
    assert life.report.exit_status == 0


class Deaf(Exchange):
    """A caller that never reads its answer."""

    async def send(self, message: Any) -> None:
        await anyio.sleep_forever()


async def test_a_caller_that_does_not_read_its_answer_does_not_keep_the_process() -> None:
    life = Lifecycle()
    async with (
        anyio.create_task_group() as group,
        serving(LifecycleMiddleware(hello, life)) as server,
    ):
        group.start_soon(Deaf(bare_scope("/shutdown")).run, server.app)
        await server.told.wait()
        assert anyio.current_time() < 3
        group.cancel_scope.cancel()


class SlowReader(Exchange):
    async def send(self, message: Any) -> None:
        await anyio.sleep(0.3)
        await super().send(message)


async def test_the_server_leaves_only_after_the_answers_are_sent() -> None:
    life = Lifecycle()
    async with (
        anyio.create_task_group() as group,
        serving(LifecycleMiddleware(hello, life)) as server,
    ):
        exchanges = [SlowReader(bare_scope("/shutdown")) for _ in range(3)]
        for exchange in exchanges:
            group.start_soon(exchange.run, server.app)
            await anyio.sleep(0.05)
        await server.told.wait()
        assert all(exchange.done.is_set() for exchange in exchanges)
        assert {(await exchange.answer()).status for exchange in exchanges} == {200}


async def test_a_server_that_is_stopped_by_a_signal_waits_for_the_answers_of_shutdown_too() -> None:
    life = Lifecycle(shutdown_delay=1)
    async with (
        anyio.create_task_group() as group,
        serving(LifecycleMiddleware(hello, life)) as server,
    ):
        life.request_stop("first")
        exchange = SlowReader(bare_scope("/shutdown"))
        group.start_soon(exchange.run, server.app)
        await server.told.wait()
        assert exchange.done.is_set()


async def test_the_answer_is_bounded_by_the_budget_when_something_hangs() -> None:
    life = Lifecycle(grace_period=10)
    release = anyio.Event()

    @life.on_shutdown
    async def hang() -> None:
        with anyio.CancelScope(shield=True):
            await release.wait()

    async with serving(LifecycleMiddleware(hello, life)) as server:
        asked = anyio.current_time()
        answer = await server.ask("/shutdown")
        assert answer.status == 500
        assert anyio.current_time() - asked <= 9.2
        assert "hang" in str(json.loads(answer.body)["hooks"])
        release.set()


async def test_sigterm_and_shutdown_are_one_stop() -> None:
    life = Lifecycle(shutdown_delay=2)
    async with serving(LifecycleMiddleware(hello, life)) as server:
        os.kill(os.getpid(), signal.SIGTERM)
        await anyio.sleep(1)
        answer = await server.ask("/shutdown")
        report = json.loads(answer.body)
    assert answer.status == 200
    assert (report["source"], report["signal"]) == ("signal", "SIGTERM")
    assert report["used"] == pytest.approx(2, abs=0.1)


# /post-start.


async def test_post_start_blocks_until_ready() -> None:
    life = Lifecycle()

    @life.on_startup
    async def warm_up() -> None:
        await anyio.sleep(7)

    async with serving(LifecycleMiddleware(hello, life), wait=False) as server:
        answers: list[tuple[Answer, float]] = []

        async def ask() -> None:
            answers.append((await server.ask("/post-start"), anyio.current_time()))

        began = anyio.current_time()
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(ask)
                await anyio.sleep(1)
        for answer, at in answers:
            assert (answer.status, answer.body) == (200, b"ready\n")
            assert at - began == pytest.approx(7, abs=0.1)
        assert (await server.ask("/post-start")).status == 200


async def test_post_start_drops_the_connection_when_the_start_failed(tmp_path: Path) -> None:
    life = Lifecycle(post_start_file=tmp_path / "done", post_start_timeout=5)
    async with serving(LifecycleMiddleware(hello, life)) as server:
        assert (await server.ask("/post-start")).dropped
        assert (await server.ask("/post-start")).dropped
        await server.told.wait()  # and the server is not left as an empty shell
    assert life.report.exit_status == ExitStatus.START_FAILED


async def test_post_start_drops_the_connection_when_the_process_stops_instead() -> None:
    life = Lifecycle()

    @life.on_startup
    async def warm_up() -> None:
        await anyio.sleep(3600)

    async with serving(LifecycleMiddleware(hello, life), wait=False) as server:
        exchange = server.begin("/post-start")
        await anyio.sleep(1)
        life.request_stop("never mind")
        assert (await exchange.answer()).dropped


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT"])
async def test_post_start_is_for_get(method: str) -> None:
    async with serving(LifecycleMiddleware(hello, Lifecycle())) as server:
        answer = await server.ask("/post-start", method=method)
        assert (answer.status, answer.header("allow")) == (405, "GET")


# The guard, attacked.

Headers = Sequence[tuple[str, str]]


async def refused(
    path: str = "/shutdown", settings: dict[str, Any] | None = None, **scope: Any
) -> Answer:
    """The answer to a call that must change nothing."""
    life = Lifecycle(**(settings or {}))
    async with serving(LifecycleMiddleware(hello, life)) as server:
        answer = await server.ask(path, **scope)
        await anyio.sleep(1)
        assert life.phase is Phase.READY
        assert not life.stop_requested.is_set()
        assert life.report.reason is None
        assert (await server.ask("/")).status == 200
    return answer


async def allowed(
    path: str = "/shutdown", settings: dict[str, Any] | None = None, **scope: Any
) -> None:
    life = Lifecycle(**(settings or {}))
    async with serving(LifecycleMiddleware(hello, life)) as server:
        answer = await server.ask(path, **scope)
        assert answer.status == 200, answer.body
        assert life.phase is Phase.STOPPED


@pytest.mark.parametrize(
    "client",
    [("127.0.0.1", 1), ("127.8.9.10", 1), ("::1", 1), ("::ffff:127.0.0.1", 1), ["127.0.0.1", "9"]],
)
async def test_loopback_may_stop_the_process_in_all_its_spellings(client: Any) -> None:
    await allowed(client=client)


@pytest.mark.parametrize(
    "client",
    [
        FAR,
        ("2001:db8::7", 1),
        ("::ffff:203.0.113.7", 1),
        ("fe80::1%eth0", 1),
        ("0.0.0.0", 1),
        ("::", 1),
        ("::ffff:0.0.0.0", 1),
        ("64:ff9b::7f00:1", 1),  # 127.0.0.1 through NAT64
        ("2002:7f00:1::", 1),  # 127.0.0.1 through 6to4
        ("::127.0.0.1", 1),  # an old "IPv4-compatible" address, which is not loopback
        ("localhost", 1),
        ("127.0.0.1, 203.0.113.7", 1),
        ("127.1", 1),
        ("2130706433", 1),
        ("0177.0.0.1", 1),
        ("testclient", 50000),
        ("", "0"),  # granian on a Unix socket
        ("/run/app.sock", 0),
        (None, None),
        None,
        (),
    ],
)
async def test_strangers_and_callers_without_an_address_are_refused(client: Any) -> None:
    answer = await refused(client=client)
    assert (answer.status, answer.body) == (403, b"forbidden\n")


@pytest.mark.parametrize(
    "header",
    [
        ("X-Forwarded-For", "127.0.0.1"),
        ("x-forwarded-for", ""),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Anything", "1"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
        ("Via", "1.1 nginx"),
        ("X-Client-IP", "127.0.0.1"),
        ("CF-Connecting-IP", "127.0.0.1"),
        ("Origin", "http://localhost"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "same-origin"),
        ("Sec-Fetch-Mode", "no-cors"),
    ],
)
async def test_whatever_came_through_a_proxy_or_a_browser_is_refused_from_anywhere(
    header: tuple[str, str],
) -> None:
    for settings in ({}, {"allow": "0.0.0.0/0,::/0"}, {"shutdown_token": TOKEN}):
        headers = [header, ("Authorization", f"Bearer {TOKEN}")]
        answer = await refused(settings=settings, headers=headers)
        assert (answer.status, answer.body) == (403, b"forbidden\n")


async def test_what_the_kubelet_sends_is_accepted() -> None:
    headers = [
        ("Host", "10.0.0.7:8000"),
        ("User-Agent", "kube-lifecycle/1.36"),
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip"),
        ("Connection", "close"),
    ]
    await allowed(headers=headers)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", TOKEN)],
        [("Authorization", f"Basic {TOKEN}")],
        [("Authorization", f"Token {TOKEN}")],
        [("Authorization", f"Bearer {TOKEN.upper()}")],
        [("Authorization", f"Bearer {TOKEN} ")],
        [("Authorization", f"Bearer  {TOKEN}")],
        [("Authorization", f"Bearer {TOKEN[:-1]}")],
        [("Authorization", f"Bearer {TOKEN}x")],
        [("Authorization", "Bearer ")],
        [("Authorization", "Bearer")],
        [("Proxy-Authorization", f"Bearer {TOKEN}")],
        [("Cookie", f"token={TOKEN}")],
        [("X-Token", TOKEN)],
        [("X-Lifecycle-Token", "")],
        [("X-Lifecycle-Token", f"Bearer {TOKEN}")],
        [("X-Lifecycle-Token", TOKEN), ("X-Lifecycle-Token", TOKEN)],
        [("X-Lifecycle-Token", "wrong"), ("Authorization", f"Bearer {TOKEN}")],
        [("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer wrong")],
    ],
)
async def test_a_token_in_the_wrong_header_case_length_or_number_is_refused_even_from_loopback(
    headers: Headers,
) -> None:
    answer = await refused(settings={"shutdown_token": TOKEN}, headers=headers)
    assert (answer.status, answer.body) == (403, b"forbidden\n")


async def test_a_token_in_the_query_is_refused() -> None:
    answer = await refused(f"/shutdown?token={TOKEN}", settings={"shutdown_token": TOKEN})
    assert answer.status == 403


@pytest.mark.parametrize(
    "header",
    [
        ("Authorization", f"Bearer {TOKEN}"),
        ("AUTHORIZATION", f"bearer {TOKEN}"),
        ("X-Lifecycle-Token", TOKEN),
    ],
)
@pytest.mark.parametrize("client", [NEAR, FAR, None])
async def test_the_token_is_enough_from_any_peer(header: tuple[str, str], client: Any) -> None:
    await allowed(settings={"shutdown_token": TOKEN}, headers=[header], client=client)


async def test_with_networks_and_a_token_both_are_needed() -> None:
    settings = {"shutdown_token": TOKEN, "allow": "203.0.113.0/24"}
    token = [("X-Lifecycle-Token", TOKEN)]
    assert (await refused(settings=settings, client=FAR)).status == 403
    assert (await refused(settings=settings, client=NEAR, headers=token)).status == 403
    assert (await refused(settings=settings, client=None, headers=token)).status == 403
    await allowed(settings=settings, client=FAR, headers=token)
    await allowed(settings=settings, client=("::ffff:203.0.113.9", 1), headers=token)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "get", "TRACE"])
async def test_other_methods_stop_nothing(method: str) -> None:
    answer = await refused(method=method)
    assert (answer.status, answer.header("allow")) == (405, "GET, POST")
    assert (await refused(method=method, client=FAR)).status == 403


@pytest.mark.parametrize(
    "path",
    [
        *("//shutdown", "/shutdown/", "/shutdown//", "/./shutdown", "/x/../shutdown", "/SHUTDOWN"),
        *("/shutdown%00", "/shutdown;x=1", "/%2fshutdown", "/api/shutdown", "shutdown", "", "*"),
    ],
)
async def test_other_spellings_of_the_path_are_the_applications(path: str) -> None:
    assert (await refused(path)).body == b"hello"


@pytest.mark.parametrize("path", ["/shutdown?", "/shutdown?x=1&y=/other", "/shutdown?/readyz"])
async def test_a_query_changes_nothing(path: str) -> None:
    await allowed(path)
    assert (await refused(path, client=FAR)).status == 403


async def test_an_encoded_path_is_the_same_path_and_as_well_guarded() -> None:
    # Servers decode before they fill in `path`; a proxy that filters by the raw path is passed by.
    raw = b"/%73hutdown"
    assert (await refused("/shutdown", raw_path=raw, client=FAR)).status == 403


@pytest.mark.parametrize(
    ("path", "root_path", "is_endpoint"),
    [
        ("/api/shutdown", "/api", True),
        ("/api/shutdown", "/api/", True),
        ("/api/v1/shutdown", "/api/v1", True),
        ("/shutdown", "/api", True),  # a server that leaves the root out of the path
        ("/apishutdown", "/api", False),
        ("/api/api/shutdown", "/api", False),
        ("/shutdown/shutdown", "/shutdown", True),
        ("/shutdown", "/shutdown", False),
    ],
)
async def test_under_a_root_path_the_endpoint_is_where_the_application_is(
    path: str, root_path: str, is_endpoint: bool
) -> None:
    answer = await refused(path, root_path=root_path, client=FAR)
    assert answer.status == (403 if is_endpoint else 200)


async def test_an_unauthorised_call_learns_nothing_of_the_phase() -> None:
    answers = set()
    for phase in Phase:
        async with held_in(phase) as (life, server):
            before = life.report.to_dict()
            answer = await server.ask("/shutdown", client=FAR)
            assert life.phase is phase
            assert life.report.to_dict() == before
        answers.add((answer.status, tuple(answer.headers), answer.body))
    exchange = Exchange({**bare_scope("/shutdown"), "client": FAR})
    await exchange.run(LifecycleMiddleware(hello, Lifecycle()))
    answer = await exchange.answer()
    answers.add((answer.status, tuple(answer.headers), answer.body))
    assert len(answers) == 1


@pytest.mark.parametrize("settings", [{}, {"shutdown_token": TOKEN}, {"allow": "10.0.0.0/8"}])
async def test_an_unauthorised_call_learns_nothing_of_the_settings(settings: Any) -> None:
    answer = await refused(settings=settings, client=FAR, headers=[("X-Lifecycle-Token", "guess")])
    assert (answer.status, answer.body) == (403, b"forbidden\n")
    assert answer.header("www-authenticate") is None


async def test_a_thousand_refused_calls_fill_no_log_and_name_the_reason_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "lifecycle")
    life = Lifecycle()
    async with serving(LifecycleMiddleware(hello, life)) as server:
        exchanges = [server.begin("/shutdown", client=FAR) for _ in range(1001)]
        for exchange in exchanges:
            await exchange.done.wait()
        assert life.phase is Phase.READY
        lines = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert {line.getMessage() for line in lines} == {
        "a call of the shutdown endpoint was refused",
    }
    assert [line.__dict__["refused_so_far"] for line in lines] == [1, 1001]
    assert FAR[0] in lines[0].__dict__["reason"]


async def test_no_secret_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "lifecycle")
    guess = [("Authorization", "Bearer my-real-password")]
    await refused(settings={"shutdown_token": TOKEN}, headers=guess)
    everything = " ".join(str(record.__dict__) for record in caplog.records)
    assert TOKEN not in everything
    assert "my-real-password" not in everything
