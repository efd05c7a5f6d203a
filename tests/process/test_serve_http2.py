"""HTTP/2 under `lifecycle serve --http zttp --http2`: streams are finished, and clients are told to move on."""

import inspect
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import pytest
import uvicorn

from tests.support.servers import Server, running

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        "http2" not in inspect.signature(uvicorn.Config).parameters,
        reason="this uvicorn has no HTTP/2; 0.54 has",
    ),
]

APP = "tests.process.apps.served:app"
SERVE = ["lifecycle", "serve", "{app}", "--port", "{port}", "--http", "zttp", "--http2"]
IN_A_POD: dict[str, Any] = {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "LIFECYCLE_SHUTDOWN_DELAY": "0.8",
    "LIFECYCLE_GRACE_PERIOD": "12",
}


class Client:
    """One connection, with prior knowledge, and what has come on it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._connection = h2.connection.H2Connection(h2.config.H2Configuration())
        self._connection.initiate_connection()
        self._flush()
        self.statuses: dict[int, str] = {}
        self.ended: list[int] = []
        self.told_to_go = False

    def ask(self, path: str) -> int:
        """The number of a new stream."""
        stream = self._connection.get_next_available_stream_id()
        names = {":method": "GET", ":path": path, ":scheme": "http", ":authority": "x"}
        self._connection.send_headers(stream, list(names.items()), end_stream=True)
        self._flush()
        return stream

    def wait(self, stream: int) -> str:
        """The status of a stream, once it has ended."""
        while stream not in self.ended:
            assert self._receive(), "the connection was closed"
        return self.statuses[stream]

    def wait_for_the_end(self) -> None:
        """Until the server closes the connection."""
        while self._receive():
            continue

    def _receive(self) -> bool:
        data = self._sock.recv(65536)
        for event in self._connection.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                headers = dict(event.headers)
                self.statuses[event.stream_id] = headers[b":status"].decode()
            elif isinstance(event, h2.events.StreamEnded):
                self.ended.append(event.stream_id)
            elif isinstance(event, h2.events.ConnectionTerminated):
                self.told_to_go = True
        with suppress(OSError):
            self._flush()
        return bool(data)

    def _flush(self) -> None:
        self._sock.sendall(self._connection.data_to_send())


@contextmanager
def connected(server: Server) -> Iterator[Client]:
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=10)) as sock:
        yield Client(sock)


def test_an_idle_connection_is_told_to_go_and_a_new_one_is_served() -> None:
    with running(SERVE, APP, **IN_A_POD) as server, connected(server) as client:
        assert client.wait(client.ask("/fast")) == "200"
        server.terminate()
        client.wait_for_the_end()
        assert client.told_to_go
        with connected(server) as another:
            assert another.wait(another.ask("/fast")) == "200"
        assert server.wait() == 0, server.output


def test_a_busy_connection_is_told_to_go_after_its_last_stream() -> None:
    with running(SERVE, APP, **IN_A_POD) as server, connected(server) as client:
        slow = client.ask("/slow?seconds=1.5")
        assert client.wait(client.ask("/fast")) == "200"
        server.terminate()
        time.sleep(0.2)
        assert client.wait(client.ask("/fast")) == "200", "the lame duck serves"
        assert client.wait(slow) == "200"
        client.wait_for_the_end()
        assert client.told_to_go
        assert server.wait() == 0, server.output


def test_http1_goes_on_beside_it() -> None:
    with running(SERVE, APP, **IN_A_POD) as server:
        server.terminate()
        answer = server.ask("/fast")
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert server.wait() == 0, server.output


def test_hypercorn_finishes_its_streams_too() -> None:
    command = ["hypercorn", "{app}", "--bind", "127.0.0.1:{port}", "--workers", "0"]
    with (
        running(command, "tests.process.apps.plain:app", **IN_A_POD) as server,
        connected(server) as client,
    ):
        slow = client.ask("/slow?seconds=1.2")
        assert client.wait(client.ask("/fast")) == "200"
        server.terminate()
        time.sleep(0.2)
        assert client.wait(client.ask("/fast")) == "200", "the lame duck serves"
        assert client.wait(slow) == "200"
        client.wait_for_the_end()
        assert server.wait() == 0, server.output
