"""What the operators and functions of the Common Expression Language do with values of one type."""

from ._cel_tokens import LARGEST, CelError, Uint
from ._system import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = {
    "NoneType": "null",
    "bool": "bool",
    "int": "int",
    "Uint": "uint",
    "float": "double",
    "str": "string",
    "list": "list",
    "dict": "map",
}


def kind(value: object) -> str:
    return KINDS.get(type(value).__name__, "something else")


def _alike(word: str, left: object, right: object, *kinds: type) -> None:
    """The language never turns one type into another by itself; and neither do we, into `false`."""
    if type(left) is not type(right) or (kinds and type(left) not in kinds):
        raise CelError(f"{kind(left)} {word} {kind(right)} has no meaning")


def equal(left: object, right: object) -> bool:
    _alike("==", left, right)
    if isinstance(left, list):
        mine, others = cast("list[object]", left), cast("list[object]", right)
        return len(mine) == len(others) and all(map(equal, mine, others))
    if isinstance(left, dict):
        one, other = cast("dict[object, object]", left), cast("dict[object, object]", right)
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return left == right


def _in(left: object, right: object) -> bool:
    if isinstance(right, dict):
        return left in cast("dict[object, object]", right)
    if isinstance(right, list):
        return any(equal(left, each) for each in cast("list[object]", right))
    raise CelError(f"{kind(left)} in {kind(right)} has no meaning")


def _less(left: object, right: object) -> bool:
    _alike("<", left, right, int, Uint, float, str, bool)
    return cast("int", left) < cast("int", right)


def _not_more(left: object, right: object) -> bool:
    return not _less(right, left)


def _within(value: object, like: object) -> object:
    if type(like) is float:
        return value
    number = cast("int", value)
    low, high = (0, 2 * LARGEST) if type(like) is Uint else (-LARGEST, LARGEST)
    if not low <= number < high:
        raise CelError("a number is too large")
    return Uint(number) if type(like) is Uint else number


def _plus(left: object, right: object) -> object:
    _alike("+", left, right, int, Uint, float, str, list)
    total = cast("int", left) + cast("int", right)
    return total if isinstance(left, str | list) else _within(total, left)


def _minus(left: object, right: object) -> object:
    _alike("-", left, right, int, Uint, float)
    return _within(cast("int", left) - cast("int", right), left)


def _times(left: object, right: object) -> object:
    _alike("*", left, right, int, Uint, float)
    return _within(cast("int", left) * cast("int", right), left)


def _divided(left: object, right: object) -> object:
    _alike("/", left, right, int, Uint, float)
    if right == 0:
        raise CelError("a division by zero")
    if type(left) is float:
        return left / cast("float", right)
    mine, other = cast("int", left), cast("int", right)
    # Towards zero, unlike Python's.
    quotient = abs(mine) // abs(other)
    return _within(quotient if (mine < 0) == (other < 0) else -quotient, left)


def _rest(left: object, right: object) -> object:
    _alike("%", left, right, int, Uint)
    mine, other = cast("int", left), cast("int", right)
    return _within(mine - cast("int", _divided(left, right)) * other, left)


def member(of: object, key: object) -> object:
    """
    Raises:
        CelError: There is none.
    """
    if isinstance(of, list):
        members = cast("list[object]", of)
        if type(key) in (int, Uint) and 0 <= cast("int", key) < len(members):
            return members[cast("int", key)]
        raise CelError(f"a list of {len(members)} has no [{key}]")
    if not isinstance(of, dict):
        raise CelError(f"{kind(of)} has no members")
    named = cast("dict[object, object]", of)
    if key not in named:
        raise CelError(f"a map has no {key!r}")
    return named[key]


def _size(value: object) -> int:
    if not isinstance(value, str | list | dict):
        raise CelError(f"{kind(value)} has no size")
    return len(cast("str", value))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if type(value) is float and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value)
    raise CelError(f"string({kind(value)}) has no meaning")


def _whole(value: object) -> int:
    try:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return cast("int", _within(int(value), 0))
    except (ValueError, OverflowError):
        pass
    raise CelError(f"int() cannot read {value!r}")


def _unsigned(value: object) -> Uint:
    return cast("Uint", _within(_whole(value), Uint(0)))


def _double(value: object) -> float:
    try:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return float(value)
    except ValueError:
        pass
    raise CelError(f"double() cannot read {value!r}")


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    known = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}
    word = value if isinstance(value, str) else ""
    for spelling in (
        word,
        word.lower() if word in ("T", "F", "TRUE", "FALSE", "True", "False") else "",
    ):
        if spelling in known:
            return known[spelling]
    raise CelError(f"bool() cannot read {value!r}")


def _same(value: object) -> object:
    return value


def _both_texts(word: str, text: object, part: object) -> tuple[str, str]:
    _alike(word, text, part, str)
    return cast("str", text), cast("str", part)


def _contains(text: object, part: object) -> bool:
    whole, wanted = _both_texts("contains", text, part)
    return wanted in whole


def _starts_with(text: object, part: object) -> bool:
    whole, wanted = _both_texts("startsWith", text, part)
    return whole.startswith(wanted)


def _ends_with(text: object, part: object) -> bool:
    whole, wanted = _both_texts("endsWith", text, part)
    return whole.endswith(wanted)


BINARY: "dict[str, Callable[[object, object], object]]" = {
    "==": equal,
    "!=": lambda left, right: not equal(left, right),
    "<": _less,
    "<=": _not_more,
    ">": lambda left, right: _less(right, left),
    ">=": lambda left, right: _not_more(right, left),
    "in": _in,
    "+": _plus,
    "-": _minus,
    "*": _times,
    "/": _divided,
    "%": _rest,
    "[]": member,
}
FUNCTIONS: "dict[str, Callable[..., object]]" = {
    "size": _size,
    "string": _text,
    "int": _whole,
    "uint": _unsigned,
    "double": _double,
    "bool": _truth,
    "dyn": _same,
}
METHODS: "dict[str, Callable[..., object]]" = {
    "size": _size,
    "contains": _contains,
    "startsWith": _starts_with,
    "endsWith": _ends_with,
}
