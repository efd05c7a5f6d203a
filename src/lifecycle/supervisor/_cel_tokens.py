"""The words of the Common Expression Language."""

OPERATORS = ("==", "!=", "<=", ">=", "&&", "||", *"<>+-*/%!?:.,()[]{}")
ESCAPES = {**dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True)), **{c: c for c in "\\'\"`?"}}
CODES = {"x": 2, "X": 2, "u": 4, "U": 8}
DIGITS, OCTAL = "0123456789", "01234567"
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
NAMED = {"true": True, "false": False, "null": None}
LARGEST = 2**63


class CelError(ValueError):
    """It is not understood, or has no value."""


class Uint(int):
    """A number with a `u` behind it: another type than one without."""


class Token:
    __slots__ = ("kind", "text", "value")

    def __init__(self, kind: str, text: str, value: object = None) -> None:
        self.kind = kind
        self.text = text
        self.value = value


def tokens(text: str) -> list[Token]:
    """
    Raises:
        CelError: A letter or a literal that the language does not have.
    """
    found: list[Token] = []
    at = 0
    while at < len(text):
        letter = text[at]
        if letter in " \t\n\r\f":
            at += 1
        elif text.startswith("//", at):
            at = text.find("\n", at) if "\n" in text[at:] else len(text)
        elif (start := _string_at(text, at)) is not None:
            value, end = _string(text, start, raw=text[at] in "rR")
            found.append(Token("value", text[at:end], value))
            at = end
        elif letter in DIGITS or (letter == "." and text[at + 1 : at + 2] in (*DIGITS,)):
            number, end = _number(text, at)
            found.append(Token("value", text[at:end], number))
            at = end
        elif letter in LETTERS:
            end = at
            while end < len(text) and text[end] in LETTERS + DIGITS:
                end += 1
            found.append(_word(text[at:end]))
            at = end
        else:
            operator = next((word for word in OPERATORS if text.startswith(word, at)), None)
            if operator is None:
                raise CelError(f"unexpected {letter!r}")
            found.append(Token("operator", operator))
            at += len(operator)
    return [*found, Token("end", "")]


def _word(word: str) -> Token:
    if word in NAMED:
        return Token("value", word, NAMED[word])
    return Token("operator" if word == "in" else "name", word)


def _string_at(text: str, at: int) -> int | None:
    """Where its quotes begin, if here is a string."""
    if text[at] in "rR" and text[at + 1 : at + 2] in ("'", '"'):
        return at + 1
    return at if text[at] in "'\"" else None


def _string(text: str, at: int, *, raw: bool) -> tuple[str, int]:
    quote = text[at : at + 3] if text[at : at + 3] in ("'''", '"""') else text[at]
    at += len(quote)
    letters: list[str] = []
    while not text.startswith(quote, at):
        if at >= len(text) or (text[at] in "\r\n" and len(quote) == 1):
            raise CelError(f"a text has no end: {quote} is missing")
        if text[at] == "\\" and not raw:
            letter, at = _escaped(text, at + 1)
            letters.append(letter)
        else:
            letters.append(text[at])
            at += 1
    return "".join(letters), at + len(quote)


def _escaped(text: str, at: int) -> tuple[str, int]:
    letter = text[at : at + 1]
    if letter and letter in ESCAPES:
        return ESCAPES[letter], at + 1
    length, base = (CODES[letter], 16) if letter in CODES else (3, 8)
    begin = at + (base == 16)
    digits = text[begin : begin + length]
    try:
        if len(digits) != length or "_" in digits:
            raise ValueError
        return chr(int(digits, base)), begin + length
    except (ValueError, OverflowError):
        raise CelError(f"'\\{letter}' is no escape") from None


def _number(text: str, at: int) -> tuple[object, int]:
    end = at
    hexadecimal = text[at : at + 2].lower() == "0x"
    allowed = DIGITS + ("abcdefABCDEFxX" if hexadecimal else ".eE")
    while end < len(text) and (
        text[end] in allowed or (text[end] in "+-" and text[end - 1] in "eE" and not hexadecimal)
    ):
        end += 1
    word = text[at:end]
    try:
        if not hexadecimal and any(letter in word for letter in ".eE"):
            return float(word), end
        value = int(word, 16 if hexadecimal else 10)
    except ValueError:
        raise CelError(f"{word!r} is no number") from None
    if text[end : end + 1] in ("u", "U"):
        if value >= 2 * LARGEST:
            raise CelError(f"{word} is too large")
        return Uint(value), end + 1
    if value > LARGEST:
        raise CelError(f"{word} is too large")
    return value, end
