"""A pause is missed where a Service's requests would be refused, and nowhere else."""

from typing import Any

import pytest
import yaml

from lifecycle.kube import check, read_manifest
from tests.support.manifests import READY, deployment, document, service


def found(*documents: dict[str, Any]) -> dict[str, str]:
    """What is said of a pause, by the rule."""
    text = yaml.safe_dump_all(documents)
    return {
        one.rule.id: one.message for one in check(read_manifest(text), select=["LC204", "LC208"])
    }


@pytest.mark.parametrize(
    ("others", "rules"),
    [
        ([], {"LC208"}),
        ([service(ports=[{"port": 80, "targetPort": "http"}])], {"LC204"}),
        ([service(ports=[{"port": 8000}])], {"LC204"}),
        ([service()], {"LC204"}),
        ([service(ports=[{"port": 9000}])], set()),
        ([service(selector={"app": "other"})], set()),
        ([service(clusterIP="None")], set()),
        ([service(clusterIP="None"), service()], {"LC204"}),
    ],
    ids=["alone", "name", "number", "any", "other port", "other pods", "headless", "both"],
)
def test_a_pause_is_missed_where_a_service_sends_and_asked_about_where_none_is_known(
    others: list[dict[str, Any]], rules: set[str]
) -> None:
    assert {*found(deployment({}, READY), *others)} == rules


@pytest.mark.parametrize(
    ("kind", "around", "rules"),
    [
        ("Deployment", {"replicas": 1}, {"LC204"}),
        ("Deployment", {"strategy": {"type": "Recreate"}}, set()),
        ("Deployment", {"strategy": {"rollingUpdate": {"maxUnavailable": "100%"}}}, set()),
        ("StatefulSet", {"replicas": 1}, set()),
        ("StatefulSet", {"replicas": 2}, {"LC204"}),
        ("DaemonSet", {}, {"LC204"}),
        ("Job", {}, set()),
    ],
)
def test_a_pause_is_missed_where_other_pods_could_take_the_requests(
    kind: str, around: dict[str, Any], rules: set[str]
) -> None:
    assert {*found({**deployment(around), "kind": kind}, service())} == rules


def test_an_agent_of_its_node_is_served_only_by_what_a_service_says() -> None:
    assert found({**deployment({}), "kind": "DaemonSet"}) == {}


@pytest.mark.parametrize(
    "ports",
    [
        [],
        [{"name": "metrics", "containerPort": 8000}],
        [{"name": "dns", "containerPort": 8000, "protocol": "UDP"}],
    ],
    ids=["none", "metrics", "udp"],
)
def test_ports_that_are_not_for_requests_need_no_pause(ports: list[dict[str, Any]]) -> None:
    worker = deployment({}, {"ports": ports})
    assert found(worker) == {}
    if ports:
        assert found(worker, service()) == {}
        assert found(worker, service(ports=[{"port": 8000}])) == {}


def test_a_port_that_nobody_declares_is_the_only_containers() -> None:
    undeclared = deployment({}, {"ports": []})
    sends = service(ports=[{"port": 80, "targetPort": 8000}])
    assert "Service/web sends to port 8000 of 'app'" in found(undeclared, sends)["LC204"]
    undeclared["spec"]["template"]["spec"]["containers"].append({"name": "other"})
    assert found(undeclared, sends) == {}


@pytest.mark.parametrize(
    "container",
    [
        {"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}},
        {"env": [{"name": "LIFECYCLE_SHUTDOWN_DELAY", "value": "3"}]},
        {"env": [{"name": "LIFECYCLE_GRACE_PERIOD", "value": "30"}]},
        {"command": ["lifecycle", "serve", "app:app"]},
    ],
    ids=["hook", "delay", "library", "serve"],
)
def test_who_serves_on_needs_no_pause(container: dict[str, Any]) -> None:
    assert found(deployment({}, container), service()) == {}


def test_a_delay_of_none_is_no_pause() -> None:
    at_once = {"env": [{"name": "LIFECYCLE_SHUTDOWN_DELAY", "value": "0"}]}
    assert {*found(deployment({}, at_once), service())} == {"LC204"}


def test_a_bare_pod_is_asked_about_like_any_other() -> None:
    pod = {"containers": [{"name": "app", "ports": [{"containerPort": 8000}]}]}
    assert {*found(document("Pod", pod))} == {"LC208"}
