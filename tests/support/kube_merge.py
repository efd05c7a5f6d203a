"""A strategic merge, as far as patches of a pod go: what the API server and kustomize do with one.

See https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/
"""

from pathlib import Path
from typing import Any

import yaml

KEYS = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
}
"""Lists of mappings that are merged, by which of their keys (`patchMergeKey` in the API's types)."""


def merged(original: Any, patch: Any, name: str = "") -> Any:
    """The original with the patch on it; neither is changed."""
    if isinstance(patch, dict):
        rest = {key: value for key, value in patch.items() if key != "$patch"}
        under = original if isinstance(original, dict) and "$patch" not in patch else {}
        return {**under, **{key: merged(under.get(key), value, key) for key, value in rest.items()}}
    if isinstance(patch, list) and name in KEYS and isinstance(original, list):
        key = KEYS[name]
        changes = {item[key]: item for item in patch}
        kept = [merged(item, changes.pop(item[key], {})) for item in original]
        return [*kept, *(merged(None, item) for item in changes.values())]
    if isinstance(patch, list):
        return [merged(None, item) for item in patch]
    return patch


ROOT = Path(__file__).parents[2]
EXAMPLE: Any = yaml.safe_load(
    (ROOT / "examples" / "random_generator" / "pod.yaml").read_text("utf-8")
)
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "shop"},
    "spec": {
        "selector": {"matchLabels": EXAMPLE["metadata"]["labels"]},
        "template": {"metadata": EXAMPLE["metadata"], "spec": EXAMPLE["spec"]},
    },
}
"""The classic example, as a Deployment."""
