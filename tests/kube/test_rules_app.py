"""The application's own numbers against the manifest's: every rule has what triggers it, and what is the same and does not."""

import copy
from typing import Any

import pytest
import yaml

from lifecycle.core import Endpoints, SettingsError
from lifecycle.kube import RULES as TABLE
from lifecycle.kube import AppFacts, Manifest, check, environment_for, read_manifest

WEB = AppFacts(target="shop:app")


def app(**arguments: Any) -> AppFacts:
    return AppFacts(target="shop:app", arguments=arguments)


def at(**paths: Any) -> AppFacts:
    return AppFacts(target="shop:app", endpoints=Endpoints(**paths))


def probe(path: str) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": 8000}}


def http(path: str = "/shutdown", port: int = 8000, **more: Any) -> dict[str, Any]:
    return {"preStop": {"httpGet": {"path": path, "port": port, **more}}}


def run(*command: str, hook: str = "preStop") -> dict[str, Any]:
    return {hook: {"exec": {"command": [*command]}}}


def env(**variables: str | None) -> list[dict[str, Any]]:
    return [
        {"name": name, "valueFrom": {}} if value is None else {"name": name, "value": value}
        for name, value in variables.items()
    ]


GOOD: dict[str, Any] = {
    "name": "web",
    "command": ["uvicorn", "shop:app", "--host", "0.0.0.0"],
    "lifecycle": run("lifecycle", "stop"),
    "startupProbe": probe("/startupz"),
    "livenessProbe": probe("/livez"),
    "readinessProbe": probe("/readyz"),
}
HOST = env(HOST_IP=None)
TOKEN = env(LIFECYCLE_SHUTDOWN_TOKEN=None)
LITERAL = env(LIFECYCLE_SHUTDOWN_TOKEN="s3cr3t")


def written(around: dict[str, Any] | None = None, **container: Any) -> str:
    spec = {"containers": [{**copy.deepcopy(GOOD), **container}], **(around or {})}
    text: str = yaml.safe_dump({"kind": "Pod", "metadata": {"name": "a"}, "spec": spec})
    return text


def manifest(around: dict[str, Any] | None = None, **container: Any) -> Manifest:
    return read_manifest(written(around, **container))


def header(value: str) -> dict[str, Any]:
    return http(httpHeaders=[{"name": "X-Lifecycle-Token", "value": value}])


