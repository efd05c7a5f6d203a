"""`lifecycle stop`: against answers of every kind, and real processes."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lifecycle.cli import _answer, _ask, _stop, main
from lifecycle.core._report import Abandoned, Report

COMMAND = [sys.executable, "-m", "lifecycle", "stop"]
NOBODY = 65534

CLEAN = Report(exit_status=0, reason="asked", granted=30.0, used=3.21, finished=12)
WORSE = Report(
    exit_status=4,
    granted=30.0,
    used=28.5,
    finished=12,
    refused=3,
    abandoned=[Abandoned("GET /slow", 27.0)],
    failures=["close_pool\x1b[31m failed"],
)

Handler = Callable[[socket.socket], object]


def answer(status: int, body: str | bytes = "", *headers: str) -> bytes:
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Whatever", *headers, f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


def until_it_hangs_up(connection: socket.socket, timeout: float | None = None) -> bool:
    """Say nothing; whether the caller has had enough of it."""
    return bool(select.select([connection], [], [], timeout)[0])


class Server:
    """Takes one request after another, notes it, and lets a handler do as it likes with the connection."""

    def __init__(self, handler: Handler, listener: socket.socket) -> None:
        self.requests: list[str] = []
        self._handler = handler
        self._listener = listener
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                request = b""
                while not request.endswith(b"\r\n\r\n"):
                    request += connection.recv(4096)
                self.requests.append(request.decode())
                try:
                    self._handler(connection)
                except OSError:
                    continue  # the caller has had enough


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIFECYCLE_PORT", raising=False)
    monkeypatch.delenv("LIFECYCLE_SHUTDOWN_TOKEN", raising=False)


@pytest.fixture
def listen() -> Iterator[Callable[..., Server]]:
    listeners: list[socket.socket] = []

    def start(handler: Handler | bytes, listener: socket.socket | None = None) -> Server:
        listener = listener or socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        if isinstance(handler, bytes):
            return Server(lambda connection: connection.sendall(handler), listener)
        return Server(handler, listener)

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


class Result:
    def __init__(self, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        self.status = main(["stop", *words])
        self.out, self.err = capsys.readouterr()


@pytest.fixture
def stop(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    return lambda *words: Result(list(map(str, words)), capsys)


# ---- the answers of this library -----------------------------------------------------------------------------


def test_a_clean_stop_is_0_and_prints_one_line(
    listen: Callable[..., Server], stop: Callable[..., Result]
) -> None:
    server = listen(answer(200, CLEAN.to_json()))
    result = stop("--port", server.port)
    assert (result.status, result.err) == (0, "")
    assert result.out == (
        "clean (exit status 0); 3.2 s of 30 s used; 12 finished, 0 refused, 0 abandoned\n"
    )


def test_a_stop_in_which_something_failed_is_1_and_prints_what(
    listen: Callable[..., Server], stop: Callable[..., Result]
) -> None:
    server = listen(answer(500, WORSE.to_json()))
    result = stop("--port", server.port)
    assert (result.status, result.err) == (1, "")
    assert result.out == (
        "work abandoned (exit status 4); 28.5 s of 30 s used; "
        "12 finished, 3 refused, 1 abandoned; close_pool?[31m failed\n"
    )


def test_it_waits_for_an_answer_that_takes_longer_than_answers_may_take_to_arrive(
    listen: Callable[..., Server], stop: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_answer, "ANSWER_TIMEOUT", 0.1)

    def drain_first(connection: socket.socket) -> None:
        until_it_hangs_up(connection, 0.5)
        connection.sendall(answer(200, CLEAN.to_json()))

    assert stop("--port", listen(drain_first).port).status == 0


def test_asking_again_is_harmless(
    listen: Callable[..., Server], stop: Callable[..., Result]
) -> None:
    server = listen(answer(200, CLEAN.to_json()))
    assert [stop("--port", server.port).status for _ in range(3)] == [0, 0, 0]


def test_the_request_is_a_get_that_says_where_and_closes(
    listen: Callable[..., Server], stop: Callable[..., Result]
) -> None:
    server = listen(answer(200, CLEAN.to_json()))
    stop("--port", server.port)
    (request,) = server.requests
    assert request == (
        f"GET /shutdown HTTP/1.1\r\nHost: localhost:{server.port}\r\nUser-Agent: lifecycle-stop\r\n"
        "Accept: application/json\r\nConnection: close\r\n\r\n"
    )


@pytest.mark.parametrize("named", ["--token", "LIFECYCLE_SHUTDOWN_TOKEN"])
def test_the_token_is_sent_in_its_header(
    named: str,
    listen: Callable[..., Server],
    stop: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = listen(answer(200, CLEAN.to_json()))
    if named == "--token":
        monkeypatch.setenv("LIFECYCLE_SHUTDOWN_TOKEN", "another")
        stop("--port", server.port, "--token", "s3cret")
    else:
        monkeypatch.setenv(named, "s3cret")
        stop("--port", server.port)
    assert "\r\nX-Lifecycle-Token: s3cret\r\n" in server.requests[0]


def test_the_port_of_the_environment_is_used_and_an_empty_one_is_as_none(
    listen: Callable[..., Server], stop: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = listen(answer(200, CLEAN.to_json()))
    monkeypatch.setenv("LIFECYCLE_PORT", str(server.port))
    assert stop().status == 0
    monkeypatch.setenv("LIFECYCLE_PORT", "")
    monkeypatch.setattr("lifecycle.cli._target.DEFAULT_PORT", server.port)
    assert stop().status == 0


def test_the_port_that_the_kubelet_tells_of_a_service_called_lifecycle_is_not_ours(
    listen: Callable[..., Server], stop: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    # https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
    server = listen(answer(200, CLEAN.to_json()))
    monkeypatch.setenv("LIFECYCLE_PORT", "tcp://10.96.0.7:80")
    monkeypatch.setattr("lifecycle.cli._target.DEFAULT_PORT", server.port)
    assert stop().status == 0


def test_a_server_on_ipv6_loopback_alone_is_found(
    listen: Callable[..., Server], stop: Callable[..., Result]
) -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    server = listen(answer(200, CLEAN.to_json()), listener)
    assert stop("--port", server.port).status == 0
    assert stop("--url", f"http://[::1]:{server.port}").status == 0


def test_a_unix_socket_is_asked_by_its_path(
    listen: Callable[..., Server],
    stop: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("app.sock")
    listener.listen()
    server = listen(answer(200, CLEAN.to_json()), listener)
    assert stop("--uds", "app.sock").status == 0
    assert "Host: localhost\r\n" in server.requests[0]


@pytest.mark.parametrize(
    ("suffix", "path"),
    [
        ("", "/shutdown"),
        ("/", "/shutdown"),
        ("/api/shutdown", "/api/shutdown"),
        ("/shutdown?why=preStop#part", "/shutdown?why=preStop"),
        ("?why=preStop", "/?why=preStop"),
    ],
)
def test_a_url_says_host_port_and_path(
    suffix: str, path: str, listen: Callable[..., Server], stop: Callable[..., Result]
) -> None:
    server = listen(answer(200, CLEAN.to_json()))
    assert stop("--url", f"HTTP://localhost:{server.port}{suffix}").status == 0
    assert server.requests[0].startswith(
        f"GET {path} HTTP/1.1\r\nHost: localhost:{server.port}\r\n"
    )


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n%s%.0x%s",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200\r\n\r\n%s%.0x%s",
    ],
    ids=["chunked", "until closed", "after an interim answer"],
)
def test_every_way_to_frame_an_answer_is_understood(
    wire: bytes, listen: Callable[..., Server], stop: Callable[..., Result]
) -> None:
    body = CLEAN.to_json().encode()
    if b"chunked" in wire:
        wire %= (body[:5], len(body) - 5, body[5:])
    else:
        wire = wire.replace(b"%.0x", b"") % (body[:5], body[5:])

    def byte_by_byte(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(len(wire)):
            connection.sendall(wire[place : place + 1])

    assert stop("--port", listen(wire).port).status == 0
    assert stop("--port", listen(byte_by_byte).port).status == 0


# ---- other answers -------------------------------------------------------------------------------------------


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_where_nothing_listens_it_is_3(stop: Callable[..., Result], tmp_path: Path) -> None:
    port = closed_port()
    result = stop("--port", port)
    assert (result.status, result.out) == (3, "")
    assert f"nothing listens at port {port} of loopback (connection refused)" in result.err
    assert "it has stopped already, or it listens elsewhere (--port, --uds; " in result.err
    result = stop("--uds", tmp_path / "none.sock")
    assert (result.status, "(no such file or directory)" in result.err) == (3, True)
    result = stop("--uds", tmp_path / ("x" * 200))
    assert (result.status, "path too long" in result.err) == (3, True)


def test_a_name_that_nobody_knows_is_3(stop: Callable[..., Result]) -> None:
    result = stop("--url", "http://no-such-host.invalid:80")
    assert (result.status, "no-such-host.invalid" in result.err) == (3, True)


def test_a_full_queue_that_does_not_accept_is_3(
    stop: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_ask, "CONNECT_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        result = stop("--port", port)
        assert (result.status, "no answer to connecting within 0.2 s" in result.err) == (3, True)
        result = stop("--port", port, "--timeout", "0.1")
        assert result.status == 5
        for filler in fillers:
            filler.close()


def test_a_refusal_is_4_and_names_the_token(
    listen: Callable[..., Server], stop: Callable[..., Result]
) -> None:
    result = stop("--port", listen(answer(403, "forbidden")).port)
    assert (result.status, result.out) == (4, "")
    assert (
        "refuses (403): give the application's token (--token, LIFECYCLE_SHUTDOWN_TOKEN)"
        in result.err
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_socket_of_somebody_else_is_4(stop: Callable[..., Result]) -> None:
    path = Path("/dev/shm") / f"lifecycle-{os.getpid()}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o700)
        listener.listen()
        try:
            os.seteuid(NOBODY)
            try:
                result = stop("--uds", path)
            finally:
                os.seteuid(0)
        finally:
            path.unlink()
    assert result.status == 4
    assert f"user {NOBODY} may not connect to {path} (Permission denied)" in result.err


def test_no_answer_in_time_is_5_and_says_that_the_stop_goes_on(
    listen: Callable[..., Server], stop: Callable[..., Result]
) -> None:
    began = time.monotonic()
    result = stop("--port", listen(until_it_hangs_up).port, "--timeout", "0.3")
    assert time.monotonic() - began < 2
    assert result.status == 5
    assert "has not answered in time; the application goes on stopping" in result.err


@pytest.mark.parametrize(
    ("wire", "complaint"),
    [
        (answer(404, "{}"), "answered 404: is LifecycleMiddleware installed, and at this path?"),
        (answer(405), "answered 405: is this the path of another endpoint?"),
        (answer(503), "answered 503: is this another application"),
        (answer(307, "", "Location: /x\x1b"), "answered 307, to /x?: give that as --url"),
        (answer(302), "answered 302, to nowhere"),
        (answer(200, "<html>hello</html>"), "answered 200 and not with a report"),
        (answer(200, '"exit_status"'), "answered 200 and not with a report"),
        (answer(200, '["exit_status"]'), "answered 200 and not with a report"),
        (answer(200, '{"status": "ok"}'), "answered 200 and not with a report"),
        (answer(200, b"\xff\xfe"), "answered 200 and not with a report"),
        (answer(200, "[" * 100_000), "answered 200 and not with a report"),
        (answer(500, "Internal Server Error"), "answered 500 and not with a report"),
        (answer(418), "answered 418 and not with a report"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n\r\n", "not one of this library's, with 'SSH-2.0-OpenSSH_9.2'"),
        (b"HTTP/1.1\r\n\r\n", "not one of this library's, with 'HTTP/1.1'"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "not one of this library's"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "not one of this library's"),
        (b"HTTP/2 200\r\n\r\n", "not one of this library's"),
        (b"\x16\x03\x01\r\n\r\n", "not one of this library's"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "a Content-Length of '-1'"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", "a Content-Length of '9999999'"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", "Content-Length of"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n", "a Content-Length of '\xb2'"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "a chunk of b'xyz'"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", "more than"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", "more than 4194304 bytes"),
    ],
)  # fmt: skip # one case a line
def test_an_answer_that_is_not_this_librarys_is_6_and_quoted(
    wire: bytes, complaint: str, listen: Callable[..., Server], stop: Callable[..., Result]
) -> None:
    result = stop("--port", listen(wire).port)
    assert (result.status, result.out) == (6, "")
    assert complaint in result.err


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: ",
    ],
    ids=["head", "body", "chunk size", "header"],
)
def test_an_answer_without_end_is_cut_off_by_its_size(
    start: bytes, listen: Callable[..., Server], stop: Callable[..., Result]
) -> None:
    def pour(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(b"1" * 65536)

    began = time.monotonic()
    result = stop("--port", listen(pour).port)
    assert (result.status, "more than" in result.err) == (6, True)
    assert time.monotonic() - began < 5


def test_an_answer_that_drips_is_cut_off_by_its_time(
    listen: Callable[..., Server], stop: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_answer, "ANSWER_TIMEOUT", 0.3)

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not until_it_hangs_up(connection, 0.05):
            connection.sendall(b"X")

    result = stop("--port", listen(drip).port)
    assert (result.status, "no end within 0.3 s" in result.err) == (6, True)


def test_an_answer_that_stops_in_the_middle_is_cut_off_by_its_time(
    listen: Callable[..., Server], stop: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_answer, "ANSWER_TIMEOUT", 0.3)

    def stall(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        until_it_hangs_up(connection)

    result = stop("--port", listen(stall).port)
    assert (result.status, "no end within 0.3 s" in result.err) == (6, True)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.mark.parametrize(
    "handler",
    [
        lambda _: None,
        reset,
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"),
    ],
    ids=["closed", "reset", "cut", "cut in a chunk"],
)  # fmt: skip # one case a line
def test_a_connection_lost_before_the_answer_is_7(
    handler: Handler, listen: Callable[..., Server], stop: Callable[..., Result]
) -> None:
    result = stop("--port", listen(handler).port)
    assert (result.status, result.out) == (7, "")
    assert "was lost before the answer" in result.err


# ---- by signal -----------------------------------------------------------------------------------------------


@pytest.fixture(params=["pidfd", "polling", "no proc"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the end of a process is noticed: each must keep the same promises."""
    if request.param != "pidfd":
        monkeypatch.delattr(os, "pidfd_open")
    if request.param == "no proc":
        monkeypatch.setattr(_stop, "_start_of", _stop._start_without_proc)
    return str(request.param)


