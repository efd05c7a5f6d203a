"""Responses that have no end of their own: how they are ended."""

import gzip
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from starlette.background import BackgroundTask
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, StreamingResponse

from lifecycle import End, ExitStatus, Lifecycle, LifecycleMiddleware, Phase
from lifecycle.asgi._http import Receive, Scope, Send
from lifecycle.asgi._streams import EndingStream
from lifecycle.core import FAREWELL
from tests.support.asgi import Answer, Exchange, no_lifespan, serving

EVENTS = "text/event-stream"
TICK = b"data: tick\n\n"


def start(**headers: str) -> dict[str, Any]:
    listed = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": 200, "headers": listed}


def chunk(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


class Stream:
    """Sends `chunks`, one a second, and then nothing more until it is cancelled or told."""

    def __init__(self, *chunks: bytes, listens: bool = False, **headers: str) -> None:
        self.chunks = chunks
        self.headers = headers
        self.listens = listens
        self.left: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await receive()
        try:
            await send(start(**self.headers))
            for body in self.chunks:
                await send(chunk(body))
                await anyio.sleep(1)
            if self.listens:
                assert (await receive())["type"] == "http.disconnect"
                self.left = "told"
                return
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            self.left = "cancelled"
            raise
        except OSError:
            self.left = "refused"
            raise


async def starlette_events(scope: Scope, receive: Receive, send: Send) -> None:
    async def ticks() -> AsyncIterator[bytes]:
        while True:
            yield TICK
            await anyio.sleep(0.3)

    await StreamingResponse(ticks(), media_type=EVENTS)(scope, receive, send)


async def ended(
    app: Any, end: Any = "end", *, asgi: str = "2.3", **scope: Any
) -> tuple[Answer, float]:
    """What a stream's client has got, and how long after the stop; all else must be well."""
    life = Lifecycle()
    async with serving(LifecycleMiddleware(app, life, routes={"/": end}), asgi=asgi) as server:
        exchange = server.begin("/", **scope)
        await anyio.sleep(2.5)
        stopped = anyio.current_time()
        life.request_stop("enough")
        answer = await exchange.answer()
        seconds = anyio.current_time() - stopped
        await server.told.wait()
    assert exchange.error is None
    assert exchange.rejected == []
    assert life.report.exit_status == 0, str(life.report)
    assert life.report.abandoned == []
    return answer, seconds


@pytest.mark.parametrize("asgi", ["2.3", "2.4"])
async def test_a_stream_of_events_ends_whole_with_a_farewell(asgi: str) -> None:
    answer, seconds = await ended(no_lifespan(starlette_events), asgi=asgi)
    assert answer.complete
    ticks, _, farewell = answer.body.rpartition(TICK)
    assert farewell == FAREWELL
    assert ticks.count(b"tick") > 5
    assert seconds < 0.5


@pytest.mark.parametrize("listens", [True, False])
async def test_a_silent_stream_is_ended_by_being_told_or_else_cancelled(listens: bool) -> None:
    app = Stream(TICK, listens=listens, content_type=EVENTS)
    answer, seconds = await ended(app)
    assert answer.complete
    assert answer.body == TICK + FAREWELL
    assert app.left == ("told" if listens else "cancelled")
    assert seconds == pytest.approx(0 if listens else 1, abs=0.1)


async def test_a_stream_that_only_sends_is_refused_like_one_whose_client_has_gone() -> None:
    app = Stream(*[TICK] * 100, content_type=EVENTS)
    answer, seconds = await ended(app)
    assert app.left == "refused"
    assert answer.body == TICK * 3 + FAREWELL
    assert seconds <= 1


@pytest.mark.parametrize(
    ("end", "headers", "chunks", "last"),
    [
        ("end", {"content_type": EVENTS}, [TICK], FAREWELL),
        ("end", {"content_type": EVENTS + "; charset=utf-8"}, [TICK], FAREWELL),
        ("end", {"Content_Type": EVENTS}, [TICK], FAREWELL),
        ("end", {"content_type": EVENTS}, [], FAREWELL),
        ("end", {"content_type": EVENTS}, [b"data: x\r\n\r\n"], FAREWELL),
        ("end", {"content_type": EVENTS}, [b"data: x\r\r"], FAREWELL),
        ("end", {"content_type": EVENTS}, [b"data: x\n", b"\n"], FAREWELL),
        ("end", {"content_type": EVENTS}, [b"data: x\r\n", b"\r", b"\n"], FAREWELL),
        ("end", {"content_type": "application/x-ndjson"}, [b"{}\n"], b""),
        (End(farewell=b"bye\n"), {"content_type": "application/x-ndjson"}, [b"{}\n"], b"bye\n"),
        (End(farewell=b"event: bye\n\n"), {"content_type": EVENTS}, [TICK], b"event: bye\n\n"),
        (End(farewell=b""), {"content_type": EVENTS}, [TICK], b""),
        # In the middle of an event nothing can be said.
        ("end", {"content_type": EVENTS}, [TICK, b"data: ha"], b""),
        ("end", {"content_type": EVENTS}, [TICK, b"data: x\n"], b""),
        ("end", {"content_type": EVENTS}, [b"data: x\r\n"], b""),
        (End(farewell=b"event: bye\n\n"), {"content_type": EVENTS}, [b"data: ha"], b""),
        # Nor in the middle of compressed data.
        ("end", {"content_type": EVENTS, "content_encoding": "gzip"}, [b"\x1f\x8b\n\n"], b""),
        (End(farewell=b"bye"), {"Content_Encoding": "br"}, [b"\x0b\n\n"], b""),
    ],
)
async def test_the_farewell_is_said_where_the_client_can_understand_it(
    end: Any, headers: Any, chunks: list[bytes], last: bytes
) -> None:
    answer, _ = await ended(Stream(*chunks, **headers), end)
    assert answer.complete
    assert answer.body == b"".join(chunks) + last


async def test_the_farewell_makes_a_browser_come_back_soon() -> None:
    fields = dict(line.split(b": ", 1) for line in FAREWELL.splitlines() if line)
    assert fields[b"event"] == b"shutdown"
    assert int(fields[b"retry"]) == 1000
    assert fields[b"data"]
    assert FAREWELL.endswith(b"\n\n")


# What is no stream.


async def test_an_answer_that_has_not_begun_at_the_drain_is_an_ordinary_one_and_finished() -> None:
    @no_lifespan
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep(8)
        await send(start())
        await send(chunk(b"at last", more=False))

    answer, seconds = await ended(slow)
    assert (answer.status, answer.body, answer.complete) == (200, b"at last", True)
    assert seconds == pytest.approx(5.5, abs=0.1)


async def test_a_stream_that_begins_after_the_drain_has_is_ended_at_its_beginning() -> None:
    @no_lifespan
    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep(6)
        await starlette_events(scope, receive, send)

    answer, seconds = await ended(late)
    assert answer.complete
    assert answer.body.endswith(FAREWELL)
    assert seconds < 4.5


async def test_a_download_with_a_length_is_finished_since_nothing_shorter_is_whole() -> None:
    @no_lifespan
    async def download(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(Content_Length="6"))
        for _ in range(6):
            await send(chunk(b"x"))
            await anyio.sleep(1)
        await send(chunk(b"", more=False))

    answer, seconds = await ended(download)
    assert answer.complete
    assert answer.body == b"xxxxxx"
    assert seconds > 3


async def test_a_file_is_finished(tmp_path: Any) -> None:
    path = tmp_path / "big"
    path.write_bytes(b"x" * 300_000)

    @no_lifespan
    async def slow_file(scope: Scope, receive: Receive, send: Send) -> None:
        async def slowly(message: Any) -> None:
            await send(message)
            await anyio.sleep(1)

        await FileResponse(path)(scope, receive, slowly)

    answer, _ = await ended(slow_file)
    assert answer.complete
    assert len(answer.body) == 300_000


async def test_an_answer_that_ends_by_itself_meanwhile_gets_no_second_end() -> None:
    @no_lifespan
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(content_type=EVENTS))
        await send(chunk(TICK))
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
        await send(chunk(b"data: the last one\n\n", more=False))

    answer, _ = await ended(app)
    assert answer.body == TICK + b"data: the last one\n\n"


