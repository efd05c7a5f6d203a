"""LC705: fields where nobody reads them."""

from collections.abc import Iterator
from typing import Final

from lifecycle.kube._rule import Found, Rule, Severity, Subject
from lifecycle.kube._where import Place

CONTAINER_FIELDS: Final = (
    "lifecycle",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "preStop",
    "postStart",
)
POD_FIELDS: Final = (
    "terminationGracePeriodSeconds",
    "gracePeriodSeconds",
    "shareProcessNamespace",
    "hostNetwork",
    "minReadySeconds",
    "preStop",
    "postStart",
    "activeDeadlineSeconds",
)
HOME: Final = {
    "lifecycle": "into the container",
    "livenessProbe": "into the container",
    "readinessProbe": "into the container",
    "startupProbe": "into the container",
    "preStop": "below `lifecycle:` of the container",
    "postStart": "below `lifecycle:` of the container",
    "terminationGracePeriodSeconds": "into the pod's spec, beside `containers:`",
    "gracePeriodSeconds": "into the pod's spec as terminationGracePeriodSeconds",
    "shareProcessNamespace": "into the pod's spec",
    "hostNetwork": "into the pod's spec",
    "minReadySeconds": "into the Deployment's spec, beside `template:`",
    "strategy": "into the Deployment's spec, beside `template:`",
    "activeDeadlineSeconds": "into the spec of the pod or the Job",
}


def _misplaced(subject: Subject) -> Iterator[Found]:
    workload, pod = subject.workload, subject.pod
    wrong: list[tuple[str, Place, tuple[str, ...]]] = [
        ("the pod's spec", pod.place, (*CONTAINER_FIELDS, "minReadySeconds", "strategy")),
        *(
            (f"container {one.name!r}", one.place, (*POD_FIELDS, "strategy"))
            for one in pod.everyone()
        ),
    ]
    if workload.kind != "Pod":
        own = {"activeDeadlineSeconds", "minReadySeconds"}
        outside = [name for name in (*CONTAINER_FIELDS, *POD_FIELDS) if name not in own]
        wrong.append((f"the spec of the {workload.kind}", workload.place, tuple(outside)))
    for where, place, names in wrong:
        for name in dict.fromkeys(names):
            if place.has(name):
                yield Found(
                    place.at(name),
                    f"{name} stands in {where}, where there is no such field: it is refused, or dropped without effect",
                    f"move it {HOME[name]}",
                )


RULES = (
    Rule(
        id="LC705",
        severity=Severity.ERROR,
        title="A field stands where nobody reads it",
        sees="`terminationGracePeriodSeconds` in a container, `lifecycle` or a probe beside `containers`, `preStop` outside"
        " of `lifecycle`, and the like.",
        why="kubectl refuses unknown fields, other clients drop them without a word: then the pod lives by the defaults,"
        " and everybody believes otherwise.",
        fix="move it to where it belongs",
        source="https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation",
        find=_misplaced,
    ),
)
