"""`lifecycle serve` in one process: it listens early, is ready late, and when it leaves nobody is cut off."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from lifecycle import ExitStatus
from tests.support.servers import (
    KUBELET,
    Server,
    Waiting,
    assert_nothing_is_lost,
    launched,
    load,
    running,
)

pytestmark = pytest.mark.process

APP = "tests.process.apps.served:app"
SERVE = ["lifecycle", "serve", "{app}", "--port", "{port}"]
LOOPS = {
    "asyncio, h11": [*SERVE, "--loop", "asyncio", "--http", "h11"],
    "uvloop, httptools": [*SERVE, "--loop", "uvloop", "--http", "httptools"],
}
IN_A_POD: dict[str, Any] = {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "LIFECYCLE_SHUTDOWN_DELAY": "0.4",
    "LIFECYCLE_GRACE_PERIOD": "12",
}

every_loop = pytest.mark.parametrize("command", LOOPS.values(), ids=LOOPS)


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=10)) as sock:
        yield sock


def rest(sock: socket.socket) -> bytes:
    """All that comes until the peer's end of the connection; an error if it is reset."""
    received = b""
    while data := sock.recv(65536):
        received += data
    return received


def request(path: str, head: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode()


def keep(server: Server, sock: socket.socket) -> None:
    """One answered request on a connection that is kept."""
    sock.sendall(request("/fast"))
    response = http.client.HTTPResponse(sock)
    response.begin()
    response.read()
    assert response.status == 200


# The beginning.


def test_the_port_answers_before_the_application_is_ready() -> None:
    with launched(SERVE, APP, START_SECONDS="1") as server:
        server.wait_for("starting")
        assert server.ask("/livez").status == 200
        assert server.ask("/readyz").status == 503
        refused = server.ask("/fast")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        server.wait_until_answering()
        assert server.ask("/readyz").status == 200


def test_who_calls_during_the_import_waits_and_is_not_refused() -> None:
    with launched(SERVE, APP, IMPORT_SECONDS="0.8") as server:
        server.wait_for("importing")
        assert server.ask("/livez", headers=KUBELET).status == 200


@pytest.mark.parametrize("moment", ["importing", "starting"])
def test_a_stop_before_the_start_is_over_is_a_clean_stop(moment: str) -> None:
    with launched(SERVE, APP, IMPORT_SECONDS="0.5", START_SECONDS="5") as server:
        server.wait_for(moment)
        server.terminate()
        assert server.wait(4) == ExitStatus.CLEAN, server.output
        assert not server.journal("started")
        assert "Traceback" not in server.output


def test_a_start_that_fails_is_told_by_the_status() -> None:
    with launched(SERVE, APP, CRASH_AT_START="1") as server:
        assert server.wait() == ExitStatus.START_FAILED, server.output
        assert "no database" in server.output


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("tests.process.apps.served", "names no application: write it like package.module:app"),
        ("tests.process.apps.servde:app", "there is no module 'tests.process.apps.servde'"),
        ("tests.process.apps.served:appp", "has no 'appp': it has "),
        ("tests.process.apps.served:make", "it makes the application; add --factory"),
    ],
)
def test_a_wrong_name_is_told_without_a_traceback(app: str, said: str) -> None:
    with launched(SERVE, app) as server:
        assert server.wait() == 1
        assert said in server.output
        assert "Traceback" not in server.output


def test_a_factory_is_called() -> None:
    with running([*SERVE, "--factory"], "tests.process.apps.served:make") as server:
        assert server.ask("/fast").status == 200


# Where it listens.


def ask_unix(path: Path) -> int:
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    with closing(connection):
        connection.request("GET", "/fast")
        return connection.getresponse().status


def test_a_unix_socket_is_taken_over_from_the_dead_and_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with closing(socket.socket(socket.AF_UNIX)) as dead:
        dead.bind(str(path))
    with launched(["lifecycle", "serve", "{app}", "--uds", str(path)], APP) as server:
        server.wait_for("started")
        assert ask_unix(path) == 200
        server.terminate()
        assert server.wait() == 0, server.output
    assert not path.exists()


