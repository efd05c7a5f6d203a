"""Where `lifecycle stop` asks. Addresses are taken apart by hand: urllib.parse takes as long as Python's own start."""

import _socket

from lifecycle.cli._options import UsageError, is_number

DEFAULT_PORT = 8000
"""uvicorn's, gunicorn's and hypercorn's."""

_Address = tuple[int, tuple[str, int] | str]


class Target:
    """Where to ask: the addresses to try in turn, and what to say there."""

    def __init__(self, label: str, addresses: list[_Address], request: bytes) -> None:
        self.label = label
        self.addresses = addresses
        self.request = request


def target_of(options: dict[str, str], environment: dict[str, str]) -> Target:
    token, named = options.get("--token"), "--token"
    if token is None:
        token, named = environment.get("LIFECYCLE_SHUTDOWN_TOKEN", ""), "LIFECYCLE_SHUTDOWN_TOKEN"
    if not (token.isascii() and token.isprintable()):
        raise UsageError(f"{named} holds a character that no HTTP header can: use printable ASCII")
    if "--url" in options:
        host, port, path = _split(options["--url"])
        address = (host.strip("[]"), port)
        family = _socket.AF_INET6 if host.startswith("[") else _socket.AF_INET
        return Target(
            options["--url"], [(family, address)], _request(f"{host}:{port}", path, token)
        )
    if "--uds" in options:
        if not options["--uds"] or "\0" in options["--uds"]:
            raise UsageError("--uds is not the path of a socket: name one")
        unix: list[_Address] = [(_socket.AF_UNIX, options["--uds"])]
        return Target(options["--uds"], unix, _request("localhost", "/shutdown", token))
    if "--port" in options:
        port = _port(options["--port"], "--port")
    else:
        given = environment.get("LIFECYCLE_PORT", "")
        if "://" in given:
            # A Service called "lifecycle" makes the kubelet set it, to tcp://ADDRESS:PORT: not ours to read.
            given = ""
        port = _port(given or str(DEFAULT_PORT), "LIFECYCLE_PORT")
    loopback: list[_Address] = [
        (_socket.AF_INET, ("127.0.0.1", port)),
        (_socket.AF_INET6, ("::1", port)),
    ]
    return Target(
        f"port {port} of loopback", loopback, _request(f"localhost:{port}", "/shutdown", token)
    )


def _split(url: str) -> tuple[str, int, str]:
    scheme, separator, rest = url.partition("://")
    if separator and scheme.lower() == "https":
        raise UsageError(
            f"--url {url!r} is https, which this command does not speak: ask on a plain port or a Unix socket "
            "(--uds), use --pid, or let the manifest's httpGet with scheme HTTPS do it"
        )
    if (
        scheme.lower() != "http"
        or not separator
        or not url.isascii()
        or not url.isprintable()
        or " " in url
    ):
        raise UsageError(f"--url {url!r} is not of the form http://HOST[:PORT][/PATH]")
    rest = rest.partition("#")[0]
    end = min((rest.index(mark) for mark in "/?" if mark in rest), default=len(rest))
    authority, path = rest[:end], rest[end:]
    if "@" in authority:
        raise UsageError("--url holds a user name, which nobody would look at: use --token")
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        host, port = authority, "80"
    if not host or (":" in host and not (host.startswith("[") and host.endswith("]"))):
        raise UsageError(
            f"--url {url!r} names no host: write http://HOST[:PORT], and an IPv6 address in brackets"
        )
    if path in {"", "/"}:
        path = "/shutdown"
    return host, _port(port, "the port in --url"), path if path.startswith("/") else f"/{path}"


def _port(given: str, named: str) -> int:
    if is_number(given) and 0 < int(given) < 2**16:
        return int(given)
    raise UsageError(f"{named} {given!r} is not a port: it must be a number from 1 to 65535")


def _request(host: str, path: str, token: str) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "User-Agent: lifecycle-stop",
        "Accept: application/json",
    ]
    if token:
        lines.append(f"X-Lifecycle-Token: {token}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()
