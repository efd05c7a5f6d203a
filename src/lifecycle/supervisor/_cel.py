"""Conditions in the Common Expression Language, as far as they can be told apart from mistakes without its type checker.

https://github.com/google/cel-spec/blob/master/doc/langdef.md: literals, lists, maps, operators, `in`, `size`, `contains`,
`startsWith`, `endsWith`, `int`, `uint`, `double`, `string`, `bool`, `has`, and `all`, `exists`, `exists_one`, `map`, `filter`. There are no
variables: Tekton gives none, and puts results into the text. What is not understood is an error, and never false.
(`matches` is left out: it asks for RE2, which nobody has; bytes, durations, timestamps and types, because no condition
on results needs them.)
"""

from ._cel_tokens import CelError, Token, Uint, tokens
from ._cel_values import BINARY, FUNCTIONS, METHODS, kind, member
from ._system import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    Scope = dict[str, object]
    Node = Callable[[Scope], object]

# Strongest last; `?:`, `||` and `&&` are above, because they do not look at all of their operands.
LEVELS = (("==", "!=", "<", "<=", ">", ">=", "in"), ("+", "-"), ("*", "/", "%"))
MACROS = ("all", "exists", "exists_one", "map", "filter")
DEEPEST = 60


def holds(text: str) -> bool:
    """
    Raises:
        CelError: It is no expression, or none whose value is true or false.
    """
    try:
        value = _Parser(text).whole()({})
    except (TypeError, RecursionError):
        raise CelError("it puts values where they have no place") from None
    if not isinstance(value, bool):
        raise CelError(f"it is neither true nor false, but {kind(value)}")
    return value


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = tokens(text)
        self._at = 0
        self._bound: list[str] = []
        self._depth = 0

    def whole(self) -> "Node":
        node = self._expression()
        if self._next.kind != "end":
            raise CelError(f"unexpected {self._next.text!r}")
        return node

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _taken(self, *texts: str) -> str:
        """One of these operators, if it comes next."""
        token = self._next
        if token.kind == "operator" and token.text in texts:
            self._at += 1
            return token.text
        return ""

    def _need(self, text: str) -> None:
        if not self._taken(text):
            raise CelError(f"expected {text!r}, found {self._next.text or 'the end'!r}")

    def _expression(self) -> "Node":
        self._depth += 1
        if self._depth > DEEPEST:
            raise CelError("it is nested too deeply")
        condition = self._either(0)
        if self._taken("?"):
            yes = self._either(0)
            self._need(":")
            no = self._expression()
            condition = _choice(condition, yes, no)
        self._depth -= 1
        return condition

    def _either(self, level: int) -> "Node":
        """`||` above `&&`."""
        word = ("||", "&&")[level]
        node = self._either(1) if level == 0 else self._operation(0)
        while self._taken(word):
            other = self._either(1) if level == 0 else self._operation(0)
            node = _joined(node, other, deciding=word == "||")
        return node

    def _operation(self, level: int) -> "Node":
        if level == len(LEVELS):
            return self._unary()
        node = self._operation(level + 1)
        while word := self._taken(*LEVELS[level]):
            node = _binary(word, node, self._operation(level + 1))
        return node

    def _unary(self) -> "Node":
        word = self._taken("!", "-")
        if not word:
            return self._member()
        self._depth += 1
        if self._depth > DEEPEST:
            raise CelError("it is nested too deeply")
        node = self._unary()
        self._depth -= 1
        return _negated(word, node)

    def _member(self) -> "Node":
        node = self._primary()
        while word := self._taken(".", "["):
            if word == "[":
                index = self._expression()
                self._need("]")
                node = _binary("[]", node, index)
                continue
            name = self._name()
            if not self._taken("("):
                node = _field(node, name)
            elif name in MACROS:
                node = self._macro(node, name)
            elif name in METHODS:
                node = _called(METHODS[name], [node, *self._rest(")")])
            else:
                raise CelError(f"{name}() is not known here")
        return node

    def _primary(self) -> "Node":
        token = self._next
        self._at += 1
        if token.kind == "value":
            return lambda scope: token.value
        if token.kind == "name":
            return self._named(token.text)
        if token.text == "(":
            node = self._expression()
            self._need(")")
            return node
        if token.text == "[":
            members = self._rest("]")
            return lambda scope: [each(scope) for each in members]
        if token.text == "{":
            return self._map()
        raise CelError(f"unexpected {token.text or 'end'!r}")

    def _named(self, name: str) -> "Node":
        if self._taken("("):
            if name == "has":
                return self._has()
            if name in FUNCTIONS:
                return _called(FUNCTIONS[name], self._rest(")"))
            raise CelError(f"{name}() is not known here")
        if name not in self._bound:
            raise CelError(f"there is no {name!r}: texts need quotes")
        return lambda scope: scope[name]

    def _name(self) -> str:
        token = self._next
        if token.kind != "name":
            raise CelError(f"expected a name, found {token.text or 'the end'!r}")
        self._at += 1
        return token.text

    def _rest(self, end: str) -> "list[Node]":
        nodes: list[Node] = []
        while not self._taken(end):
            nodes.append(self._expression())
            if not self._taken(","):
                self._need(end)
                break
        return nodes

    def _map(self) -> "Node":
        pairs: list[tuple[Node, Node]] = []
        while not self._taken("}"):
            key = self._expression()
            self._need(":")
            pairs.append((key, self._expression()))
            if not self._taken(","):
                self._need("}")
                break
        return lambda scope: {key(scope): value(scope) for key, value in pairs}

    def _has(self) -> "Node":
        node, name = self._primary(), ""
        while self._taken("."):
            if name:
                node = _field(node, name)
            name = self._name()
        self._need(")")
        if not name:
            raise CelError("has() asks for a field: write has(a.b)")
        return lambda scope: name in cast("dict[object, object]", _of(dict, node(scope)))

    def _macro(self, node: "Node", name: str) -> "Node":
        variable = self._name()
        self._need(",")
        self._bound.append(variable)
        arguments = self._rest(")")
        self._bound.pop()
        if len(arguments) != 1:
            raise CelError(f"{name}() takes a name and an expression")
        return _over(name, variable, node, arguments[0])


