"""Imports point down the layers."""

from pathlib import Path

import pytest

from tests.house.layers import layer_faults

PACKAGE = Path(__file__).parents[2] / "src" / "lifecycle"


def test_imports_point_down_only() -> None:
    assert layer_faults(PACKAGE) == []


@pytest.mark.parametrize(
    ("path", "source", "fault"),
    [
        ("core/_x.py", "import anyio", "core imports anyio, which its layer does not have"),
        ("core/_x.py", "import time", "core imports time: it has no I/O, clock, task or log"),
        (
            "core/_x.py",
            "from ..runtime import Y",
            "core imports lifecycle.runtime.Y, which is not below it",
        ),
        (
            "core/_x.py",
            "from .. import runtime",
            "core imports lifecycle.runtime, which is not below it",
        ),
        (
            "core/_x.py",
            "from lifecycle import asgi",
            "core imports lifecycle.asgi, which is not below it",
        ),
        (
            "core/deep/_x.py",
            "from ...runtime import Y",
            "core imports lifecycle.runtime.Y, which is not below it",
        ),
        (
            "core/_x.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from lifecycle.runtime import Y",
            "core imports lifecycle.runtime.Y, which is not below it",
        ),
        (
            "core/_x.py",
            "def f():\n    import importlib\n    importlib.import_module('lifecycle.asgi')",
            "core imports lifecycle.asgi, which is not below it",
        ),
        (
            "runtime/_x.py",
            "from lifecycle import Lifecycle",
            "runtime imports lifecycle.Lifecycle from the façade: import it from its layer",
        ),
        (
            "runtime/_x.py",
            "import starlette.types",
            "runtime imports starlette.types, which its layer does not have",
        ),
        ("asgi/_x.py", "import lifecycle.cli", "asgi imports lifecycle.cli, which is not below it"),
        (
            "kube/_x.py",
            "import lifecycle.runtime",
            "kube imports lifecycle.runtime, which is not below it",
        ),
        (
            "supervisor/_x.py",
            "import lifecycle.core",
            "supervisor imports lifecycle.core, which is not below it",
        ),
        (
            "supervisor/_x.py",
            "import lifecycle.supervisor._y",
            "supervisor imports lifecycle.supervisor._y: it is copied by itself, so write it relative",
        ),
        (
            "rehearse/_agent/_x.py",
            "import anyio",
            "rehearse._agent imports anyio: it is started by itself, with the standard library alone",
        ),
        (
            "rehearse/_agent/_x.py",
            "from .._link import AGENT",
            "rehearse._agent imports lifecycle.rehearse._link.AGENT: it is started by itself, with the standard library alone",
        ),
        ("stray.py", "", "'stray' is in no layer: give it a row in tests/house/layers.py"),
    ],
)
def test_an_import_that_points_elsewhere_is_found(
    tmp_path: Path, path: str, source: str, fault: str
) -> None:
    module = tmp_path / "lifecycle" / path
    module.parent.mkdir(parents=True)
    module.write_text(source)
    (found,) = layer_faults(tmp_path / "lifecycle")
    assert found.startswith(path)
    assert found.endswith(fault)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("core/_x.py", "from ._y import Z\nfrom lifecycle.core._y import Z\nimport dataclasses"),
        ("runtime/_x.py", "import anyio.abc\nfrom ..core import Z\nimport threading"),
        ("asgi/_x.py", "from lifecycle.runtime import Z\nfrom starlette.types import Scope"),
        ("cli/_x.py", "import click\nfrom lifecycle.kube import Z"),
        ("supervisor/_x.py", "from ._y import Z\nimport os"),
        ("rehearse/_agent/_x.py", "from ._y import Z\nimport os"),
        ("__init__.py", "import lifecycle.asgi"),
        ("__main__.py", "from lifecycle.cli import main"),
    ],
)
def test_an_import_that_points_down_is_none_of_them(tmp_path: Path, path: str, source: str) -> None:
    module = tmp_path / "lifecycle" / path
    module.parent.mkdir(parents=True)
    module.write_text(source)
    assert layer_faults(tmp_path / "lifecycle") == []
