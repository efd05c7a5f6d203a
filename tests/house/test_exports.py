"""What is exported is written down once a place, and all places agree."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import lifecycle
from tests.house.layers import LAYERS

PACKAGE = Path(__file__).parents[2] / "src" / "lifecycle"
# cli's `__init__` is the program itself.
WITH_EXPORTS = [
    layer
    for layer in LAYERS
    if layer not in {"cli", "supervisor"} and (PACKAGE / layer / "__init__.py").exists()
]

HOMES: dict[str, str] = vars(lifecycle)["_HOMES"]


def export_faults(source: str) -> list[str]:
    """What an `__init__` has besides a docstring, imports, and a sorted `__all__` of what it imports."""
    faults: list[str] = []
    exported: list[str] | None = None
    imported: set[str] = set()
    for node in ast.parse(source).body:
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                pass
            case ast.ImportFrom(names=names):
                imported.update(name.asname or name.name for name in names)
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                exported = ast.literal_eval(value)
            case _:
                faults.append(f"line {node.lineno}: neither an import nor __all__")
    if exported is None:
        return [*faults, "no __all__"]
    if exported != sorted(exported):
        faults.append("__all__ is not sorted")
    faults.extend(
        f"{name} is imported, but not in __all__" for name in sorted(imported - {*exported})
    )
    faults.extend(
        f"{name} is in __all__, but not imported" for name in sorted({*exported} - imported)
    )
    return faults


@pytest.mark.parametrize("layer", WITH_EXPORTS)
def test_a_layer_exports_a_sorted_list_and_nothing_else(layer: str) -> None:
    assert export_faults((PACKAGE / layer / "__init__.py").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("from a import B", "no __all__"),
        ("from a import B, A\n__all__ = ['B', 'A']", "__all__ is not sorted"),
        ("from a import A, B\n__all__ = ['A']", "B is imported, but not in __all__"),
        ("from a import A\n__all__ = ['A', 'B']", "B is in __all__, but not imported"),
        ("from a import A\n__all__ = ['A']\nx = 1", "line 3: neither an import nor __all__"),
    ],
)
def test_exports_that_disagree_are_found(source: str, fault: str) -> None:
    assert fault in export_faults(source)


def stub_homes(stub: str) -> dict[str, str]:
    """Each name that the stub imports, with the module it says it is from."""
    return {
        name.name: node.module or ""
        for node in ast.walk(ast.parse(stub))
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }


def test_the_facade_and_its_stub_agree() -> None:
    stub = (PACKAGE / "__init__.pyi").read_text(encoding="utf-8")
    assert export_faults(stub) == []
    assert stub_homes(stub) == HOMES
    assert lifecycle.__all__ == sorted(HOMES)


@pytest.mark.parametrize("name", lifecycle.__all__)
def test_the_facade_gives_what_the_layer_exports(name: str) -> None:
    layer = importlib.import_module(HOMES[name])
    assert name in layer.__all__
    assert getattr(lifecycle, name) is getattr(layer, name)


def test_the_facade_lists_its_names_before_they_are_used() -> None:
    assert {*lifecycle.__all__} <= {*dir(lifecycle)}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'lifecycle' has no attribute 'Lifecycles'"):
        lifecycle.Lifecycles  # type: ignore[attr-defined]  # noqa: B018 - that it does not exist is the point


def test_a_star_import_works() -> None:
    program = "from lifecycle import *; print(Lifecycle.__name__, LifecycleMiddleware.__name__, Phase.READY.name)"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["Lifecycle", "LifecycleMiddleware", "READY"]
