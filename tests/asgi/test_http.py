"""Plain answers without a framework."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lifecycle.asgi._http import Message, closing, cut_short, is_http1, refuse, respond, route_path
from tests.support.asgi import Exchange, Socket


def http(**more: Any) -> Exchange:
    scope = {"type": "http", "method": "GET", "path": "/", "asgi": {"spec_version": "2.3"}}
    return Exchange({**scope, **more})


async def answered(exchange: Exchange) -> Any:
    exchange.done.set()
    return await exchange.answer()


async def test_an_answer_is_whole_and_never_cached() -> None:
    exchange = http()
    await respond(exchange.scope, exchange.send, 200, b"serving\n")
    answer = await answered(exchange)
    assert answer.complete
    assert answer.headers == [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"8"),
        (b"cache-control", b"no-store"),
    ]


async def test_an_answer_to_head_has_the_length_but_not_the_body() -> None:
    exchange = http(method="HEAD")
    await respond(exchange.scope, exchange.send, 200, b"serving\n")
    answer = await answered(exchange)
    assert (answer.header("content-length"), answer.body, answer.complete) == ("8", b"", True)


async def test_a_refused_websocket_is_read_before_it_is_answered() -> None:
    socket = Socket({"type": "websocket", "path": "/", "asgi": {"spec_version": "2.3"}})
    await refuse(socket.scope, socket.receive, socket.send, "starting")
    assert not socket._incoming
    assert socket.close == (1013, "try again later")


async def test_a_server_that_can_answers_a_refused_handshake_with_503() -> None:
    scope = {
        "type": "websocket",
        "path": "/",
        "asgi": {"spec_version": "2.3"},
        "extensions": {"websocket.http.response": {}},
    }
    socket = Socket(scope)
    await refuse(scope, socket.receive, socket.send, "starting")
    start, body = socket.sent
    assert start["status"] == 503
    assert dict(start["headers"])[b"retry-after"] == b"1"
    assert dict(start["headers"])[b"content-length"] == str(len(body["body"])).encode()
    assert body["body"] == b"not taking new work: starting\n"


async def test_what_is_cut_short_after_its_beginning_gets_nothing_more() -> None:
    exchange = http()
    await exchange.send({"type": "http.response.start", "status": 200, "headers": []})
    await cut_short(exchange.scope, exchange.send)
    assert (await answered(exchange)).truncated


@pytest.mark.parametrize(
    ("version", "closable"),
    [("1.0", True), ("1.1", True), ("1", True), ("2", False), ("2.0", False), ("3", False)],
)
def test_only_http_1_has_a_connection_header(version: str, closable: bool) -> None:
    assert is_http1({"http_version": version}) == closable


def test_a_server_that_names_no_version_speaks_http_1() -> None:
    assert is_http1({})


@pytest.mark.parametrize(
    ("path", "root_path", "inside"),
    [
        ("/a", "", "/a"),
        ("/api/a", "/api", "/a"),
        ("/api/a", "/api/", "/a"),
        ("/api", "/api", "/"),
        ("/api/", "/api", "/"),
        ("/apia", "/api", "/apia"),
        ("/a", "/api", "/a"),
        ("/api/api", "/api", "/api"),
        ("", "", ""),
        ("/", "/", "/"),
    ],
)
def test_the_path_inside_the_application_is_what_follows_its_root(
    path: str, root_path: str, inside: str
) -> None:
    assert route_path({"path": path, "root_path": root_path}) == inside


names = st.text("abcd/.", max_size=12).map(lambda text: f"/{text}")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=names, root=names)
def test_a_path_put_under_any_root_is_found_again(path: str, root: str) -> None:
    root = root.rstrip("/")
    assert route_path({"path": root + path, "root_path": root}) == path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from([b"connection", b"Connection", b"CONNECTION", b"x-one", b"X-Two"]),
            st.sampled_from([b"close", b"keep-alive", b"1"]),
        )
    )
)
async def test_closing_leaves_exactly_one_connection_header_and_all_others_in_order(
    headers: list[tuple[bytes, bytes]],
) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    start: Message = {"type": "http.response.start", "status": 200, "headers": headers}
    await closing(send)(start)
    await closing(send)({"type": "http.response.body"})
    others = [pair for pair in headers if pair[0].lower() != b"connection"]
    assert sent[0]["headers"] == [*others, (b"connection", b"close")]
    assert sent[1] == {"type": "http.response.body"}
    assert start["headers"] == headers  # the application's own list is left alone


async def test_closing_bears_an_answer_without_headers() -> None:
    exchange = http()
    await closing(exchange.send)({"type": "http.response.start", "status": 204})
    assert exchange.sent[0]["headers"] == [(b"connection", b"close")]
