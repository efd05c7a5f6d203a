"""Whole numbers that somebody else wrote.

`int` alone takes every alphabet's digits, and raises on thousands of them: both would end PID 1 instead of the sentence.
"""

MOST_DIGITS = 18


def whole(text: str | bytes, most: int = 10**MOST_DIGITS) -> int | None:
    """None for what is no number, and for what is beyond `most`."""
    if not (text.isascii() and text.isdigit()) or len(text) > MOST_DIGITS:
        return None
    number = int(text)
    return number if number <= most else None