GRACE = "terminationGracePeriodSeconds"
FILE = "/tmp/up"
RULES: list[tuple[str, AppFacts, dict[str, Any]]] = [
    ("", WEB, {}),
    # Refused: the sum does not fit, with what the manifest sets and with the lame duck that only a pod has.
    ("LC601", WEB, {"env": env(LIFECYCLE_DRAIN_TIMEOUT="28")}),
    ("LC601", app(grace_period=7), {"around": {GRACE: 7}, "env": env(LIFECYCLE_SHUTDOWN_DELAY="3")}),
    ("LC601", WEB, {"env": env(LIFECYCLE_GRACE_PERIOD="30s")}),
    ("", WEB, {"env": env(LIFECYCLE_DRAIN_TIMEOUT="18")}),
    ("LC602", app(grace_period=60), {}),
    ("LC602", WEB, {"around": {GRACE: 20}}),
    ("", app(grace_period=60), {"around": {GRACE: 60}}),
    ("LC603", WEB, {"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}),
    ("LC603", WEB, {"lifecycle": run("sleep", "5")}),
    ("", WEB, {"around": {GRACE: 35}, "lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}),
    ("LC604", WEB, {"around": {GRACE: 60}}),
    ("LC604", WEB, {"around": {GRACE: 60}, "env": env(LIFECYCLE_GRACE_PERIOD="45")}),
    ("", WEB, {"around": {GRACE: 60}, "env": env(LIFECYCLE_GRACE_PERIOD="60")}),
    ("LC605", WEB, {"lifecycle": http("/bye"), "env": HOST}),
    ("LC605", at(shutdown="/bye"), {}),
    ("LC605", at(shutdown=None), {}),
    ("LC605", at(shutdown="/bye"), {"lifecycle": run("python", "-m", "lifecycle", "stop")}),
    ("", at(shutdown="/bye"), {"lifecycle": http("/bye?now"), "env": HOST}),
    ("", at(shutdown="/b"), {"lifecycle": run("lifecycle", "stop", "--url", "http://127.0.0.1:8000/b")}),
    ("", at(shutdown=None), {"lifecycle": run("lifecycle", "stop", "--pid", "1")}),
    ("", at(shutdown=None), {"lifecycle": run("sync")}),
    ("", WEB, {"lifecycle": http("shutdown"), "env": HOST}),
    ("LC606", WEB, {"command": ["uvicorn", "shop:app", "--port=9000"]}),
    ("LC606", WEB, {"lifecycle": http(port=9000), "env": HOST}),
    ("LC606", WEB, {"lifecycle": run("lifecycle", "stop", "--port", "9000")}),
    ("", WEB, {"command": ["lifecycle", "serve", "shop:app", "--port", "9"], "env": env(LIFECYCLE_PORT="9")}),
    ("", WEB, {"command": ["uvicorn", "shop:app", "--port=9000", "--uds", "/tmp/s"]}),
    ("LC607", app(shutdown_token="x"), {}),
    ("LC607", WEB, {"lifecycle": http(), "env": TOKEN}),
    ("LC607", WEB, {"lifecycle": header("other"), "env": LITERAL}),
    ("", WEB, {"env": TOKEN}),
    ("", app(shutdown_token="x"), {"env": TOKEN}),
    ("", app(shutdown_token="x"), {"lifecycle": run("lifecycle", "stop", "--token", "x")}),
    ("", WEB, {"lifecycle": header("s3cr3t"), "env": LITERAL}),
    ("", WEB, {"lifecycle": header("whatever"), "env": TOKEN}),
    ("LC608", WEB, {"livenessProbe": probe("/readyz")}),
    ("LC608", WEB, {"readinessProbe": probe("/livez")}),
    ("LC608", at(livez="/alive"), {}),
    ("LC608", at(startupz=None), {}),
    ("", at(livez="/alive"), {"livenessProbe": probe("/alive")}),
    ("", WEB, {"livenessProbe": probe("/healthz")}),
    ("LC610", app(post_start_file=FILE), {}),
    ("", app(post_start_file=FILE), {"lifecycle": run("lifecycle", "trigger", FILE, hook="postStart")}),
    ("", app(post_start_file=FILE), {"lifecycle": run("sh", "-c", f"touch {FILE}", hook="postStart")}),
    ("", app(post_start_file=FILE), {"env": env(SIDECAR_WRITES=FILE)}),
    ("LC611", app(report_file="/tmp/report"), {}),
    ("LC611", WEB, {"terminationMessagePath": "/tmp/message"}),
    ("", app(report_file="/tmp/report"), {"terminationMessagePath": "/tmp/report"}),
    ("LC612", WEB, {"lifecycle": http()}),
    ("", WEB, {"lifecycle": http(), "env": HOST}),
    ("", WEB, {"lifecycle": http(), "env": env(LIFECYCLE_ALLOW="10.0.0.0/8")}),
    ("LC614", app(startup_timeout=90), {}),
    ("", app(startup_timeout=90), {"startupProbe": {**probe("/startupz"), "failureThreshold": 10}}),
]  # fmt: skip # a case a line


@pytest.mark.parametrize(("expected", "facts", "words"), RULES)
def test_each_rule_sees_its_fault_and_no_other(
    expected: str, facts: AppFacts, words: dict[str, Any]
) -> None:
    found = check(manifest(**words), app=facts, select=["LC6"])
    assert [one.rule.id for one in found] == ([expected] if expected else [])
    assert all(one.where.line > 1 and len(one.message) > 40 and one.fix for one in found)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"env": env(A="1", LIFECYCLE_DRAIN_TIMEOUT="28")}, "name: LIFECYCLE_DRAIN_TIMEOUT"),
        ({"around": {GRACE: 60}, "env": env(A="1", LIFECYCLE_GRACE_PERIOD="45")}, "value: '45'"),
        ({"around": {GRACE: 60}, "env": env(A="1")}, GRACE),
        ({"lifecycle": http("/bye"), "env": HOST}, "preStop:"),
        ({"livenessProbe": probe("/readyz")}, "path: /readyz"),
    ],
)
def test_a_finding_stands_where_it_is_to_be_changed(words: dict[str, Any], text: str) -> None:
    (found,) = check(manifest(**words), app=WEB, select=["LC6"])
    line = written(**words).splitlines()[found.where.line - 1]
    assert line[found.where.column - 1 :].startswith(text)


