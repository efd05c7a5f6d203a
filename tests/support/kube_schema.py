"""Whether an object has only fields that Kubernetes has, each with a value of its type: from the API's own schema.

`lightkube-models` is that schema as dataclasses. They lean on a client, which stays out: its three names are made here.
"""

import dataclasses
import importlib
import sys
import types
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin, get_type_hints


def _models(group: str) -> Any:
    if "lightkube.core.schema" not in sys.modules:
        schema = types.ModuleType("lightkube.core.schema")
        vars(schema).update(
            dataclass=dataclasses.dataclass, field=dataclasses.field, DictMixin=object
        )
        sys.modules["lightkube.core"] = types.ModuleType("lightkube.core")
        sys.modules["lightkube.core.schema"] = schema
    return importlib.import_module(f"lightkube.models.{group}")


def schema_faults(document: Any, kind: str | None = None) -> list[str]:
    """What of the document the API server would refuse, or drop without a word."""
    kind = kind or document["kind"]
    group = "apps_v1" if kind in {"Deployment", "StatefulSet", "DaemonSet"} else "core_v1"
    return list(_faults(document, getattr(_models(group), kind), kind))


def _faults(value: Any, expected: Any, where: str) -> Iterator[str]:
    origin, inner = get_origin(expected), get_args(expected)
    if origin in {Union, types.UnionType}:
        plain = [one for one in inner if one is not type(None)]
        tried = [list(_faults(value, one, where)) for one in plain]
        if all(tried):
            yield from tried[0]
    elif dataclasses.is_dataclass(expected):
        yield from _object_faults(value, expected, where)
    elif origin is list:
        if not isinstance(value, list):
            yield f"{where}: {value!r} is no list"
            return
        for index, item in enumerate(value):
            yield from _faults(item, inner[0], f"{where}[{index}]")
    elif origin is dict or expected is dict:
        if not isinstance(value, dict):
            yield f"{where}: {value!r} is no mapping"
    elif isinstance(expected, type) and type(value) is not expected:
        yield f"{where}: {value!r} is no {expected.__name__}"


def _object_faults(value: Any, expected: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: {value!r} is no {expected.__name__}"
        return
    hints = get_type_hints(expected)
    fields = {
        field.metadata.get("json", field.name): field for field in dataclasses.fields(expected)
    }
    for name in value.keys() - fields.keys():
        yield f"{where}.{name}: there is no such field in {expected.__name__}"
    for name, field in fields.items():
        if name in value:
            yield from _faults(value[name], hints[field.name], f"{where}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            yield f"{where}: {expected.__name__} needs {name}"
