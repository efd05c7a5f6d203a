"""Streams and WebSockets at a stop, under every server: what ends is ended by the rules of its protocol, nothing is cut."""

import http.client
from contextlib import closing

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from lifecycle.core._streams import FAREWELL
from tests.process._support_table import SUPPORT, Support
from tests.support.servers import Server, Waiting, running

pytestmark = pytest.mark.process

PLAIN = "tests.process.apps.plain:app"
SETTINGS = {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "LIFECYCLE_SHUTDOWN_DELAY": "0.3",
    "LIFECYCLE_GRACE_PERIOD": "20",
}


def read_events(server: Server) -> bytes:
    """All of a stream without end; IncompleteRead if it was cut instead of ended."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=15)
    with closing(connection):
        connection.request("GET", "/events")
        return connection.getresponse().read()


def talk(server: Server) -> tuple[ConnectionClosed, int]:
    """Talks until it is told to go: how, and how many words were answered."""
    answered = 0
    with connect(f"ws://127.0.0.1:{server.port}/echo", open_timeout=5) as socket:
        try:
            while True:
                socket.send("word")
                assert socket.recv(timeout=5) == "word"
                answered += 1
        except ConnectionClosed as closed:
            return closed, answered


@pytest.mark.parametrize("support", SUPPORT, ids=lambda support: support.server)
def test_streams_end_whole_and_websockets_are_told(support: Support) -> None:
    with running(support.words, PLAIN, workers=support.workers, **SETTINGS) as server:
        events = Waiting(lambda: read_events(server))
        finite = Waiting(lambda: server.ask("/stream?count=12"))
        talked = Waiting(lambda: talk(server))
        server.wait_for("talking")
        if not support.by_signal:
            assert server.pre_stop().status == 200
        server.terminate()
        closed, answered = talked.result()
        body = events.result()
        numbers = finite.result().body
        status = server.wait()
        output = server.output
    assert closed.rcvd is not None, f"closed without a word: {closed.__cause__!r}"
    assert (closed.rcvd.code, closed.rcvd.reason) == (1012, "service restart")
    assert answered > 10
    ticks, _, farewell = body.rpartition(b"data: tick\n\n")
    assert ticks.count(b"tick") > 1
    assert farewell == FAREWELL
    assert numbers == b"".join(b"%d\n" % number for number in range(12))
    assert status == 0, output


@pytest.mark.parametrize("protocol", ["websockets", "wsproto"])
def test_websockets_are_told_by_each_library_that_speaks_them(protocol: str) -> None:
    """The default, `websockets-sansio`, is that of the servers above."""
    command = ["lifecycle", "serve", "{app}", "--port", "{port}", "--ws", protocol]
    with running(command, PLAIN, workers=1, **SETTINGS) as server:
        talked = Waiting(lambda: talk(server))
        server.wait_for("talking")
        server.terminate()
        closed, answered = talked.result()
        assert server.wait() == 0, server.output
        assert "Traceback" not in server.output
    assert closed.rcvd is not None, f"closed without a word: {closed.__cause__!r}"
    assert (closed.rcvd.code, closed.rcvd.reason) == (1012, "service restart")
    assert answered > 1
