"""As much of HTTP as one answer takes, and no more bytes of it than are sensible."""

import _socket
import errno
import time

from lifecycle.cli._options import is_number
from lifecycle.cli._outcome import NOT_OURS, Outcome

ANSWER_TIMEOUT = 10.0
"""From the first byte to the last: an answer takes long to begin, and then none to arrive."""
HEAD_LIMIT_BYTES = 64 * 1024
BODY_LIMIT_BYTES = 4 * 1024 * 1024
"""A report of ten thousand abandoned requests is about 1 MB."""


def seconds_left(deadline: float | None, most: float | None = None) -> float | None:
    if deadline is None:
        return most
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left if most is None else min(left, most)


class Answer:
    """Reads one answer, and no more of it than is sensible."""

    def __init__(self, connection: _socket.socket, deadline: float | None) -> None:
        self._connection = connection
        self._deadline = deadline
        self._buffer = b""
        self._end: float | None = None

    def read(self) -> tuple[int, dict[str, str], bytes]:
        status, headers = self._head()
        while 100 <= status < 200:  # noqa: PLR2004 - interim answers; the real one follows
            status, headers = self._head()
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return status, headers, self._chunks()
        length = headers.get("content-length")
        if length is None:
            return status, headers, self._until_the_end()
        if not is_number(length) or int(length) > BODY_LIMIT_BYTES:
            raise self._malformed(f"a Content-Length of {length[:40]!r}")
        return status, headers, self._exactly(int(length))

    def _head(self) -> tuple[int, dict[str, str]]:
        first, *lines = self._through(b"\r\n\r\n", HEAD_LIMIT_BYTES).decode("latin-1").split("\r\n")
        words = first.split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not _is_status(words[1]):  # noqa: PLR2004 - HTTP/1.1 200
            raise self._malformed(f"{first[:40]!r}")
        pairs = (line.partition(":") for line in lines)
        return int(words[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}

    def _chunks(self) -> bytes:
        body = b""
        while True:
            size = self._through(b"\r\n", HEAD_LIMIT_BYTES).partition(b";")[0].strip()
            try:
                length = int(size[:12], 16)
            except ValueError:
                raise self._malformed(f"a chunk of {size[:40]!r}") from None
            if length < 0 or len(body) + length > BODY_LIMIT_BYTES:
                raise self._malformed(f"more than {BODY_LIMIT_BYTES} bytes")
            if length == 0:
                return body
            body += self._exactly(length + 2)[:-2]

    def _until_the_end(self) -> bytes:
        while self._more():
            if len(self._buffer) > BODY_LIMIT_BYTES:
                raise self._malformed(f"more than {BODY_LIMIT_BYTES} bytes")
        return self._buffer

    def _through(self, mark: bytes, limit: int) -> bytes:
        while mark not in self._buffer[:limit]:
            if len(self._buffer) >= limit:
                raise self._malformed(f"more than {limit} bytes without an end")
            self._or_lost()
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _exactly(self, length: int) -> bytes:
        while len(self._buffer) < length:
            self._or_lost()
        found, self._buffer = self._buffer[:length], self._buffer[length:]
        return found

    def _or_lost(self) -> None:
        if not self._more():
            raise ConnectionResetError(errno.ECONNRESET, "it was closed")

    def _more(self) -> bool:
        try:
            self._connection.settimeout(seconds_left(self._deadline, self._left_for_the_rest()))
            received = self._connection.recv(65536)
        except TimeoutError:
            self._left_for_the_rest()
            raise
        if self._end is None:
            self._end = time.monotonic() + ANSWER_TIMEOUT
        self._buffer += received
        return bool(received)

    def _left_for_the_rest(self) -> float | None:
        left = None if self._end is None else self._end - time.monotonic()
        if left is not None and left <= 0:
            raise self._malformed(f"no end within {ANSWER_TIMEOUT:g} s")
        return left

    @staticmethod
    def _malformed(found: str) -> Outcome:
        return Outcome(
            NOT_OURS,
            f"the answer is not one of this library's, with {found}: is the address right?",
        )


def _is_status(word: str) -> bool:
    return len(word) == 3 and word.isascii() and word.isdigit()  # noqa: PLR2004 - RFC 9112, section 4
