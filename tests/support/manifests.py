"""Objects of a manifest, with as much in them as a rule looks at."""

from typing import Any

READY = {"readinessProbe": {"httpGet": {"port": "http"}}}


def document(kind: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "web", **metadata}, "spec": spec}


def deployment(around: dict[str, Any], container: dict[str, Any] | None = None) -> dict[str, Any]:
    app = {"name": "app", "ports": [{"name": "http", "containerPort": 8000}], **(container or {})}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [app]}}
    return document("Deployment", {"template": template, **around})


def service(**spec: Any) -> dict[str, Any]:
    return document("Service", {"selector": {"app": "web"}, **spec})
