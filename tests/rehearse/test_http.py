"""What a server sees of the kubelet's requests, and what the kubelet makes of its answers; over real sockets."""

import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream
from anyio.streams.tls import TLSListener

from lifecycle.kube import Container, Grpc, HttpGet, Pod, Port
from lifecycle.rehearse import HttpResult, NoAnswerError, PodClock
from lifecycle.rehearse._grpc import check_health
from lifecycle.rehearse._hooks import run_check, run_hook
from lifecycle.rehearse._http import BODY, HOOK, PROBE, fetch
from lifecycle.rehearse._state import ProbeResult
from tests.support.clock import flowing

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ADDRESS = "127.83.0.9"


@dataclass
class Server:
    port: int
    requests: list[str] = field(default_factory=list)

    @property
    def request(self) -> list[str]:
        (only,) = self.requests
        return only.split("\r\n")


@asynccontextmanager
async def serving(
    *answers: bytes | Callable[[SocketStream], object],
    host: str = ADDRESS,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    """One answer a connection, the last one again and again; `{port}` in it is the server's."""
    with flowing():
        listener = await anyio.create_tcp_listener(local_host=host)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        server = Server(port)
        left = list(answers)

        async def answer(stream: SocketStream) -> None:
            async with stream:
                head = b""
                while b"\r\n\r\n" not in head:
                    try:
                        head += await stream.receive()
                    except (anyio.EndOfStream, anyio.BrokenResourceError):
                        return
                    if head.startswith(b"\x16"):
                        break  # a TLS handshake
                server.requests.append(head.decode(errors="replace").removesuffix("\r\n\r\n"))
                reply = left.pop(0) if len(left) > 1 else left[0]
                if callable(reply):
                    await reply(stream)  # type: ignore[misc]  # a coroutine function
                    return
                await stream.send(reply.replace(b"{port}", str(port).encode()))

        wrapped: Any = TLSListener(listener, tls, standard_compatible=False) if tls else listener
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wrapped.serve, answer)
            yield server
            tasks.cancel_scope.cancel()
        await wrapped.aclose()


async def ask(
    server: Server, *, hook: bool = True, port: int | str | None = None, **get: object
) -> HttpResult:
    request = HttpGet(port=server.port if port is None else port, **get)  # type: ignore[arg-type]  # what a test writes
    container = Container(name="app", ports=(Port(number=server.port, name="web"),))
    return await fetch(request, container, ADDRESS, anyio.connect_tcp, HOOK if hook else PROBE)


async def test_a_hook_asks_as_a_kubelet_of_1_36_does() -> None:
    async with serving(OK) as server:
        await ask(server, path="/shutdown")
        assert server.request == [
            "GET /shutdown HTTP/1.1",
            f"Host: {ADDRESS}:{server.port}",
            "User-Agent: kube-lifecycle/1.36",
            "Accept: */*",
            "Accept-Encoding: gzip",
        ]


async def test_a_probe_asks_as_a_kubelet_of_1_36_does() -> None:
    async with serving(OK) as server:
        await ask(server, hook=False, path="/ready")
        assert server.request == [
            "GET /ready HTTP/1.1",
            f"Host: {ADDRESS}:{server.port}",
            "User-Agent: kube-probe/1.36",
            "Accept: */*",
            "Connection: close",
        ]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/stop?why=delete&x=1", "/stop?why=delete&x=1"),
        ("stop", "/stop"),
        ("", "/"),
        ("/stop#now", "/stop"),
        ("http://elsewhere:1/stop", "/stop"),
        ("/a b", "/a%20b"),
    ],
)
async def test_a_path_is_read_as_a_url(path: str, target: str) -> None:
    async with serving(OK) as server:
        await ask(server, path=path)
        assert server.request[0] == f"GET {target} HTTP/1.1"


async def test_a_named_port_is_one_of_the_containers() -> None:
    async with serving(OK) as server:
        assert (await ask(server, port="web")).status == 200
        with pytest.raises(NoAnswerError, match="the container has no port 'admin'"):
            await ask(server, port="admin")


async def test_headers_of_the_manifest_replace_the_usual_ones_and_empty_ones_remove_them() -> None:
    async with serving(OK) as server:
        headers = (
            ("host", "shop.example"),
            ("x-token", "one"),
            ("X-Token", "two"),
            ("user-agent", ""),
            ("accept", ""),
        )
        await ask(server, headers=headers)
        assert server.request == [
            "GET / HTTP/1.1",
            "Host: shop.example",
            "X-Token: one",
            "X-Token: two",
            "Accept-Encoding: gzip",
        ]


@pytest.mark.parametrize("status", [200, 302, 404, 500, 503])
async def test_any_status_is_an_answer(status: int) -> None:
    async with serving(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()) as server:
        assert (await ask(server)).status == status