def test_another_command_of_the_same_name_is_not_ours() -> None:
    words = {"lifecycle": run("other", "stop")}
    assert check(manifest(**words), app=at(shutdown=None), select=["LC6"]) == []


def test_every_rule_has_a_case() -> None:
    ids = {rule.id for rule in TABLE if rule.id.startswith("LC6")}
    assert ids == {expected for expected, _, _ in RULES} - {""}


def test_without_an_application_nothing_is_said_of_it() -> None:
    assert check(manifest(around={GRACE: 5}), select=["LC6"]) == []


def test_a_program_without_endpoints_is_not_to_be_asked_over_http() -> None:
    facts = AppFacts(target="shop:life", serves=False)
    ids = {one.rule.id for one in check(manifest(), app=facts, select=["LC6"])}
    assert ids == {"LC605", "LC608"}


TWO = """
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
      - {name: proxy, image: envoy}
      - {name: web, command: [sh, -c, "exec uvicorn shop:app"], env: [{name: A, value: b}]}
---
kind: Deployment
metadata: {name: worker}
spec:
  template:
    spec:
      terminationGracePeriodSeconds: 5
      containers: [{name: main, command: [python, /srv/shop.py]}, {name: other}]
"""


@pytest.mark.parametrize(
    ("facts", "places"),
    [
        (AppFacts(target="shop:app"), ["web", "worker"]),
        (AppFacts(target="shop:app", container="main"), ["worker"]),
        (AppFacts(target="shop:app", container="other"), ["worker"]),
        (AppFacts(target="elsewhere:app"), []),
    ],
)
def test_an_application_is_looked_for_by_its_module_or_its_container(
    facts: AppFacts, places: list[str]
) -> None:
    facts = AppFacts(target=facts.target, container=facts.container, arguments={"grace_period": 90})
    found = check(read_manifest(TWO), app=facts, select=["LC602"])
    assert [one.workload.partition("/")[2] for one in found] == places


def test_the_variables_are_those_of_its_container() -> None:
    found = read_manifest(TWO)
    assert environment_for(found, WEB) == {"A": "b"}
    with pytest.raises(
        SettingsError,
        match=r"names the module of x:app: name its container with --container, there are proxy, web, main, other",
    ):
        environment_for(found, AppFacts(target="x:app"))
    with pytest.raises(SettingsError, match="no container is called 'nginx': there are proxy"):
        environment_for(found, AppFacts(target="x:app", container="nginx"))


def test_an_application_that_serves_on_after_sigterm_needs_no_pause_in_the_manifest() -> None:
    words: dict[str, Any] = {"ports": [{"containerPort": 8000}], "lifecycle": {}}
    found = manifest(**words)
    assert [one.rule.id for one in check(found, select=["LC208"])] == ["LC208"]
    assert check(found, app=WEB, select=["LC208"]) == []
    at_once = check(found, app=app(shutdown_delay=0), select=["LC208"])
    assert [one.rule.id for one in at_once] == ["LC208"]
