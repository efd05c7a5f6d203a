"""What a word in YAML means, as Kubernetes reads it: YAML 1.1, but for base 60 and dates.

See https://github.com/kubernetes-sigs/yaml, through which every manifest goes.
"""

import re
from typing import Final, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

MAX_DIGITS: Final = 40
"""More are no number that anybody counts with; Python refuses to read some thousands."""

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {
    spelled: meaning
    for word, meaning in {
        "true": True,
        "yes": True,
        "on": True,
        "false": False,
        "no": False,
        "off": False,
    }.items()
    for spelled in (word, word.title(), word.upper())
}
_WHOLE = re.compile(
    r"(?P<sign>[-+]?)(?:0b(?P<two>[01_]+)|0o?(?P<eight>[0-7_]+)|0x(?P<sixteen>[0-9a-fA-F_]+)|(?P<ten>0|[1-9][0-9_]*))"
)
_BASES = {"two": 2, "eight": 8, "sixteen": 16, "ten": 10}
_FRACTION = re.compile(r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

_PREFIX = "tag:yaml.org,2002:"
_TAGS = {_PREFIX + name for name in ("null", "bool", "int", "float")}


def resolve(text: str, tag: str | None, *, plain: bool) -> Scalar:
    """The value of a word: quoted ones are text, and so is what has a tag that we do not know."""
    if tag in _TAGS or (plain and tag in (None, "!")):
        return _plain(text)
    return text


def _plain(text: str) -> Scalar:
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if text[0] not in "+-.0123456789":
        return text
    if len(text) <= MAX_DIGITS:
        if found := _WHOLE.fullmatch(text):
            base, digits = next((_BASES[name], found[name]) for name in _BASES if found[name])
            bare = digits.replace("_", "")
            return int(found["sign"] + bare, base) if bare else text
        if _FRACTION.fullmatch(text):
            return float(text.replace("_", ""))
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text