async def test_an_answer_that_ends_in_the_moment_it_is_given_up_is_whole() -> None:
    exchange = Exchange({"type": "http", "path": "/", "asgi": {"spec_version": "2.3"}})
    stream = EndingStream(End(), exchange.receive, exchange.send)
    with stream._scope:
        await stream.send(start())
        stream.interrupt()
        stream.cancel()
        await stream.send(chunk(b"whole", more=False))
    exchange.done.set()
    answer = await exchange.answer()
    assert (answer.body, answer.complete) == (b"whole", True)


async def test_work_behind_a_finished_answer_is_not_cut_by_the_end_of_streams() -> None:
    done: list[str] = []

    @no_lifespan
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(chunk(b"accepted", more=False))
        await anyio.sleep(9)
        done.append("sent the mail")

    answer, seconds = await ended(app)
    assert answer.body == b"accepted"
    assert done
    assert seconds > 5


async def test_what_a_stream_does_after_it_was_told_is_done_to_its_end() -> None:
    saved: list[str] = []

    async def save() -> None:
        await anyio.sleep(4)
        saved.append("the position")

    @no_lifespan
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def ticks() -> AsyncIterator[bytes]:
            while True:
                yield TICK
                await anyio.sleep(0.3)

        response = StreamingResponse(ticks(), media_type=EVENTS, background=BackgroundTask(save))
        await response(scope, receive, send)

    answer, _ = await ended(app)
    assert saved
    assert answer.complete
    assert answer.body.endswith(FAREWELL)