def moved(where: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode()


async def test_redirects_are_followed_on_the_same_host_with_a_referer() -> None:
    async with serving(moved("/there?x=1"), OK) as server:
        assert (await ask(server, path="/here")).status == 200
        first, second = server.requests
        assert first.startswith("GET /here ")
        assert second.startswith("GET /there?x=1 ")
        assert f"Referer: http://{ADDRESS}:{server.port}/here" in second


async def test_a_redirect_to_another_host_is_an_answer() -> None:
    async with serving(moved("http://127.0.0.1:{port}/")) as server:
        assert (await ask(server)).status == 302
        assert len(server.requests) == 1


async def test_more_than_ten_redirects_are_none() -> None:
    async with serving(moved("/again")) as server:
        with pytest.raises(NoAnswerError, match="stopped after 10 redirects"):
            await ask(server)
        assert len(server.requests) == 10


async def test_nobody_listening_is_no_answer() -> None:
    async with serving(OK, host="127.0.0.1") as server:
        # A server bound to 127.0.0.1 is not reached at the pod's address.
        with pytest.raises(NoAnswerError, match="connection refused"):
            await ask(server)
        assert server.requests == []


async def test_a_connection_that_ends_without_an_answer_is_none() -> None:
    async with serving(b"") as server:
        with pytest.raises(NoAnswerError, match="EOF"):
            await ask(server)


async def test_an_answer_that_is_no_http_is_none() -> None:
    async with serving(b"220 mail.example ESMTP\r\n\r\n") as server:
        with pytest.raises(NoAnswerError, match="malformed HTTP response"):
            await ask(server)


async def test_a_long_body_is_not_waited_for() -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {BODY + 1}\r\n\r\n".encode()

    async def hang(stream: SocketStream) -> None:
        await stream.send(head)
        await anyio.sleep_forever()

    async with serving(hang) as server:
        assert await ask(server) == HttpResult(status=200)


async def test_an_endless_body_holds_the_hook_until_ten_kibibytes_have_come() -> None:
    async def drip(stream: SocketStream) -> None:
        await stream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await stream.send(b"2800\r\n" + bytes(BODY - 1))
        await released.wait()
        await stream.send(b"\0\r\n")
        await anyio.sleep_forever()

    released = anyio.Event()
    async with serving(drip) as server, anyio.create_task_group() as tasks:
        results: list[HttpResult] = []

        async def hook() -> None:
            results.append(await ask(server))

        tasks.start_soon(hook)
        await anyio.sleep(0.1)
        assert results == []
        released.set()
    assert [len(result.body) for result in results] == [BODY]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    folder: Path = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1"
    files = ["-keyout", str(folder / "key"), "-out", str(folder / "crt"), "-subj", "/CN=nobody"]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt", folder / "key")
    return context


async def test_certificates_are_not_looked_at(certificate: ssl.SSLContext) -> None:
    async with serving(OK, tls=certificate) as server:
        assert (await ask(server, scheme="HTTPS")).status == 200


BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"


async def test_https_to_a_plain_server_is_repeated_as_http_and_without_the_password() -> None:
    async with serving(BAD_REQUEST, OK) as server:
        headers = (("Authorization", "Bearer x"), ("X-Other", "y"))
        result = await ask(server, scheme="HTTPS", headers=headers)
        assert result.status == 200
        assert result.warning == (
            f"request to {ADDRESS}:{server.port} was https, but the server speaks http"
        )
        assert "X-Other: y" in server.requests[-1]
        assert "Authorization" not in server.requests[-1]


async def test_a_probe_does_not_fall_back() -> None:
    async with serving(BAD_REQUEST) as server:
        with pytest.raises(NoAnswerError, match="server gave HTTP response to HTTPS client"):
            await ask(server, hook=False, scheme="HTTPS")


async def test_https_to_something_else_is_no_answer() -> None:
    async with serving(b"220 mail.example ESMTP\r\n") as server:
        with pytest.raises(NoAnswerError, match="tls: "):
            await ask(server, scheme="HTTPS")


class Net:
    """Real sockets, and nothing else."""

    address = ADDRESS

    async def dial(self, host: str, port: int) -> SocketStream:
        return await anyio.connect_tcp(host, port)

    async def hook(self, get: HttpGet, container: Container) -> HttpResult:
        return await fetch(get, container, ADDRESS, self.dial, HOOK)

    async def probe(self, get: HttpGet, container: Container) -> HttpResult:
        return await fetch(get, container, ADDRESS, self.dial, PROBE)

    async def connect(self, host: str | None, port: int) -> None:
        await (await self.dial(host or ADDRESS, port)).aclose()

    async def health(self, check: Grpc, container: Container) -> str:
        return await check_health(check, ADDRESS, self.dial)


APP = Container(name="app")
POD = Pod(containers=(APP,))
NOBODY: Any = None
"""No process is asked here."""


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (200, ProbeResult.SUCCESS),
        (399, ProbeResult.SUCCESS),
        (400, ProbeResult.FAILURE),
        (503, ProbeResult.FAILURE),
    ],
)
async def test_a_probe_wants_a_status_from_200_to_399(status: int, result: ProbeResult) -> None:
    async with serving(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()) as server:
        found = await run_check(
            HttpGet(port=server.port),
            APP,
            NOBODY,
            Net(),
            PodClock(),
            5,
        )
        assert found == (result, f"HTTP {status}")


async def test_a_probe_has_its_time_and_a_hook_has_for_ever() -> None:
    async def hang(stream: SocketStream) -> None:
        await released.wait()
        await stream.send(OK)

    released = anyio.Event()
    async with serving(hang) as server:
        get = HttpGet(port=server.port)
        found = await run_check(get, APP, NOBODY, Net(), PodClock(), 0.05)
        assert found == (ProbeResult.FAILURE, "no answer within 0.05 s")
        released.set()
        outcome = await run_hook(get, POD, APP, NOBODY, Net(), PodClock(), print)
        assert outcome.ok


async def test_with_host_network_a_hook_without_a_host_finds_no_container() -> None:
    pod = Pod(containers=(APP,), host_network=True)
    outcome = await run_hook(HttpGet(port=1), pod, APP, NOBODY, Net(), PodClock(), print)
    assert (outcome.ok, outcome.message) == (False, "failed to find networking container")
