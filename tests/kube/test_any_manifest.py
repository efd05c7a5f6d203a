"""Whatever a valid manifest says, every rule has an answer, with a place that exists."""

from typing import Any

import hypothesis
import yaml
from hypothesis import strategies as st

from lifecycle.kube import Outcome, check, findings_as, read_manifest

WORDS = st.sampled_from(
    [
        *(
            "sh",
            "bash",
            "-c",
            "-euo",
            "--",
            "exec",
            "sleep",
            "infinity",
            "5",
            "$(NAME)",
            "$NAME",
            "",
            " ",
        ),
        *(
            "sleep 5; kill -9 1",
            "a &",
            "while true; do b; done",
            "touch /run/ready",
            "> /dev/shm/done",
        ),
        *(
            "'",
            '"',
            "$(((",
            "))&&||;;\n",
            "supervisor",
            "/run/supervisor",
            "install",
            "--grace-period=9",
        ),
        *(
            "uvicorn",
            "--timeout-graceful-shutdown",
            "curl",
            "-m",
            "é",
            "\\",
            "trigger",
            "/",
            "//",
            "..",
            "5x",
        ),
    ]
)
COMMAND = st.lists(WORDS, max_size=5)
SMALL = st.integers(min_value=-1, max_value=70_000)
PORT = st.one_of(SMALL, st.sampled_from(["http", "web", "8080"]))
TEXT = st.sampled_from(
    ["", "/", "a", "localhost", "/run", "/run/ready", "/readyz", "true", "30", "0.5s", "-1", "nan"]
)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


EXEC = st.fixed_dictionaries({"exec": some(command=COMMAND)})
HTTP = st.fixed_dictionaries(
    {"httpGet": st.fixed_dictionaries({"port": PORT}, optional={"host": TEXT, "path": TEXT})}
)
TCP = st.fixed_dictionaries(
    {"tcpSocket": st.fixed_dictionaries({"port": PORT}, optional={"host": TEXT})}
)
SLEEP = st.fixed_dictionaries({"sleep": some(seconds=SMALL)})
HOOK = st.one_of(EXEC, HTTP, TCP, SLEEP)
NUMBERS = some(
    periodSeconds=SMALL,
    failureThreshold=SMALL,
    timeoutSeconds=SMALL,
    initialDelaySeconds=SMALL,
    successThreshold=SMALL,
    terminationGracePeriodSeconds=SMALL,
)
PROBE = st.builds(lambda check, numbers: check | numbers, st.one_of(EXEC, HTTP, TCP), NUMBERS)
VARIABLE = st.sampled_from(
    [
        *("LIFECYCLE_GRACE_PERIOD", "LIFECYCLE_SHUTDOWN_DELAY", "LIFECYCLE_POST_START_FILE"),
        *("LIFECYCLE_POST_START_FRESH", "SUPERVISOR_WAIT_FILE", "SUPERVISOR_GRACE_PERIOD", "NAME"),
    ]
)
CONTAINER = some(
    name=TEXT,
    image=st.sampled_from(
        ["", "python:3-slim", "gcr.io/distroless/base", "envoy", ":", "@", "a b"]
    ),
    command=COMMAND,
    args=COMMAND,
    workingDir=TEXT,
    env=st.lists(st.fixed_dictionaries({"name": VARIABLE}, optional={"value": TEXT}), max_size=3),
    ports=st.lists(some(name=TEXT, containerPort=SMALL), max_size=2),
    volumeMounts=st.lists(
        some(name=TEXT, mountPath=TEXT, readOnly=st.booleans(), subPath=TEXT), max_size=2
    ),
    lifecycle=some(
        postStart=HOOK, preStop=HOOK, stopSignal=st.sampled_from(["SIGTERM", "SIGUSR1", ""])
    ),
    startupProbe=PROBE,
    livenessProbe=PROBE,
    readinessProbe=PROBE,
    restartPolicy=st.sampled_from(["Always", "Never", "OnFailure"]),
)
POD = some(
    terminationGracePeriodSeconds=SMALL,
    containers=st.lists(CONTAINER, max_size=3),
    initContainers=st.lists(CONTAINER, max_size=2),
    volumes=st.lists(some(name=TEXT, configMap=some(name=TEXT)), max_size=2),
    hostNetwork=st.booleans(),
    shareProcessNamespace=st.booleans(),
    restartPolicy=st.sampled_from(["Always", "Never", "OnFailure"]),
    activeDeadlineSeconds=SMALL,
)
SHARE = st.one_of(SMALL, st.sampled_from(["0%", "25%", "100%"]))
ROLLING = some(
    rollingUpdate=some(maxSurge=SHARE, maxUnavailable=SHARE), type=st.just("RollingUpdate")
)
SPEC = some(
    template=some(metadata=some(labels=some(app=TEXT)), spec=POD),
    replicas=SMALL,
    strategy=ROLLING,
    updateStrategy=ROLLING,
    minReadySeconds=SMALL,
    activeDeadlineSeconds=SMALL,
)
OBJECT = st.one_of(
    st.builds(lambda spec: {"kind": "Pod", "spec": spec}, POD),
    st.builds(
        lambda kind, spec: {"kind": kind, "spec": spec},
        st.sampled_from(["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"]),
        SPEC,
    ),
    st.builds(lambda spec: {"kind": "CronJob", "spec": {"jobTemplate": {"spec": spec}}}, SPEC),
)


# What is big is slow to draw, on a slow machine too slow for the health check.
@hypothesis.settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
)
@hypothesis.given(st.lists(OBJECT, min_size=1, max_size=3))
def test_every_rule_has_an_answer_to_every_manifest(objects: list[dict[str, Any]]) -> None:
    text = yaml.safe_dump_all(objects, allow_unicode=True)
    lines = text.splitlines()
    manifest = read_manifest(text, "a.yaml")
    found = check(manifest)
    for one in found:
        assert 1 <= one.where.line <= len(lines)
        assert lines[one.where.line - 1][one.where.column - 1 :].strip()
        assert one.message.isprintable()
        assert one.fix
    for style in ("text", "json", "sarif", "github"):
        assert findings_as(style, Outcome(manifest=manifest, findings=found)) is not None
