"""LC704: containers beside each other, of which one needs the other."""

import re
from collections.abc import Iterator
from typing import Final

from lifecycle.kube._rule import Found, Rule, Severity, Subject
from lifecycle.kube._workload import JOBS

PROXIES: Final = re.compile(
    r"(?:^|/)(?:istio/)?(?:proxyv2|envoy|cloud-?sql-proxy|alloydb-auth-proxy|gce-proxy|linkerd2?-proxy|proxy-init"
    r"|dapr[d]?|fluent-bit|fluentd|vector|filebeat|promtail|otel\S*collector\S*|opentelemetry-collector\S*|vault-agent"
    r"|oauth2-proxy|pgbouncer|consul-dataplane|twemproxy|mcrouter)(?:[:@]|$)"
)
"""Images that others in the pod need to the end: what they send through, or log to."""


def _sidecar(subject: Subject) -> Iterator[Found]:
    regular = subject.pod.containers
    beside = [one for one in regular if PROXIES.search(one.image)]
    if len(beside) == len(regular):
        return
    for container in beside:
        if container.pre_stop is not None and subject.workload.kind not in JOBS:
            continue
        yield Found(
            container.place.where,
            f"{container.name!r} ({container.image}) serves the others in the pod, and "
            + (
                "does not end: the Job never completes"
                if subject.workload.kind in JOBS
                else "gets SIGTERM together with them: what they still send while they stop is lost"
            ),
        )


RULES = (
    Rule(
        id="LC704",
        severity=Severity.WARNING,
        title="A sidecar is gone before those who need it",
        sees="A proxy, a log shipper or the like (by the name of its image) as an ordinary container beside others.",
        why="All ordinary containers get SIGTERM in the same moment, and a proxy is usually the first to be gone: requests"
        " and log lines of the containers that still drain end nowhere. In a Job it never ends, and so the Job does not."
        " A native sidecar starts before the others and is stopped after them.",
        fix="make it an init container with restartPolicy: Always",
        source="https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/",
        find=_sidecar,
    ),
)
