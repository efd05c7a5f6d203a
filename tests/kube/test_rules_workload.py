"""What surrounds a pod is judged where somebody would notice, and nowhere else."""

from typing import Any

import pytest
import yaml

from lifecycle.kube import check, read_manifest
from tests.support.manifests import READY, deployment, document, service


def ids(*documents: dict[str, Any]) -> list[str]:
    text = yaml.safe_dump_all(documents)
    return [one.rule.id for one in check(read_manifest(text), select=["LC4"])]


HOOK = {**READY, "lifecycle": {"preStop": {"httpGet": {"path": "/shutdown", "port": "http"}}}}
COMMAND = {**READY, "lifecycle": {"preStop": {"exec": {"command": ["lifecycle", "stop"]}}}}
TOKEN = {"env": [{"name": "LIFECYCLE_SHUTDOWN_TOKEN", "valueFrom": {}}]}
HEADER = {"path": "/shutdown", "port": 8000, "httpHeaders": [{"name": "X-Lifecycle-Token"}]}


@pytest.mark.parametrize(
    ("strategy", "replicas", "found"),
    [
        ({}, 1, []),
        ({"rollingUpdate": {"maxSurge": 0}}, 1, ["LC401"]),
        ({"rollingUpdate": {"maxUnavailable": "100%"}}, 4, ["LC401", "LC404"]),
        ({"rollingUpdate": {"maxUnavailable": "50%"}}, 4, ["LC404"]),
        ({"rollingUpdate": {"maxUnavailable": "100%"}}, 0, []),
        ({"type": "Recreate"}, 0, []),
        ({"type": "Recreate"}, 1, ["LC402"]),
    ],
)
def test_a_strategy_is_judged_with_the_replicas(
    strategy: dict[str, Any], replicas: int, found: list[str]
) -> None:
    around = {"replicas": replicas, "strategy": strategy}
    assert sorted(ids(deployment(around, READY))) == found


def test_who_serves_nobody_may_be_replaced_anyhow() -> None:
    around = {"replicas": 3, "strategy": {"rollingUpdate": {"maxUnavailable": 3}}}
    assert ids(deployment(around, {"ports": []})) == []


@pytest.mark.parametrize(
    ("around", "container", "other", "found"),
    [
        ({}, {}, service(), ["LC403"]),
        ({}, {}, service(selector={"app": "other"}), []),
        ({}, {}, document("Service", {"selector": {"app": "web"}}, namespace="b"), []),
        ({}, {}, service(selector=None), []),
        ({}, READY, service(), []),
        ({}, {"startupProbe": READY["readinessProbe"]}, service(), []),
        ({"minReadySeconds": 10}, {}, service(), []),
    ],
    ids=["plain", "other", "namespace", "none", "readiness", "startup", "seconds"],
)
def test_a_pod_without_a_probe_matters_where_a_service_sends_to_it(
    around: dict[str, Any], container: dict[str, Any], other: dict[str, Any], found: list[str]
) -> None:
    assert ids(deployment(around, container), other) == found


@pytest.mark.parametrize(
    ("container", "spec", "found"),
    [
        (HOOK, {"type": "NodePort"}, ["LC406"]),
        (COMMAND, {"type": "LoadBalancer"}, ["LC406"]),
        (HOOK, {"type": "NodePort", "ports": [{"port": 80, "targetPort": "http"}]}, ["LC406"]),
        (HOOK, {"type": "NodePort", "ports": [{"port": 81}]}, []),
        (HOOK, {}, []),
        (HOOK, {"type": "NodePort", "externalTrafficPolicy": "Local"}, []),
        ({**COMMAND, **TOKEN}, {"type": "NodePort"}, []),
        ({**READY, "lifecycle": {"preStop": {"httpGet": HEADER}}}, {"type": "NodePort"}, []),
    ],
    ids=["http", "exec", "port", "other port", "inside", "local", "token", "header"],
)
def test_who_may_stop_the_program_is_judged_by_how_it_is_reached(
    container: dict[str, Any], spec: dict[str, Any], found: list[str]
) -> None:
    assert ids(deployment({}, container), service(**spec)) == found


def test_an_agent_that_is_on_each_node_is_replaced_there_and_nowhere_else() -> None:
    agent = {**deployment({}), "kind": "DaemonSet"}
    recreated = deployment({"strategy": {"type": "Recreate"}})
    assert ids(agent, service()) == []
    assert ids(recreated, service()) == ["LC402"]


def test_a_budget_counts_that_is_about_these_pods() -> None:
    three = deployment({"replicas": 3}, READY)
    selector = {"selector": {"matchLabels": {"app": "web"}}}
    assert ids(three, document("PodDisruptionBudget", selector)) == []
    assert ids(three, document("PodDisruptionBudget", selector, namespace="b")) == ["LC404"]
    assert ids(deployment({"replicas": 1}, READY)) == []


def test_a_deadline_of_the_pod_counts_too() -> None:
    pod = {"activeDeadlineSeconds": 20, "containers": [{"name": "a"}]}
    assert ids(document("Pod", pod)) == ["LC405"]
    assert ids(document("Pod", {**pod, "terminationGracePeriodSeconds": 19})) == []
