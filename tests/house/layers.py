"""Which layer may import what. Imports point down only, under `TYPE_CHECKING` too."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Layer(NamedTuple):
    ours: frozenset[str]
    theirs: frozenset[str]


def _layer(ours: str = "", theirs: str = "") -> Layer:
    return Layer(frozenset(ours.split()), frozenset(theirs.split()))


LAYERS = {
    "core": _layer(),
    # trio only by `import_module`, where it runs already: see test_light_imports.
    "runtime": _layer("core", "anyio trio"),
    "asgi": _layer("core runtime", "anyio starlette"),
    "server": _layer("core runtime asgi", "anyio starlette uvicorn"),
    # trio as in runtime: by `import_module`, where it runs.
    "testing": _layer("core runtime asgi", "anyio trio"),
    # The supervisor's options, which are the rules of what may stand in a manifest: a table, the standard library alone.
    "kube": _layer("core supervisor", "yaml"),
    "rehearse": _layer("core kube", "anyio h11 h2 rich websockets yaml"),
    # pytest loads it in every run: all but pytest is imported inside its fixtures.
    "pytest_plugin": _layer("core kube rehearse", "anyio pytest"),
    # Copied and compiled by itself: it knows nobody.
    "supervisor": _layer(theirs="_supervisor"),  # what main.c gives to the static executable
    "cli": _layer("core runtime asgi server kube rehearse supervisor", "anyio click rich uvicorn"),
}

# Started by itself, beside whatever the process that starts it has loaded.
ALONE = "rehearse._agent"

# `life.serve(…)` belongs to the object that people have in hand; what it calls lives two layers above it.
FACADE = {"runtime": frozenset({"serve", "serve_async"})}

# core says what may happen; it does none of it: no I/O, no clock, no task, no logging.
IMPURE = frozenset(
    {
        "asyncio",
        "concurrent",
        "logging",
        "multiprocessing",
        "select",
        "selectors",
        "socket",
        "subprocess",
        "threading",
        "time",
    }
)


class Import(NamedTuple):
    line: int
    module: str
    relative: bool = False


def imports(source: str, package: str) -> Iterator[Import]:
    """Every import in `source`, a module that lives in `package`: absolute, relative, or by a call."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (Import(node.lineno, name.name) for name in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                parents = package.split(".")[: len(package.split(".")) - level + 1] if level else []
                parts = [*parents, *([module] if module else [])]
                # `from lifecycle import core` names the module last.
                yield from (
                    Import(node.lineno, ".".join([*parts, name.name]), relative=level > 0)
                    for name in names
                )
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                yield Import(node.lineno, module)
            case _:
                pass


def layer_faults(package: Path) -> list[str]:
    """Every import in the package at `package` that does not point down."""
    faults: list[str] = []
    for path in sorted([*package.rglob("*.py"), *package.rglob("*.pyi")]):
        relative = path.relative_to(package)
        if relative.parent == Path():
            if len(relative.parts) == 1 and path.stem == "__init__":
                continue  # the façade stands above all layers; what it imports, and when, has tests of its own
            own = "cli" if relative.stem == "__main__" else relative.stem
        else:
            own = relative.parts[0]
        if own not in LAYERS:
            faults.append(
                f"{relative}: {own!r} is in no layer: give it a row in tests/house/layers.py"
            )
            continue
        dotted = ".".join([package.name, *relative.parent.parts])
        faults.extend(
            f"{relative}:{found.line}: {fault}"
            for found in imports(path.read_text(encoding="utf-8"), dotted)
            if (fault := _fault(own, found, package.name, alone=_is_alone(relative)))
        )
    return faults


def _is_alone(path: Path) -> bool:
    return ".".join(path.parts).startswith(f"{ALONE}.")


def _fault(own: str, found: Import, package: str, *, alone: bool = False) -> str | None:
    module = found.module
    top, _, rest = module.partition(".")
    may = LAYERS[own]
    if alone:
        inside = found.relative and f"{rest}.".startswith(f"{ALONE}.")
        if inside or top in sys.stdlib_module_names:
            return None
        return f"{ALONE} imports {module}: it is started by itself, with the standard library alone"
    if top == package:
        other = rest.partition(".")[0]
        if other == own:
            copied = own == "supervisor" and not found.relative
            return (
                f"{own} imports {module}: it is copied by itself, so write it relative"
                if copied
                else None
            )
        if other in LAYERS:
            return None if other in may.ours else f"{own} imports {module}, which is not below it"
        if other in FACADE.get(own, ()):
            return None
        return f"{own} imports {module} from the façade: import it from its layer"
    if top in sys.stdlib_module_names:
        impure = own == "core" and top in IMPURE
        return f"core imports {module}: it has no I/O, clock, task or log" if impure else None
    return None if top in may.theirs else f"{own} imports {module}, which its layer does not have"
