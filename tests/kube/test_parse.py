"""What a manifest says, as the model has it: kinds, defaults, and what is passed over."""

import pytest
import yaml

from lifecycle.kube import (
    Exec,
    Grpc,
    HttpGet,
    Manifest,
    Role,
    Sleep,
    Strategy,
    TcpSocket,
    read_manifest,
)

TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "app"}]},
}


def read(*objects: dict[str, object]) -> Manifest:
    return read_manifest(yaml.safe_dump_all(objects), "a.yaml")


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("Deployment", "apps/v1"),
        ("Deployment", "extensions/v1beta1"),
        ("StatefulSet", "apps/v1"),
        ("DaemonSet", "apps/v1"),
        ("ReplicaSet", "apps/v1"),
        ("ReplicationController", "v1"),
        ("Job", "batch/v1"),
    ],
)
def test_a_workload_has_the_pod_of_its_template(kind: str, version: str) -> None:
    found = read({"apiVersion": version, "kind": kind, "spec": {"template": TEMPLATE}})
    (workload,) = found.workloads
    assert [one.name for one in workload.pod.containers] == ["app"]
    assert workload.labels == {"app": "web"}
    assert workload.replicas == 1


def test_a_cron_job_has_the_pod_of_its_jobs() -> None:
    spec = {"template": TEMPLATE, "activeDeadlineSeconds": 60, "parallelism": 3}
    (job,) = read({"kind": "CronJob", "spec": {"jobTemplate": {"spec": spec}}}).workloads
    assert [one.name for one in job.pod.containers] == ["app"]
    assert (job.active_deadline, job.replicas) == (60, 3)


def test_a_bare_pod_is_a_workload_of_one() -> None:
    (pod,) = read({"kind": "Pod", "metadata": {"name": "a", "namespace": "b"}}).workloads
    assert (pod.title, pod.namespace, pod.replicas, pod.pod.containers) == ("Pod/a", "b", 1, ())


def test_lists_hold_objects_and_lists() -> None:
    inner = {"kind": "PodList", "items": [{"metadata": {"name": "a"}}]}
    found = read({"kind": "List", "items": [inner, {"kind": "Pod"}, {"kind": "Secret"}]})
    assert [workload.title for workload in found.workloads] == ["Pod/a", "Pod/"]
    assert [name for name, _ in found.passed_over] == ["Secret/"]


def test_kinds_of_other_groups_are_passed_over() -> None:
    found = read(
        {"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job", "metadata": {"name": "a"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "b-"}},
    )
    assert found.workloads == ()
    assert [(name, str(where)) for name, where in found.passed_over] == [
        ("Job/a", "a.yaml:1:1"),
        ("ConfigMap/b-", "a.yaml:6:1"),
    ]


def test_a_disruption_budget_says_whose_pods_it_is_about() -> None:
    spec = {"selector": {"matchLabels": {"app": "web"}}}
    found = read({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "spec": spec})
    (budget,) = found.disruption_budgets
    assert budget.selector == {"app": "web"}
    assert budget.place.has("selector")