async def test_head_has_no_farewell_to_hear_but_a_whole_end() -> None:
    answer, _ = await ended(no_lifespan(starlette_events), method="HEAD")
    assert answer.complete


async def test_compression_around_the_middleware_compresses_the_farewell_too() -> None:
    life = Lifecycle()
    app = Stream(*[b"{}\n" * 100] * 3, content_type="application/x-ndjson")
    middleware = LifecycleMiddleware(app, life, http=End(farewell=b"bye\n"))
    async with serving(GZipMiddleware(middleware)) as server:
        exchange = server.begin("/", headers=[("accept-encoding", "gzip")])
        await anyio.sleep(1.5)
        life.request_stop("enough")
        answer = await exchange.answer()
    assert answer.header("content-encoding") == "gzip"
    assert gzip.decompress(answer.body).endswith(b"{}\nbye\n")


# Where the default is `end`, or `finish`.


async def test_a_default_of_end_holds_for_every_route_but_those_that_say_otherwise() -> None:
    life = Lifecycle(grace_period=20)
    app = Stream(*[TICK] * 5, content_type=EVENTS)
    middleware = LifecycleMiddleware(app, life, http="end", routes={"/whole": "finish"})
    async with serving(middleware) as server:
        cut, whole = server.begin("/"), server.begin("/whole")
        await anyio.sleep(0.5)
        life.request_stop("enough")
        assert (await cut.answer()).complete
        answer = await whole.answer()
        assert answer.truncated
        assert answer.body == TICK * 5
        await server.told.wait()
    assert [work.name for work in life.report.abandoned] == ["GET /whole"]


async def test_a_stream_is_left_alone_until_the_drain_begins() -> None:
    life = Lifecycle(shutdown_delay=4)
    middleware = LifecycleMiddleware(no_lifespan(starlette_events), life, http="end")
    async with serving(middleware) as server:
        exchange = server.begin("/")
        await anyio.sleep(1)
        life.request_stop("enough")
        await anyio.sleep(3.5)
        assert life.phase is Phase.LAME_DUCK
        assert not exchange.done.is_set()
        late = server.begin("/")
        assert (await late.answer()).header("connection") == "close"
        assert (await exchange.answer()).complete


