"""The kubelet's two HTTP clients: the one of hooks, which waits for ever and takes any status, and the one of probes.

As pkg/probe/http and pkg/kubelet/lifecycle/handlers.go of Kubernetes 1.36 build them, byte for byte where a server could
tell the difference.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import anyio
import h11
from anyio.abc import ByteStream
from anyio.streams.tls import TLSStream

from lifecycle.kube import Container, HttpGet
from lifecycle.rehearse._runtime import HttpResult, NoAnswerError
from lifecycle.rehearse._wire import Dial, closing, why

BODY: Final = 10 * 1024
"""Bytes of an answer that are read."""
HEAD: Final = 2**20
"""Bytes of an answer's head that are put up with."""
REDIRECTS: Final = 10
MOVED: Final = frozenset({301, 302, 303, 307, 308})
PORTS: Final = {"http": 80, "https": 443}


class _PlainAnswerError(Exception):
    """A TLS handshake was answered in plain HTTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Client:
    agent: str
    closing: Mapping[str, str]
    """Headers that come last."""
    is_hook: bool


HOOK: Final = _Client(
    agent="kube-lifecycle/1.36", closing={"Accept-Encoding": "gzip"}, is_hook=True
)
PROBE: Final = _Client(agent="kube-probe/1.36", closing={"Connection": "close"}, is_hook=False)


async def fetch(
    request: HttpGet, container: Container, address: str, dial: Dial, client: _Client
) -> HttpResult:
    """
    Raises:
        NoAnswerError: There was none.
    """
    port = container.port(request.port)
    if port is None:
        raise NoAnswerError(f"the container has no port {request.port!r}")
    host = request.host or address
    url = _url(request, host, port)
    headers = _headers(request, client)
    try:
        return await _follow(url, headers, dial)
    except _PlainAnswerError:
        if not client.is_hook:
            raise NoAnswerError("http: server gave HTTP response to HTTPS client") from None
    headers = [(name, value) for name, value in headers if name != "Authorization"]
    result = await _follow(url._replace(scheme="http"), headers, dial)
    warning = f"request to {host}:{port} was https, but the server speaks http"
    return HttpResult(status=result.status, body=result.body, warning=warning)


def _url(request: HttpGet, host: str, port: int) -> SplitResult:
    """The path is read as a URL: a query is kept, a host or a fragment in it is not."""
    path = urlsplit(request.path)
    netloc = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    written = quote(path.path, safe="/%:@!$&'()*+,;=~-._")
    return SplitResult(
        request.scheme.lower(), netloc, "/" + written.removeprefix("/"), path.query, ""
    )


def _headers(request: HttpGet, client: _Client) -> list[tuple[str, str]]:
    """Those of the manifest replace the usual ones; an empty one takes them away."""
    own = [(_canonical(name), value) for name, value in request.headers]
    named = {name for name, _ in own}
    usual = {"User-Agent": client.agent, "Accept": "*/*"}
    headers = [(name, value) for name, value in usual.items() if name not in named]
    headers += [(name, value) for name, value in own if value or name not in usual]
    return headers + [(name, value) for name, value in client.closing.items() if name not in named]


def _canonical(name: str) -> str:
    return "-".join(word.capitalize() for word in name.split("-"))


async def _follow(url: SplitResult, headers: list[tuple[str, str]], dial: Dial) -> HttpResult:
    """Redirects are followed on the same host only; one to another host is an answer."""
    first = url
    for _ in range(REDIRECTS):
        status, location, body = await _once(url, headers, dial)
        if status not in MOVED or not location:
            return HttpResult(status=status, body=body)
        target = urlsplit(urljoin(url.geturl(), location))
        if target.hostname != first.hostname or target.scheme not in PORTS:
            return HttpResult(status=status, body=body)
        headers = [(name, value) for name, value in headers if name != "Referer"]
        headers.append(("Referer", url._replace(fragment="").geturl()))
        url = target
    raise NoAnswerError(f"stopped after {REDIRECTS} redirects")


async def _once(
    url: SplitResult, headers: list[tuple[str, str]], dial: Dial
) -> tuple[int, str | None, bytes]:
    host, port = url.hostname or "", url.port or PORTS[url.scheme]
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    has_host = any(name == "Host" for name, _ in headers)
    lines = headers if has_host else [("Host", url.netloc), *headers]
    try:
        request = h11.Request(method="GET", target=target, headers=lines)
    except h11.LocalProtocolError as error:
        raise NoAnswerError(f"cannot ask for {target!r}: {error}") from None
    try:
        stream = await dial(host, port)
        async with closing(stream):
            if url.scheme == "https":
                stream = await _tls(stream, host)
            return await _exchange(stream, request)
    except (OSError, ssl.SSLError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
        raise NoAnswerError(why(error)) from None
    except h11.RemoteProtocolError as error:
        raise NoAnswerError(f"malformed HTTP response: {error}") from None


class _Spy(ByteStream):
    """Remembers how an answer begins."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.first = b""

    async def receive(self, max_bytes: int = 65536) -> bytes:
        data = await self._stream.receive(max_bytes)
        if len(self.first) < len(b"HTTP/"):
            self.first += data
        return data

    async def send(self, item: bytes) -> None:
        await self._stream.send(item)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _tls(stream: ByteStream, host: str) -> ByteStream:
    """Certificates are not looked at."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    spy = _Spy(stream)
    try:
        return await TLSStream.wrap(
            spy, hostname=host, ssl_context=context, standard_compatible=False
        )
    except (ssl.SSLError, anyio.BrokenResourceError, anyio.EndOfStream):
        if spy.first.startswith(b"HTTP/"):
            raise _PlainAnswerError from None
        raise


async def _exchange(stream: ByteStream, request: h11.Request) -> tuple[int, str | None, bytes]:
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD)
    for event in (request, h11.EndOfMessage()):
        await stream.send(http.send(event) or b"")
    while not isinstance(answer := await _next(stream, http), h11.Response):
        pass
    found = {name: value for name, value in answer.headers}  # noqa: C416 - h11's own kind of list
    location = found.get(b"location", b"").decode("latin-1") or None
    body = b""
    if int(found.get(b"content-length", b"0")) <= BODY:
        while len(body) < BODY and isinstance(part := await _next(stream, http), h11.Data):
            body += bytes(part.data)
    return answer.status_code, location, body[:BODY]


async def _next(stream: ByteStream, http: h11.Connection) -> object:
    while (event := http.next_event()) is h11.NEED_DATA:
        try:
            data = await stream.receive()
        except anyio.EndOfStream:
            data = b""
        if not data and http.their_state is h11.SEND_RESPONSE:
            raise anyio.EndOfStream
        http.receive_data(data)
    return event
