"""`-when_expressions`: whether a step has anything to do, decided when the steps before it have ended."""

from . import _json
from ._errors import UsageError
from ._system import TYPE_CHECKING

if TYPE_CHECKING:
    from ._json import JSON
    from ._tekton_references import References


def conditions(text: str) -> "list[dict[str, JSON]]":
    """
    Raises:
        UsageError: It is no list of conditions.
    """
    if not text:
        return []
    try:
        found = _json.read(text)
    except ValueError as failure:
        raise UsageError(f"-when_expressions is no JSON: {failure}") from None
    listed = found if isinstance(found, list) else []
    if found is not None and not isinstance(found, list):
        raise UsageError("-when_expressions is no list")
    conditions = [each for each in listed if isinstance(each, dict)]
    if len(conditions) < len(listed):
        raise UsageError(
            "-when_expressions: each is an object with input, operator and values, or cel"
        )
    return conditions


def hold(conditions: "list[dict[str, JSON]]", references: "References") -> bool:
    """
    Raises:
        ValueError: One can be neither true nor false.
    """
    return all(_holds(condition, references) for condition in conditions)


def _holds(condition: "dict[str, JSON]", references: "References") -> bool:
    expression = condition.get("cel")
    if isinstance(expression, str) and expression:
        from ._cel import holds

        expression = references.text(expression)
        try:
            if not holds(expression):
                return False
        except ValueError as failure:
            raise ValueError(f"the CEL expression {expression!r}: {failure}") from None
    listed = condition.get("values")
    values = references.words([str(each) for each in listed]) if isinstance(listed, list) else []
    inside = references.text(str(condition.get("input") or "")) in values
    return inside == (condition.get("operator") == "in")