def _of(wanted: type, value: object) -> object:
    if type(value) is not wanted:
        raise CelError(f"{kind(value)} where {wanted.__name__} is needed")
    return value


def _choice(condition: "Node", yes: "Node", no: "Node") -> "Node":
    return lambda scope: yes(scope) if _of(bool, condition(scope)) else no(scope)


def _joined(left: "Node", right: "Node", *, deciding: bool) -> "Node":
    """Either side decides, even if the other is an error."""

    def node(scope: "Scope") -> object:
        failure: CelError | None = None
        for side in (left, right):
            try:
                if _of(bool, side(scope)) is deciding:
                    return deciding
            except CelError as error:
                failure = error
        if failure is not None:
            raise failure
        return not deciding

    return node


def _binary(word: str, left: "Node", right: "Node") -> "Node":
    return lambda scope: BINARY[word](left(scope), right(scope))


def _negated(word: str, node: "Node") -> "Node":
    if word == "!":
        return lambda scope: not _of(bool, node(scope))

    def negative(scope: "Scope") -> object:
        value = node(scope)
        if type(value) is Uint:
            raise CelError("an unsigned number has no negative")
        return BINARY["-"](0.0 if type(value) is float else 0, value)

    return negative


def _field(node: "Node", name: str) -> "Node":
    return lambda scope: member(_of(dict, node(scope)), name)


def _called(function: "Callable[..., object]", arguments: "list[Node]") -> "Node":
    def node(scope: "Scope") -> object:
        try:
            return function(*[argument(scope) for argument in arguments])
        except TypeError:
            raise CelError("a function with the wrong number of values") from None

    return node


def _over(name: str, variable: str, over: "Node", each: "Node") -> "Node":
    def node(scope: "Scope") -> object:
        members = over(scope)
        if not isinstance(members, list | dict):
            raise CelError(f"{name}() goes over a list or a map, not over {kind(members)}")
        values = list(cast("list[object]", members))
        found = [each({**scope, variable: value}) for value in values]
        if name == "map":
            return found
        chosen = [value for value, yes in zip(values, found, strict=True) if _of(bool, yes)]
        if name == "filter":
            return chosen
        return {
            "all": len(chosen) == len(values),
            "exists": bool(chosen),
            "exists_one": len(chosen) == 1,
        }[name]

    return node