def test_a_unix_socket_that_a_successor_has_put_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with launched(["lifecycle", "serve", "{app}", "--uds", str(path)], APP) as server:
        server.wait_for("started")
        path.unlink()
        with closing(socket.socket(socket.AF_UNIX)) as successor:
            successor.bind(str(path))
        server.terminate()
        assert server.wait() == 0, server.output
    assert path.is_socket()


# The end.


@every_loop
def test_a_kept_connection_that_is_idle_is_closed_and_not_reset(command: list[str]) -> None:
    with running(command, APP, **IN_A_POD) as server, connected(server) as sock:
        keep(server, sock)
        server.terminate()
        assert rest(sock) == b""
        assert server.wait() == 0, server.output


@every_loop
def test_what_is_sent_into_the_end_of_a_connection_is_not_answered_with_a_reset(
    command: list[str],
) -> None:
    with running(command, APP) as server, connected(server) as sock:
        Waiting(lambda: server.ask("/slow?seconds=0.5"))
        keep(server, sock)
        time.sleep(0.1)
        server.terminate()
        assert sock.recv(1) == b""
        sock.sendall(request("/fast"))
        time.sleep(0.1)
        assert sock.recv(1) == b""
        assert server.wait() == 0, server.output


@every_loop
def test_a_request_received_in_part_is_finished(command: list[str]) -> None:
    with running(command, APP, **IN_A_POD) as server, connected(server) as sock:
        sock.sendall(b"GET /fast HTTP/1.1\r\nHo")
        time.sleep(0.1)
        server.terminate()
        server_is_draining(server)
        sock.sendall(b"st: x\r\n\r\n")
        answer = rest(sock)
        assert answer.startswith(b"HTTP/1.1 200 OK"), answer
        assert b"connection: close" in answer.lower()
        assert server.wait() == 0, server.output


@every_loop
def test_a_handshake_of_a_websocket_received_in_part_is_answered_and_then_over(
    command: list[str],
) -> None:
    handshake = request(
        "/ws",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    )
    with running(command, APP, **IN_A_POD) as server, connected(server) as sock:
        sock.sendall(handshake[:40])
        time.sleep(0.1)
        server.terminate()
        server_is_draining(server)
        began = time.monotonic()
        sock.sendall(handshake[40:])
        answer = rest(sock)
        assert answer.startswith(b"HTTP/1.1 503 "), answer
        assert server.wait() == 0, server.output
        assert time.monotonic() - began < 4, "it was waited for although it was over"


@every_loop
def test_an_answer_that_was_under_way_at_the_stop_says_that_it_is_the_last(
    command: list[str],
) -> None:
    with running(command, APP) as server:
        slow = Waiting(lambda: server.ask("/slow?seconds=0.5"))
        time.sleep(0.2)
        server.terminate()
        assert slow.result().headers["connection"] == "close"
        assert server.wait() == 0, server.output


def test_a_process_that_has_served_as_many_requests_as_it_may_leaves_as_at_any_stop() -> None:
    with running([*SERVE, "--limit-max-requests", "5"], APP) as server, connected(server) as sock:
        sock.sendall(request("/events"))
        assert sock.recv(100).startswith(b"HTTP/1.1 200 OK")
        for _ in range(5):
            server.ask("/fast")
        assert rest(sock).endswith(b"data: the service is restarting\n\n\r\n0\r\n\r\n")
        assert server.wait() == 0, server.output