# Trouble.


async def test_a_client_that_has_gone_gets_no_farewell_and_makes_no_trouble() -> None:
    for asgi in ("2.3", "2.4"):
        life = Lifecycle()
        middleware = LifecycleMiddleware(no_lifespan(starlette_events), life, http="end")
        async with serving(middleware, asgi=asgi) as server:
            exchange = server.begin("/")
            await anyio.sleep(1)
            exchange.hang_up()
            if asgi == "2.3":
                await exchange.done.wait()
            life.request_stop("enough")
            answer = await exchange.answer()
            await server.told.wait()
        assert not answer.complete
        assert FAREWELL not in answer.body
        assert life.report.exit_status == 0


async def test_a_client_that_goes_while_it_is_being_told_makes_no_trouble() -> None:
    life = Lifecycle()
    app = Stream(TICK, content_type=EVENTS)
    async with serving(LifecycleMiddleware(app, life, http="end"), asgi="2.4") as server:
        exchange = server.begin("/")
        await anyio.sleep(1)
        life.request_stop("enough")
        await anyio.sleep(0.5)
        exchange.hang_up()
        await exchange.answer()
        await server.told.wait()
    assert exchange.error is None
    assert life.report.exit_status == 0


async def test_a_bug_in_a_stream_is_still_an_error_and_no_clean_end() -> None:
    @no_lifespan
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(start(content_type=EVENTS))
        await receive()
        raise ZeroDivisionError("a bug in the cleaning up")

    life = Lifecycle()
    async with serving(LifecycleMiddleware(app, life, http="end")) as server:
        exchange = server.begin("/")
        await anyio.sleep(1)
        life.request_stop("enough")
        answer = await exchange.answer()
    assert isinstance(exchange.error, ZeroDivisionError)
    assert answer.truncated


async def test_an_answer_not_begun_when_the_budget_ends_is_a_503_under_end_too() -> None:
    @no_lifespan
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    life = Lifecycle(grace_period=10)
    async with serving(LifecycleMiddleware(app, life, http="end")) as server:
        exchange = server.begin("/")
        await anyio.sleep(1)
        life.request_stop("enough")
        answer = await exchange.answer()
        await server.told.wait()
    assert answer.status == 503
    assert answer.header("retry-after") == "1"
    assert life.report.exit_status == ExitStatus.WORK_ABANDONED


class Stalled(Exchange):
    """A client that stops reading: the server's `send` does not return."""

    async def send(self, message: Any) -> None:
        await super().send(message)
        if len(self.sent) > 2:
            await anyio.sleep_forever()


async def test_a_client_that_does_not_read_is_cut_off_by_name_and_is_not_stuck() -> None:
    life = Lifecycle(grace_period=10)
    app = Stream(*[TICK] * 9, content_type=EVENTS)
    async with (
        anyio.create_task_group() as group,
        serving(LifecycleMiddleware(app, life, http="end")) as server,
    ):
        exchange = Stalled(server._scope("http", "/slow-reader", method="GET"))
        group.start_soon(exchange.run, server.app)
        await anyio.sleep(3)
        life.request_stop("enough")
        await server.told.wait()
        await exchange.done.wait()
    assert [work.name for work in life.report.abandoned] == ["GET /slow-reader"]
    assert life.report.failures == []


async def test_thousands_of_streams_end_together() -> None:
    life = Lifecycle()
    app = Stream(TICK, listens=True, content_type=EVENTS)
    async with serving(LifecycleMiddleware(app, life, http="end")) as server:
        exchanges = [server.begin("/") for _ in range(1000)]
        await anyio.sleep(2)
        stopped = anyio.current_time()
        life.request_stop("enough")
        for exchange in exchanges:
            answer = await exchange.answer()
            assert answer.complete
            assert answer.body == TICK + FAREWELL
        assert anyio.current_time() - stopped < 1
        await server.told.wait()
    assert life.report.finished == 1000
