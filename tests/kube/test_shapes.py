"""Manifests of the shapes that public projects have, written anew: exactly these findings, and no noise beside them."""

import json

import pytest
import yaml

from lifecycle.kube import check, read_manifest

SIDECAR_LAST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: catalogue}
spec:
  replicas: 2
  selector: {matchLabels: {app: catalogue}}
  template:
    metadata: {labels: {app: catalogue}}
    spec:
      terminationGracePeriodSeconds: 45
      initContainers:
      - name: proxy
        image: envoyproxy/envoy:v1.33
        restartPolicy: Always
        startupProbe: {httpGet: {path: /ready, port: 15021}, periodSeconds: 1, failureThreshold: 60}
      - {name: migrate, image: example.org/catalogue:3, command: [./migrate, --all]}
      containers:
      - name: catalogue
        image: example.org/catalogue:3
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 2}
        livenessProbe: {httpGet: {path: /live, port: http}, failureThreshold: 6}
        lifecycle: {preStop: {sleep: {seconds: 5}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: catalogue}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: catalogue}}}
---
apiVersion: v1
kind: Service
metadata: {name: catalogue}
spec: {selector: {app: catalogue}, ports: [{port: 80, targetPort: http}]}
"""

NODE_AGENT = """\
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: network-agent, namespace: kube-system}
spec:
  selector: {matchLabels: {app: network-agent}}
  template:
    metadata: {labels: {app: network-agent}}
    spec:
      hostNetwork: true
      terminationGracePeriodSeconds: 0
      containers:
      - name: agent
        image: example.org/network-agent:2
        livenessProbe: {exec: {command: [/bin/agent, -live]}, periodSeconds: 10, failureThreshold: 6}
        readinessProbe: {exec: {command: [/bin/agent, -ready]}}
        lifecycle: {preStop: {exec: {command: [/bin/agent, -shutdown]}}}
"""

LEADER = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: operator}
spec:
  replicas: 1
  strategy: {type: Recreate}
  selector: {matchLabels: {app: operator}}
  template:
    metadata: {labels: {app: operator}}
    spec:
      containers:
      - name: manager
        image: example.org/operator:9
        args: [--leader-elect, "--metrics-addr=:8443"]
        ports: [{name: metrics, containerPort: 8443}]
        livenessProbe: {httpGet: {path: /healthz, port: 8081}, initialDelaySeconds: 15, periodSeconds: 20}
        readinessProbe: {httpGet: {path: /readyz, port: 8081}, initialDelaySeconds: 5}
"""

SHOP = """\
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {type: LoadBalancer, selector: {app: front}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: front}
spec:
  selector: {matchLabels: {app: front}}
  template:
    metadata: {labels: {app: front}}
    spec:
      containers:
      - name: server
        image: example.org/front:1
        ports: [{containerPort: 8080}, {containerPort: 9090}]
"""

QUEUE = """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      activeDeadlineSeconds: 20
      template:
        spec:
          restartPolicy: OnFailure
          containers: [{name: work, image: example.org/report:1, args: [--all]}]
"""

SHAPES = {
    "a sidecar that is last": (SIDECAR_LAST, []),
    "an agent on each node": (NODE_AGENT, ["10:7 LC203"]),
    "a leader": (LEADER, ["6:14 LC402"]),
    "a shop": (SHOP, ["11:3 LC403", "17:9 LC204"]),
    "a nightly job": (QUEUE, ["8:7 LC405"]),
}


def found(text: str) -> list[str]:
    return [
        f"{one.where.line}:{one.where.column} {one.rule.id}" for one in check(read_manifest(text))
    ]


@pytest.mark.parametrize(("text", "expected"), SHAPES.values(), ids=SHAPES)
def test_a_shape_has_exactly_these_findings(text: str, expected: list[str]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize("text", [text for text, _ in SHAPES.values()], ids=SHAPES)
def test_what_the_api_server_gives_back_is_judged_alike(text: str) -> None:
    # kubectl get -o json: one List, and the API server's own fields.
    items = [
        {**one, "metadata": {**one["metadata"], "uid": "f3"}, "status": {"replicas": 1}}
        for one in yaml.safe_load_all(text)
    ]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    assert sorted(one.split()[1] for one in found(listed)) == sorted(
        one.split()[1] for one in found(text)
    )
