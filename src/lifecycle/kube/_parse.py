"""From the objects of a manifest to what they say of their containers' lives."""

import re
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Final

from lifecycle.core import ManifestError
from lifecycle.kube._fields import Fields
from lifecycle.kube._manifest import DisruptionBudget, Manifest, Service
from lifecycle.kube._parse_pod import parse_pod
from lifecycle.kube._read import read
from lifecycle.kube._where import Place, Where
from lifecycle.kube._workload import Strategy, Workload

PERCENTAGE: Final = re.compile(r"[0-9]{1,9}%")


def read_manifest(source: str | bytes, file: str = "<stdin>") -> Manifest:
    """All objects in YAML or JSON, of one document or many, and what lists hold.

    Raises:
        ManifestError: It is no manifest, or a field has a wrong type. The message says where and what to write.
    """
    workloads: list[Workload] = []
    budgets: list[DisruptionBudget] = []
    services: list[Service] = []
    passed_over: list[tuple[str, Where]] = []
    for document in read(source, file):
        for kind, fields in _objects(Fields(document, file, "")):
            name = _name(fields)
            if kind == "PodDisruptionBudget" and _ours(kind, fields):
                budgets.append(_disruption_budget(name, fields))
            elif kind == "Service" and _ours(kind, fields):
                services.append(_service(name, fields))
            elif kind in KINDS and _ours(kind, fields):
                workloads.append(_workload(kind, name, fields))
            else:
                passed_over.append((f"{kind}/{name}", fields.place.where))
    return Manifest(
        workloads=tuple(workloads),
        disruption_budgets=tuple(budgets),
        services=tuple(services),
        passed_over=tuple(passed_over),
    )


def _objects(fields: Fields, kind: str = "") -> Iterator[tuple[str, Fields]]:
    """An object, or those in a list. The lists of the API itself leave out the kind of their items."""
    kind = fields.text("kind") or kind
    at = fields.place.where
    if not kind and PurePath(at.file).stem == "kustomization":
        kind = "Kustomization"  # as kustomize has it
    if not kind:
        raise ManifestError(
            "this is no Kubernetes object, it has no `kind`: give manifests, not values or other settings",
            file=at.file,
            line=at.line,
            column=at.column,
        )
    if kind.endswith("List") and "items" in fields.names():
        for item in fields.items("items"):
            yield from _objects(item, kind.removesuffix("List"))
    else:
        yield kind, fields


def _name(fields: Fields) -> str:
    metadata = fields.inner("metadata")
    if metadata is None:
        return ""
    return metadata.text("name") or metadata.text("generateName") or ""


def _namespace(fields: Fields) -> str:
    metadata = fields.inner("metadata")
    return (metadata and metadata.text("namespace")) or "default"


GROUPS: Final = {
    "Pod": "",
    "ReplicationController": "",
    "Deployment": "apps extensions",
    "StatefulSet": "apps",
    "DaemonSet": "apps extensions",
    "ReplicaSet": "apps extensions",
    "Job": "batch",
    "CronJob": "batch",
    "PodDisruptionBudget": "policy",
    "Service": "",
}
"""Others have kinds of these names too: Volcano has a Job, Knative a Service."""


def _ours(kind: str, fields: Fields) -> bool:
    version = fields.text("apiVersion")
    if version is None:
        return True
    group = version.rpartition("/")[0]
    return group in (GROUPS[kind].split() or [""])


def _disruption_budget(name: str, fields: Fields) -> DisruptionBudget:
    spec = fields.inner("spec")
    selector = spec and spec.inner("selector")
    return DisruptionBudget(
        name=name,
        namespace=_namespace(fields),
        selector=selector.mapping("matchLabels") if selector else {},
        place=_place(fields, spec),
    )


def _service(name: str, fields: Fields) -> Service:
    spec = fields.inner("spec")
    if spec is None:
        return Service(name=name, namespace=_namespace(fields), place=fields.place)
    ports = [port.either("targetPort") or port.number("port") for port in spec.items("ports")]
    return Service(
        name=name,
        namespace=_namespace(fields),
        kind=spec.text("type") or "ClusterIP",
        selector=spec.mapping("selector"),
        ports=tuple(ports),
        external_traffic_policy=spec.text("externalTrafficPolicy") or "Cluster",
        headless=spec.text("clusterIP") == "None",
        place=_place(fields, spec),
    )


def _place(fields: Fields, spec: Fields | None) -> Place:
    """Of an object: its own keys, and those of its `spec`, which are what it is asked for."""
    own = fields.place
    return Place(own.where, {**own.keys, **(spec.place.keys if spec else {})})


def _workload(kind: str, name: str, fields: Fields) -> Workload:
    spec = fields.inner("spec")
    around = spec
    if kind == "CronJob":
        template = spec and spec.inner("jobTemplate")
        around = template and template.inner("spec")
    if kind == "Pod":
        pod, metadata = spec, fields.inner("metadata")
    else:
        template = around and around.inner("template")
        pod = template and template.inner("spec")
        metadata = template and template.inner("metadata")
    return Workload(
        kind=kind,
        name=name,
        pod=parse_pod(pod, fields.place.where),
        namespace=_namespace(fields),
        labels=metadata.mapping("labels") if metadata else {},
        replicas=_replicas(kind, around),
        strategy=KINDS[kind](around),
        min_ready_seconds=around.number("minReadySeconds") if around else 0,
        active_deadline=around.whole("activeDeadlineSeconds")
        if around and kind in ("Job", "CronJob")
        else None,
        place=_place(fields, around),
    )


def _replicas(kind: str, spec: Fields | None) -> int:
    field = "parallelism" if kind in ("Job", "CronJob") else "replicas"
    return spec.number(field, 1) if spec and kind not in ("Pod", "DaemonSet") else 1


def _not_replaced(_: Fields | None) -> Strategy:
    return Strategy(kind="OnDelete", max_unavailable=0, max_surge=0)


def _deployment(spec: Fields | None) -> Strategy:
    return _rolling(spec and spec.inner("strategy"), unavailable="25%", surge="25%")


def _one_by_one(spec: Fields | None) -> Strategy:
    return _rolling(spec and spec.inner("updateStrategy"), unavailable=1, surge=0)


def _rolling(fields: Fields | None, unavailable: int | str, surge: int | str) -> Strategy:
    if fields is None:
        return Strategy(max_unavailable=unavailable, max_surge=surge)
    rolling = fields.inner("rollingUpdate")
    return Strategy(
        kind=fields.text("type") or "RollingUpdate",
        max_unavailable=_share(rolling, "maxUnavailable", unavailable),
        max_surge=_share(rolling, "maxSurge", surge),
        place=fields.place,
    )


def _share(fields: Fields | None, name: str, default: int | str) -> int | str:
    found = fields.either(name) if fields else None
    if fields is None or found is None:
        return default
    if isinstance(found, str) and not PERCENTAGE.fullmatch(found):
        fields.fault(name, f'is {found!r}: write a number, or a percentage such as "25%"')
    return found


# The kinds that have a pod in them, and how they replace their pods.
KINDS: Final[dict[str, Callable[[Fields | None], Strategy]]] = {
    "Pod": _not_replaced,
    "ReplicationController": _not_replaced,
    "Deployment": _deployment,
    "StatefulSet": _one_by_one,
    "DaemonSet": _one_by_one,
    "ReplicaSet": _not_replaced,
    "Job": _not_replaced,
    "CronJob": _not_replaced,
}
