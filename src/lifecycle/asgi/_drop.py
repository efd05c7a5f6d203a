"""Ending a request without any HTTP status: the kubelet's hooks take every status, 500 too, for success.

ASGI has no message for it. What makes each server close the connection without a status was found by trying:
uvicorn and gunicorn refuse an impossible status after they have noted that the answer began; hypercorn passes on an
interim status, which clients skip, and then the end of the connection; granian refuses two contradicting headers.
"""

import logging
import sys

from lifecycle.asgi._http import Scope, Send

logger = logging.getLogger("lifecycle")


async def drop_connection(scope: Scope, send: Send) -> None:
    """Make the server close the connection of this request, unanswered."""
    status, headers, body = 0, list[tuple[bytes, bytes]](), False
    if "granian" in sys.modules:
        status, headers, body = (
            200,
            [(b"transfer-encoding", b"gzip"), (b"content-length", b"5")],
            True,
        )
    elif "hypercorn" in sys.modules:
        status = 102
    try:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if body:
            await send({"type": "http.response.body", "body": b""})
    except Exception as error:  # noqa: BLE001 - the refusal is what we are after, and each server has its own
        logger.debug(
            "connection dropped", extra={"path": scope["path"], "refused_with": repr(error)}
        )
