"""Plain answers, without a framework: they must work before the application does, and after."""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

logger = logging.getLogger("lifecycle")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

RETRY_AFTER = b"1"
"""Seconds: the next try goes to another replica, or to the next one of this."""


async def respond(
    scope: Scope,
    send: Send,
    status: int,
    body: bytes,
    *,
    content_type: bytes = b"text/plain; charset=utf-8",
    close: bool = False,
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    """Send one whole answer."""
    listed = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *headers,
    ]
    if close and is_http1(scope):
        listed.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": listed})
    await send(
        {"type": "http.response.body", "body": b"" if scope.get("method") == "HEAD" else body}
    )


async def refuse(scope: Scope, receive: Receive, send: Send, reason: str) -> None:
    """503: not here, not now. A WebSocket is turned away before it is accepted."""
    body = f"not taking new work: {reason}\n".encode()
    if scope["type"] == "http":
        await respond(scope, send, 503, body, close=True, headers=((b"retry-after", RETRY_AFTER),))
        return
    await receive()  # websocket.connect: some servers want it read before they are answered
    if "websocket.http.response" in scope.get("extensions", {}):
        headers = [(b"retry-after", RETRY_AFTER), (b"content-length", str(len(body)).encode())]
        await send({"type": "websocket.http.response.start", "status": 503, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body})
    else:
        await send({"type": "websocket.close", "code": 1013, "reason": "try again later"})


async def cut_short(scope: Scope, send: Send) -> None:
    """The budget ran out: a 503 if no answer has begun; else nothing more, so that the client sees it was truncated."""
    try:
        await respond(
            scope,
            send,
            503,
            b"cut off: the process is stopping\n",
            close=True,
            headers=((b"retry-after", RETRY_AFTER),),
        )
    except Exception:  # noqa: BLE001 - servers differ in how they say that the answer has begun already
        logger.debug("an answer that had begun was cut off", extra={"path": scope["path"]})


def is_http1(scope: Scope) -> bool:
    """`Connection` is a header of HTTP/1; HTTP/2 forbids it (RFC 9113, section 8.2.2)."""
    return str(scope.get("http_version", "1.1")).startswith("1")


def route_path(scope: Scope) -> str:
    """The path inside the application: without the root path that servers and mounts put before it."""
    path: str = scope["path"]
    root: str | None = scope.get("root_path")
    if not root:
        return path  # nearly always
    root = root.rstrip("/")
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
        return path[len(root) :] or "/"
    return path


def closing(send: Send) -> Send:
    """`send`, with `Connection: close` in the answer, so that a kept connection moves on to another replica."""

    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [
                (name, value)
                for name, value in message.get("headers", ())
                if name.lower() != b"connection"
            ]
            message = {**message, "headers": [*kept, (b"connection", b"close")]}
        await send(message)

    return send_and_close