@every_loop
def test_a_body_received_in_part_is_finished(command: list[str]) -> None:
    with running(command, APP, **IN_A_POD) as server, connected(server) as sock:
        sock.sendall(b"POST /receive HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
        time.sleep(0.1)
        server.terminate()
        server_is_draining(server)
        sock.sendall(b"67890")
        answer = rest(sock)
        assert answer.startswith(b"HTTP/1.1 200 OK"), answer
        assert answer.endswith(b"10")
        assert server.wait() == 0, server.output


def server_is_draining(server: Server) -> None:
    """Until it says so itself: on a new connection, which it answers to its last moment."""
    deadline = time.monotonic() + 5
    while b"draining" not in server.ask("/readyz").body:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_request_of_which_nothing_more_comes_does_not_take_the_whole_budget() -> None:
    with running(SERVE, APP, LIFECYCLE_GRACE_PERIOD="20") as server, connected(server) as sock:
        sock.sendall(b"GET /fast HTTP/1.1\r\nHo")
        time.sleep(0.1)
        began = time.monotonic()
        server.terminate()
        assert rest(sock) == b""
        assert server.wait() == 0, server.output
        assert 4.5 < time.monotonic() - began < 7


def test_a_slow_reader_gets_its_whole_answer() -> None:
    size = 8_000_000
    with running(SERVE, APP) as server, connected(server) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.sendall(request(f"/large?size={size}", "Connection: close\r\n"))
        received = sock.recv(1000)
        server.terminate()
        while data := sock.recv(65536):
            received += data
            if len(received) < 1_000_000:
                time.sleep(0.05)
        assert len(received.partition(b"\r\n\r\n")[2]) == size
        assert server.wait() == 0, server.output


def test_a_thread_that_nothing_stops_is_named_with_its_stack() -> None:
    with running(SERVE, APP, LIFECYCLE_DRAIN_TIMEOUT="0.3") as server:
        Waiting(lambda: server.ask("/thread?seconds=60"))
        server.wait_for("in a thread")
        server.terminate()
        assert server.wait(10) == ExitStatus.WORK_ABANDONED
        assert "GET /thread" in server.output
        assert "served.py" in server.output
        assert "a thread goes on although its work was cut off" in server.output


def test_a_synchronous_endpoint_is_awaited() -> None:
    with running(SERVE, APP) as server:
        answer = Waiting(lambda: server.ask("/thread?seconds=0.8"))
        server.wait_for("in a thread")
        server.terminate()
        assert answer.result().body == b"done"
        assert server.wait() == 0, server.output


# The lame duck.


def test_routers_that_let_go_early_are_not_waited_for(tmp_path: Path) -> None:
    """A hundred new connections a second, routers that let go 0.5 s after the signal, 30 s allowed."""
    report = tmp_path / "report"
    settings = {
        **IN_A_POD,
        "LIFECYCLE_SHUTDOWN_DELAY": "30",
        "LIFECYCLE_GRACE_PERIOD": "60",
        "LIFECYCLE_REPORT_FILE": str(report),
    }
    with (
        running(SERVE, APP, **settings) as server,
        load(server, {"/fast": 100}, seconds=0.5, lead=2) as generators,
    ):
        assert_nothing_is_lost(server, generators, after=31)
    phases = json.loads(report.read_text())["phases"]
    duck = next(row["seconds"] for row in phases if row["phase"] == "lame duck")
    # 0.5 to 0.7 s, and twice as long as each pause of the machine itself: `tests/server/test_arrivals.py` has the arithmetic.
    assert 0.5 < duck < 29


def test_a_service_with_little_traffic_waits_its_whole_delay() -> None:
    """As one request every 3 s, with routers that let go after 4 s of 5: a sixth of all that."""
    settings = {**IN_A_POD, "LIFECYCLE_SHUTDOWN_DELAY": "0.84"}
    with (
        running(SERVE, APP, **settings) as server,
        load(server, {"/fast": 2.0}, seconds=0.67, lead=1.2) as generators,
    ):
        began = time.monotonic()
        assert_nothing_is_lost(server, generators, after=1)
        assert time.monotonic() - began > 0.84


def test_late_requests_are_counted_and_tell_how_much_the_delay_lacks(tmp_path: Path) -> None:
    report = tmp_path / "report"
    settings = {
        **IN_A_POD,
        "LIFECYCLE_SHUTDOWN_DELAY": "0.2",
        "LIFECYCLE_REPORT_FILE": str(report),
    }
    with running(SERVE, APP, **settings) as server:
        slow = Waiting(lambda: server.ask("/slow?seconds=2"))
        time.sleep(0.2)
        server.terminate()
        server_is_draining(server)
        time.sleep(0.3)
        assert server.ask("/fast").status == 503
        assert slow.result().status == 200
        assert server.wait() == 0, server.output
        output = server.output
    said = json.loads(report.read_text())
    assert said["refused"] >= 1
    assert 0.2 < said["late"] < 1.5
    assert "the delay is too short by 0." in output


# TLS.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1"
    command += f" -subj /CN=localhost -keyout {path} -out {path}.crt"
    subprocess.run(command.split(), check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@every_loop
def test_a_tls_peer_that_does_not_answer_the_close_costs_no_time(
    command: list[str], certificate: Path
) -> None:
    with launched(with_tls(command, certificate), APP) as server:
        server.wait_for("started")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(socket.create_connection(("127.0.0.1", server.port))) as sock:
            keep(server, sock)
            began = time.monotonic()
            server.terminate()
            assert server.wait(10) == 0, server.output
            assert time.monotonic() - began < 2.5


class HalfAHandshake:
    """A TLS client that has sent the first half of its first message."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._tls = context.wrap_bio(self._in, self._out)
        with suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        hello = self._out.read()
        sock.sendall(hello[:50])
        self._rest = hello[50:]

    def finish(self) -> None:
        """The other half, and all that follows."""
        self._sock.sendall(self._rest)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._in.write(self._sock.recv(65536))
            else:
                self._flush()
                return

    def ask(self, path: str) -> bytes:
        """The whole answer, to the end of the connection."""
        self._tls.write(request(path))
        self._flush()
        answer = b""
        with suppress(ssl.SSLZeroReturnError):  # its `close_notify`
            while data := self._sock.recv(65536):
                self._in.write(data)
                with suppress(ssl.SSLWantReadError):
                    while part := self._tls.read():
                        answer += part
                    break
        return answer

    def _flush(self) -> None:
        self._sock.sendall(self._out.read())


def with_tls(command: list[str], certificate: Path) -> list[str]:
    return [*command, "--ssl-keyfile", str(certificate), "--ssl-certfile", str(certificate)]


@every_loop
def test_a_tls_handshake_under_way_at_the_stop_is_finished_and_its_request_answered(
    command: list[str], certificate: Path
) -> None:
    """In the lame duck as always, in the drain with an honest refusal; never by a reset."""
    settings = {**IN_A_POD, "LIFECYCLE_SHUTDOWN_DELAY": "0.8"}
    with launched(with_tls(command, certificate), APP, **settings) as server:
        server.wait_for("started")
        with connected(server) as holding, connected(server) as early, connected(server) as late:
            clients = [HalfAHandshake(sock) for sock in (holding, early, late)]
            clients[0].finish()
            slow = Waiting(lambda: clients[0].ask("/slow?seconds=2"))
            time.sleep(0.1)
            server.terminate()
            time.sleep(0.1)
            clients[1].finish()
            answer = clients[1].ask("/fast")
            assert answer.startswith(b"HTTP/1.1 200 OK"), answer
            assert b"connection: close" in answer.lower()
            time.sleep(0.9)
            clients[2].finish()
            answer = clients[2].ask("/fast")
            assert answer.startswith(b"HTTP/1.1 503 "), answer
            assert b"retry-after" in answer.lower()
            assert slow.result().endswith(b"at last")
        assert server.wait() == 0, server.output


@every_loop
def test_a_tls_handshake_that_never_ends_costs_no_time(
    command: list[str], certificate: Path
) -> None:
    with launched(with_tls(command, certificate), APP) as server:
        server.wait_for("started")
        with connected(server) as sock:
            HalfAHandshake(sock)
            time.sleep(0.1)
            began = time.monotonic()
            server.terminate()
            assert server.wait(10) == 0, server.output
            assert time.monotonic() - began < 2.5
            assert "Traceback" not in server.output


# Others.


def test_sigint_twice_is_urgent() -> None:
    with running(SERVE, APP) as server:
        Waiting(lambda: server.ask("/slow?seconds=20"))
        time.sleep(0.3)
        for _ in range(2):
            os.kill(server.pid, signal.SIGINT)
            time.sleep(0.2)
        assert server.wait(5) == ExitStatus.FORCED, server.output


def test_a_uvicorn_without_its_private_names_still_drains() -> None:
    """`tests/process/apps/degraded.py` takes one of them away."""
    command = ["tests.process.apps.degraded", "serve", "{app}", "--port", "{port}"]
    with running(command, APP, **IN_A_POD) as server:
        slow = Waiting(lambda: server.ask("/slow?seconds=1"))
        time.sleep(0.2)
        server.terminate()
        assert server.ask("/fast").status == 200
        assert slow.result().body == b"at last"
        assert server.wait() == 0, server.output
        assert "this uvicorn lacks capture_signals" in server.output
