"""What happens to a request that is still under way when the drain begins."""

from dataclasses import dataclass
from typing import Final, Literal

from lifecycle.core._errors import SettingsError

SERVICE_RESTART: Final = 1012
"""See https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number"""
REASON_LIMIT_BYTES: Final = 123
"""A close frame's payload is at most 125 bytes, two of them the code: RFC 6455, section 5.5."""
FAREWELL: Final = b"event: shutdown\nretry: 1000\ndata: the service is restarting\n\n"
"""For server-sent events: `retry` makes a browser reconnect after a second, to a replica that stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """End it cleanly when the drain begins: a stream with its final chunk, a WebSocket with a close frame.

    `farewell` is sent as the last chunk of a stream; by default an event, if the stream is `text/event-stream`.
    A WebSocket is closed with `code` and `reason`, once the message in work has been dealt with.

    Raises:
        SettingsError: A close frame cannot carry that code or reason.
    """

    farewell: bytes | None = None
    code: int = SERVICE_RESTART
    reason: str = "service restart"

    def __post_init__(self) -> None:
        if type(self.code) is not int or not (
            (self.code in range(1000, 1015) and self.code not in (1004, 1005, 1006))
            or self.code in range(3000, 5000)
        ):
            raise SettingsError(
                f"End(code={self.code!r}) cannot be sent in a close frame: use 1012, or 3000 to 4999"
            )
        if self.farewell is not None and not isinstance(self.farewell, bytes):
            raise SettingsError(
                f"End(farewell={self.farewell!r}) is not bytes: write it like b'data: bye\\n\\n'"
            )
        if not isinstance(self.reason, str):
            raise SettingsError(f"End(reason={self.reason!r}) is not text: write a few words")
        if len(self.reason.encode(errors="replace")) > REASON_LIMIT_BYTES:
            raise SettingsError(
                f"End(reason=…) is longer than {REASON_LIMIT_BYTES} bytes: shorten {self.reason!r}"
            )


Policy = Literal["finish", "end"] | End
"""`"finish"`: wait for it, within the budget. `"end"`: as `End()`."""


def as_end(policy: object, where: str) -> End | None:
    """The `End` that a policy stands for; `None` for `"finish"`.

    Raises:
        SettingsError: It is neither.
    """
    if isinstance(policy, End):
        return policy
    if policy == "end":
        return End()
    if policy == "finish":
        return None
    raise SettingsError(f"{where}={policy!r} is not a policy: write 'finish', 'end' or End(…)")
