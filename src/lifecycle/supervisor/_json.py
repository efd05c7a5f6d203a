"""JSON in a hundred lines: the `json` package brings regular expressions along, which cost more than our whole start."""

from ._system import TYPE_CHECKING, cast

if TYPE_CHECKING:
    JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]

ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
NAMED = {"true": True, "false": False, "null": None}
DEEPEST = 50


def write(value: "object") -> str:
    """One line, ASCII only, so that a cut or a strange locale cannot break a letter in two."""
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return '"' + "".join(map(_escape, value)) + '"'
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(round(value, 4))
    if isinstance(value, dict):
        members = cast("dict[object, object]", value)
        return "{" + ", ".join(f"{write(str(key))}: {write(members[key])}" for key in members) + "}"
    if isinstance(value, list | tuple):
        items = cast("list[object]", value)
        return "[" + ", ".join(write(item) for item in items) + "]"
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _escape(letter: str) -> str:
    code = ord(letter)
    if letter in '"\\':
        return "\\" + letter
    if 0x20 <= code < 0x7F:
        return letter
    if code >= 0x10000:
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return f"\\u{code:04x}"


def read(text: str) -> "JSON":
    """
    Raises:
        ValueError: It is no JSON.
    """
    value, end = _value(text, _skip(text, 0), 0)
    if _skip(text, end) != len(text):
        raise ValueError(f"something follows the value at {end}")
    return value


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _value(text: str, at: int, depth: int) -> "tuple[JSON, int]":
    if depth > DEEPEST:
        raise ValueError("nested too deeply")
    letter = text[at : at + 1]
    if letter == '"':
        return _string(text, at + 1)
    if letter == "{":
        return _object(text, at, depth)
    if letter == "[":
        return _list(text, at, depth)
    end = at
    while end < len(text) and text[end] not in " \t\r\n,]}":
        end += 1
    word = text[at:end]
    if word in NAMED:
        return NAMED[word], end
    if not word[:1].isdigit() and word[:1] != "-":
        raise ValueError(f"no value at {at}")
    return (float(word) if set(word) & set(".eE") else int(word)), end


def _list(text: str, at: int, depth: int) -> "tuple[JSON, int]":
    items: list[JSON] = []
    at = _skip(text, at + 1)
    while text[at : at + 1] != "]":
        item, at = _value(text, at, depth + 1)
        items.append(item)
        at = _separator(text, at, "]")
    return items, at + 1


def _object(text: str, at: int, depth: int) -> "tuple[JSON, int]":
    members: dict[str, JSON] = {}
    at = _skip(text, at + 1)
    while text[at : at + 1] != "}":
        if text[at : at + 1] != '"':
            raise ValueError(f"no name at {at}")
        key, at = _string(text, at + 1)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise ValueError(f"no colon at {at}")
        members[key], at = _value(text, _skip(text, at + 1), depth + 1)
        at = _separator(text, at, "}")
    return members, at + 1


def _separator(text: str, at: int, closing: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] == ",":
        at = _skip(text, at + 1)
        if text[at : at + 1] != closing:
            return at
    elif text[at : at + 1] == closing:
        return at
    raise ValueError(f"no comma at {at}")


def _string(text: str, at: int) -> tuple[str, int]:
    letters: list[str] = []
    while True:
        letter = text[at : at + 1]
        if letter == '"':
            return "".join(letters), at + 1
        if not letter or letter < " ":
            raise ValueError(f"a text does not end at {at}")
        at += 1
        if letter == "\\":
            letter = text[at : at + 1]
            at += 1
            if letter == "u":
                code, at = _code(text, at)
                if 0xD800 <= code < 0xDC00 and text[at : at + 2] == "\\u":
                    low, after = _code(text, at + 2)
                    if 0xDC00 <= low < 0xE000:
                        code, at = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), after
                letter = chr(code)
            elif letter in ESCAPES:
                letter = ESCAPES[letter]
            else:
                raise ValueError(f"an unknown escape at {at}")
        letters.append(letter)


def _code(text: str, at: int) -> tuple[int, int]:
    digits = text[at : at + 4]
    if len(digits) != 4 or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise ValueError(f"no code at {at}")
    return int(digits, 16), at + 4
