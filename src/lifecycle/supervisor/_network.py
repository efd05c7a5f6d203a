"""As much of TCP and HTTP as a wait and a farewell need. Only workers call this: it blocks."""

import _socket

from ._errors import reason
from ._numbers import whole
from ._specs import authority

LAST_STATUS = 599


def address(host: str, port: int) -> list[tuple[int, tuple[object, ...]]]:
    """Every address of a name. As bytes, because text would go through the IDNA codec and half a megabyte of tables."""
    found = _socket.getaddrinfo(host.encode("ascii", "replace"), port, 0, _socket.SOCK_STREAM)
    return [(int(family), where) for family, _, _, _, where in found]


def connect(host: str, port: int, timeout: float) -> "_socket.socket":
    """
    Raises:
        OSError: Nobody answers.
    """
    failure: OSError | None = None
    for family, where in address(host, port):
        connection = _socket.socket(family, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        try:
            connection.settimeout(timeout)
            connection.connect(where)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure or OSError(f"{host} has no address")


def open_port(target: str, timeout: float) -> None:
    """
    Raises:
        OSError: Nobody listens.
    """
    host, _, port = target.rpartition(":")
    connect(host, int(port), timeout).close()


def request(method: str, url: str, timeout: float) -> int:
    """The status of the answer.

    Raises:
        OSError: There was none.
    """
    where, slash, path = url.removeprefix("http://").partition("/")
    host, port = authority(url)
    if port is None:
        raise OSError(f"{url!r} has no port number")
    connection = connect(host, port, timeout)
    try:
        head = f"{method} {slash + path or '/'} HTTP/1.1\r\nHost: {where}\r\nConnection: close\r\n"
        length = "Content-Length: 0\r\n" if method == "POST" else ""
        connection.sendall((head + "User-Agent: supervisor\r\n" + length + "\r\n").encode())
        answer = b""
        while b"\r\n" not in answer and len(answer) < 4096:
            part = connection.recv(4096)
            if not part:
                break
            answer += part
    finally:
        connection.close()
    words = answer.split(None, 2)
    status = whole(words[1], LAST_STATUS) if len(words) > 1 else None
    if status is None or not words[0].startswith(b"HTTP/"):
        raise OSError(f"{url} did not answer in HTTP")
    return status


def plainly(failure: OSError) -> str:
    return reason(failure) if failure.strerror else str(failure) or "no answer in time"