@pytest.mark.parametrize(
    ("kind", "spec", "strategy"),
    [
        ("Deployment", {}, Strategy(max_unavailable="25%", max_surge="25%")),
        (
            "Deployment",
            {"strategy": {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": "50%"}}},
            Strategy(max_unavailable=1, max_surge="50%"),
        ),
        ("Deployment", {"strategy": {"type": "Recreate"}}, Strategy(kind="Recreate")),
        ("StatefulSet", {}, Strategy(max_unavailable=1, max_surge=0)),
        (
            "DaemonSet",
            {"updateStrategy": {"type": "OnDelete"}},
            Strategy(kind="OnDelete", max_unavailable=1, max_surge=0),
        ),
        ("Job", {}, Strategy(kind="OnDelete", max_unavailable=0, max_surge=0)),
    ],
)
def test_pods_are_replaced_as_written_or_as_the_api_server_has_it(
    kind: str, spec: dict[str, object], strategy: Strategy
) -> None:
    (workload,) = read({"kind": kind, "spec": {**spec, "template": TEMPLATE}}).workloads
    found = workload.strategy
    assert (found.kind, found.max_unavailable, found.max_surge) == (
        strategy.kind,
        strategy.max_unavailable,
        strategy.max_surge,
    )


WHOLE = """
kind: Pod
spec:
  terminationGracePeriodSeconds: 0
  restartPolicy: OnFailure
  hostNetwork: true
  shareProcessNamespace: true
  activeDeadlineSeconds: 9
  os: {name: linux}
  initContainers:
  - {name: copy}
  - {name: proxy, restartPolicy: Always}
  containers:
  - name: app
    image: web:1
    command: [run]
    args: [--port, "8080"]
    workingDir: /srv
    securityContext: {readOnlyRootFilesystem: true}
    terminationMessagePath: /tmp/last
    terminationMessagePolicy: FallbackToLogsOnError
    env:
    - {name: A, value: "1"}
    - {name: B}
    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
    - {name: S, valueFrom: {secretKeyRef: {name: token, key: value}}}
    envFrom: [{configMapRef: {name: settings}}, {prefix: X_, secretRef: {name: more}}]
    ports: [{name: http, containerPort: 8080}]
    volumeMounts: [{name: run, mountPath: /run, subPath: a, readOnly: true}]
    lifecycle:
      stopSignal: SIGUSR1
      postStart: {exec: {command: [touch, /tmp/a]}}
      preStop: {sleep: {seconds: 5}}
    startupProbe:
      httpGet: {port: http, path: "", httpHeaders: [{name: X-Token, value: a}]}
      periodSeconds: 0
      failureThreshold: 30
    livenessProbe: {grpc: {port: 8080, service: web}, terminationGracePeriodSeconds: 3}
    readinessProbe: {tcpSocket: {port: 8080}, initialDelaySeconds: 4}
  - name: other
    lifecycle: {preStop: {}, postStart: null}
    livenessProbe: {}
    command: []
  volumes:
  - {name: run, emptyDir: {medium: Memory}}
  - {name: tmp}
  - {name: data, persistentVolumeClaim: {claimName: data}}
"""


def test_all_of_a_pod_is_taken() -> None:
    pod = read_manifest(WHOLE).workloads[0].pod
    assert (pod.grace_period, pod.restart_policy, pod.host_network) == (0, "OnFailure", True)
    assert (pod.share_process_namespace, pod.active_deadline, pod.os_name) == (True, 9, "linux")
    assert [one.role for one in pod.everyone()] == [
        Role.INIT,
        Role.SIDECAR,
        Role.REGULAR,
        Role.REGULAR,
    ]
    assert [one.name for one in pod.sidecars] == ["proxy"]
    assert [(one.name, one.kind, one.medium) for one in pod.volumes] == [
        ("run", "emptyDir", "Memory"),
        ("tmp", "emptyDir", None),
        ("data", "persistentVolumeClaim", None),
    ]


def test_all_of_a_container_is_taken() -> None:
    app, other = read_manifest(WHOLE).workloads[0].pod.containers
    assert (app.image, app.command, app.args) == ("web:1", ("run",), ("--port", "8080"))
    assert (app.working_dir, app.stop_signal, app.read_only_root) == ("/srv", "SIGUSR1", True)
    assert app.termination_message_path == "/tmp/last"
    assert app.termination_message_policy == "FallbackToLogsOnError"
    assert [(one.name, one.value, one.source) for one in app.env] == [
        ("A", "1", None),
        ("B", "", None),
        ("IP", None, "fieldRef:status.hostIP"),
        ("S", None, "secretKeyRef:token/value"),
    ]
    assert app.env_from == ("configMapRef:settings", "secretRef:more")
    assert [(one.volume, one.path, one.sub_path, one.read_only) for one in app.mounts] == [
        ("run", "/run", "a", True)
    ]
    assert [app.port(wanted) for wanted in ("http", "8081", "none", 9)] == [8080, 8081, None, 9]
    assert (other.hooks, other.probes, other.command) == ({}, {}, None)


def test_hooks_and_probes_have_the_defaults_of_the_api_server() -> None:
    app, _ = read_manifest(WHOLE).workloads[0].pod.containers
    assert isinstance(app.post_start, Exec)
    assert app.post_start.command == ("touch", "/tmp/a")
    assert isinstance(app.pre_stop, Sleep)
    assert app.pre_stop.seconds == 5
    assert app.startup is not None
    assert isinstance(app.startup.check, HttpGet)
    assert app.startup.check.path == "/"
    assert app.startup.check.headers == (("X-Token", "a"),)
    assert (app.startup.period, app.startup.patience) == (10, 300)
    assert app.liveness is not None
    assert isinstance(app.liveness.check, Grpc)
    assert (app.liveness.check.service, app.liveness.grace_period) == ("web", 3)
    assert app.readiness is not None
    assert isinstance(app.readiness.check, TcpSocket)
    assert (app.readiness.initial_delay, app.readiness.timeout) == (4, 1)


def test_a_kustomization_needs_no_kind_and_is_passed_over() -> None:
    found = read_manifest("resources: [web.yaml]\n", "k8s/kustomization.yaml")
    assert [name for name, _ in found.passed_over] == ["Kustomization/"]
