"""What may be said about a stream or a WebSocket that is open when the drain begins."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.core import FAREWELL, End, SettingsError, as_end


def test_by_default_a_websocket_is_told_that_the_service_restarts() -> None:
    assert End() == End(farewell=None, code=1012, reason="service restart")


def test_the_farewell_is_one_event_that_calls_the_browser_back_in_a_second() -> None:
    assert FAREWELL.endswith(b"\n\n")
    assert FAREWELL.count(b"\n\n") == 1
    assert b"retry: 1000\n" in FAREWELL


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
)
def test_a_code_that_a_close_frame_can_carry_is_taken(code: int) -> None:
    assert End(code=code).code == code


@pytest.mark.parametrize(
    "code", [-1, 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 1012.0, True, "1012", None]
)
def test_a_code_that_no_close_frame_can_carry_is_refused(code: Any) -> None:
    with pytest.raises(
        SettingsError,
        match=rf"^End\(code={re.escape(repr(code))}\) cannot be sent in a close frame: use 1012, or 3000 to 4999$",
    ):
        End(code=code)


@pytest.mark.parametrize("reason", ["", "x" * 123, "ä" * 61])
def test_a_reason_of_123_bytes_fits(reason: str) -> None:
    assert End(reason=reason).reason == reason


@given(st.text(min_size=1))
def test_a_longer_reason_is_refused_with_the_reason(text: str) -> None:
    reason = text * 124
    with pytest.raises(SettingsError) as refused:
        End(reason=reason)
    assert str(refused.value) == f"End(reason=…) is longer than 123 bytes: shorten {reason!r}"


@pytest.mark.parametrize("reason", [None, b"bye", 3])
def test_a_reason_is_text(reason: Any) -> None:
    with pytest.raises(
        SettingsError,
        match=rf"^End\(reason={re.escape(repr(reason))}\) is not text: write a few words$",
    ):
        End(reason=reason)


@pytest.mark.parametrize("farewell", ["data: bye\n\n", 3, bytearray(b"bye"), [b"bye"]])
def test_a_farewell_is_bytes(farewell: Any) -> None:
    with pytest.raises(
        SettingsError, match=rf"^End\(farewell={re.escape(repr(farewell))}\) is not bytes: write it"
    ):
        End(farewell=farewell)


@pytest.mark.parametrize("farewell", [None, b"", b"\n", b"data: bye\n\n"])
def test_any_bytes_will_do_for_a_farewell(farewell: bytes | None) -> None:
    assert End(farewell=farewell).farewell == farewell


def test_a_policy_is_a_word_or_an_end() -> None:
    mine = End(code=4000)
    assert as_end("finish", "http") is None
    assert as_end("end", "http") == End()
    assert as_end(mine, "http") is mine


@pytest.mark.parametrize("policy", ["", "END", "stop", None, True, 3, b"end", End, ("end",)])
def test_another_policy_is_refused_with_its_place(policy: object) -> None:
    with pytest.raises(
        SettingsError,
        match=rf"^routes\['/feed'\]={re.escape(repr(policy))} is not a policy: write 'finish', 'end' or End\(…\)$",
    ):
        as_end(policy, "routes['/feed']")