@pytest.fixture
def start() -> Iterator[Callable[[str], "subprocess.Popen[str]"]]:
    children: list[subprocess.Popen[str]] = []

    def begin(script: str) -> "subprocess.Popen[str]":
        child = subprocess.Popen(
            [sys.executable, "-c", f"import signal, sys, time\n{script}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        return child

    yield begin
    for child in children:
        child.kill()
        child.communicate()


SLOW = """
def leave(*_):
    time.sleep(0.3)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
time.sleep(60)
"""
DEAF = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.process
def test_with_a_pid_it_waits_until_the_process_is_gone(
    way: str,
    start: Callable[[str], "subprocess.Popen[str]"],
    stop: Callable[..., Result],
) -> None:
    child = start(SLOW)
    reaper = threading.Thread(target=child.wait)
    reaper.start()
    began = time.monotonic()
    result = stop("--pid", child.pid)
    assert 0.25 < time.monotonic() - began < 3
    reaper.join()
    assert result.status == 0
    assert result.out.startswith(f"process {child.pid} ended 0.")


@pytest.mark.process
def test_a_zombie_counts_as_gone(
    start: Callable[[str], "subprocess.Popen[str]"],
    stop: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    child = start(SLOW)  # nobody collects it
    assert stop("--pid", child.pid).status == 0
    monkeypatch.delattr(os, "pidfd_open")
    assert stop("--pid", child.pid, "--timeout", "5").status == 0
    assert child.poll() == 0


@pytest.mark.process
def test_a_process_that_is_gone_already_is_a_success(way: str, stop: Callable[..., Result]) -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    result = stop("--pid", child.pid)
    assert (result.status, result.out) == (0, f"process {child.pid} was gone already\n")


@pytest.mark.process
def test_a_process_that_does_not_end_in_time_is_5(
    way: str,
    start: Callable[[str], "subprocess.Popen[str]"],
    stop: Callable[..., Result],
) -> None:
    child = start(DEAF)
    result = stop("--pid", child.pid, "--timeout", "0.2")
    assert (result.status, result.out) == (5, "")
    assert f"process {child.pid} has not ended within 0.2 s of SIGTERM" in result.err


def test_a_process_that_took_the_number_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = iter([b"100", b"100", b"200"])
    monkeypatch.setattr(_stop, "_start_of", lambda _: next(starts))
    assert _stop._vanished(123, next(starts), None)


@pytest.mark.process
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_process_of_somebody_else_is_4(
    way: str,
    start: Callable[[str], "subprocess.Popen[str]"],
    stop: Callable[..., Result],
) -> None:
    child = start(DEAF)
    os.setresuid(NOBODY, NOBODY, 0)  # the right to send a signal goes by the real user, too
    try:
        result = stop("--pid", child.pid, "--timeout", "1")
    finally:
        os.setresuid(0, 0, 0)
    assert (result.status, child.poll()) == (4, None)
    assert f"user {NOBODY} may not send signals to process {child.pid}" in result.err


@pytest.mark.process
def test_nothing_is_left_open(stop: Callable[..., Result]) -> None:
    child = subprocess.Popen(["sleep", "60"])
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert stop("--pid", child.pid).status == 0
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert child.wait() == -signal.SIGTERM


# ---- the command line ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["now"], "'now' is one word too many: name a target with --port"),
        (["--"], "'--' is one word too many"),
        (["--port", "80", "--pid", "1"], "--port and --pid exclude each other"),
        (["--port", "0"], "--port '0' is not a port: it must be a number from 1 to 65535"),
        (["--port", "65536"], "--port '65536' is not a port"),
        (["--port", "-1"], "--port '-1' is not a port"),
        (["--port", "http"], "--port 'http' is not a port"),
        (["--port", "\u00b2"], "is not a port"),
        (["--port", "9" * 5000], "is not a port"),
        (["--port", ""], "--port '' is not a port"),
        (["--pid", "0"], "--pid '0' is not the number of a process: it must be 1 or more"),
        (["--pid", "-1"], "--pid '-1' is not the number of a process"),
        (["--pid", "4294967297"], "is not the number of a process"),
        (["--pid", "self"], "--pid 'self' is not the number of a process"),
        (["--pid", "1", "--token", "x"], "--token has no meaning with --pid"),
        (["--uds", ""], "--uds is not the path of a socket"),
        (["--timeout", "0"], "--timeout '0' is not a number of seconds above 0"),
        (["--timeout", "nan"], "--timeout 'nan' is not a number"),
        (["--timeout", "inf"], "--timeout 'inf' is not a number"),
        (["--timeout", "1e300"], "--timeout '1e300' is not a number of seconds above 0 and up to"),
        (["--timeout", "30s"], "--timeout '30s' is not a number"),
        (["--token", "a\r\nX-Forwarded-For: b"], "--token holds a character that no HTTP header can"),
        (["--token", "\u00e9"], "--token holds a character"),
        (["--url", "https://localhost/"], "is https, which this command does not speak: ask on a plain"),
        (["--url", "localhost:8000"], "is not of the form http://HOST[:PORT][/PATH]"),
        (["--url", "ftp://localhost"], "is not of the form"),
        (["--url", "http://"], "names no host"),
        (["--url", "http://::1:80"], "names no host: write http://HOST[:PORT], and an IPv6 address in"),
        (["--url", "http://a b/"], "is not of the form"),
        (["--url", "http://a/\r\nX: y"], "is not of the form"),
        (["--url", "http://b\u00fccher/"], "is not of the form"),
        (["--url", "http://user:pass@host/"], "--url holds a user name"),
        (["--url", "http://host:http/"], "the port in --url 'http' is not a port"),
        (["--signal", "9"], "there is no option --signal: known are --port, --url, --uds, --pid"),
    ],
)  # fmt: skip # one case a line
def test_a_wrong_command_line_is_2(
    words: list[str], complaint: str, stop: Callable[..., Result]
) -> None:
    result = stop(*words)
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("lifecycle stop: ")
    assert complaint in result.err
    assert result.err.endswith("See lifecycle stop --help\n")


@pytest.mark.parametrize(
    ("name", "value"), [("LIFECYCLE_PORT", "http"), ("LIFECYCLE_SHUTDOWN_TOKEN", "a\nb")]
)
def test_a_wrong_environment_is_2_and_named(
    name: str, value: str, stop: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    result = stop()
    assert (result.status, name in result.err) == (2, True)
    assert "a\nb" not in result.err  # a token is not for the log


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--port", "1", "-h"]])
def test_help_is_0_on_standard_output_and_asks_nobody(
    words: list[str], stop: Callable[..., Result]
) -> None:
    result = stop(*words)
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("Usage: lifecycle stop ")
    assert max(map(len, result.out.splitlines())) <= 80


@pytest.mark.process
def test_as_a_process_it_says_the_same(listen: Callable[..., Server]) -> None:
    server = listen(answer(500, json.dumps(WORSE.to_dict())))
    done = subprocess.run(
        [*COMMAND, "--port", str(server.port)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("work abandoned (exit status 4); ")


@pytest.mark.process
def test_ctrl_c_ends_it_without_a_traceback(listen: Callable[..., Server]) -> None:
    asked = threading.Event()

    def hold(connection: socket.socket) -> None:
        asked.set()
        until_it_hangs_up(connection)

    server = listen(hold)
    with subprocess.Popen(
        [*COMMAND, "--port", str(server.port)], stderr=subprocess.PIPE, text=True
    ) as process:
        assert asked.wait(20)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=20)
    assert (process.returncode, complaint) == (130, "")
