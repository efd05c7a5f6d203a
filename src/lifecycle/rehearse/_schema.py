"""The schema of what `--json` writes: one file, for people and for programs."""

import json
from importlib.resources import files
from typing import Any


def schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12."""
    text = files("lifecycle.rehearse").joinpath("rehearsal.schema.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content
