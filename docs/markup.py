"""Markdown of what the code says: tables, usages, and the sentences that stand below its assignments."""

import ast
import inspect
import itertools
from collections.abc import Iterable


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def usage(text: str) -> str:
    """What a command says of itself."""
    return f"```text\n{text}```\n"


def attribute_docstrings(cls: type) -> dict[str, str]:
    """The string below each assignment in the body of `cls`: Python itself forgets them."""
    (definition,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 - it is the source of a class
    found: dict[str, str] = {}
    for statement, below in itertools.pairwise(definition.body):
        match statement, below:
            case (
                ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = inspect.cleandoc(text)
            case _:
                pass
    return found
