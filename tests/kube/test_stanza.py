"""The stanza fits the application: what Kubernetes and the application then read is what both need."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from lifecycle.core import BudgetError, Endpoints, SettingsError
from lifecycle.kube import (
    AppFacts,
    Exec,
    HookFacts,
    HttpGet,
    Pod,
    Wishes,
    check,
    read_manifest,
    write_stanza,
)
from tests.support.kube_merge import DEPLOYMENT, merged
from tests.support.kube_schema import schema_faults

WEB = AppFacts(target="shop:app")
SUPERVISED = Wishes(supervisor=True, command=("uvicorn", "shop:app", "--port", "8000"))


def stanza(
    app: AppFacts = WEB, environment: Mapping[str, str] | None = None, **wishes: Any
) -> dict[str, Any]:
    """The stanza, as Kubernetes reads it."""
    spec: dict[str, Any] = yaml.safe_load(
        write_stanza(app, environment or {}, Wishes(**wishes)).text
    )
    return spec


def pod(app: AppFacts = WEB, environment: Mapping[str, str] | None = None, **wishes: Any) -> Pod:
    """The pod that has nothing but the stanza, an image, and a name."""
    spec = stanza(app, environment, **wishes)
    spec["containers"][0]["image"] = "shop"
    document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shop"}, "spec": spec}
    assert schema_faults(document) == []
    manifest = read_manifest(yaml.safe_dump(document))
    assert check(manifest, app=app) == []
    (workload,) = manifest.workloads
    return workload.pod


def variables(pod: Pod) -> dict[str, str | None]:
    return {one.name: one.value for one in pod.containers[0].env}


def test_the_grace_period_is_said_to_both() -> None:
    found = pod(environment={"LIFECYCLE_GRACE_PERIOD": "60"})
    assert found.grace_period == 60
    assert variables(found) == {"LIFECYCLE_GRACE_PERIOD": "60"}


def test_a_grace_period_in_the_code_is_said_to_kubernetes_alone() -> None:
    found = pod(AppFacts(target="shop:app", arguments={"grace_period": 42.5}))
    assert found.grace_period == 43
    assert variables(found) == {}


def test_what_is_set_in_the_environment_is_set_in_the_manifest() -> None:
    app = AppFacts(target="shop:app", variables={"LIFECYCLE_DRAIN_TIMEOUT": "3"})
    environment = {"LIFECYCLE_SHUTDOWN_DELAY": "2", "HOME": "/root"}
    # What the program sets for itself it sets in the pod, too.
    assert variables(pod(app, environment)) == {
        "LIFECYCLE_GRACE_PERIOD": "30",
        "LIFECYCLE_SHUTDOWN_DELAY": "2",
    }


def test_pre_stop_asks_from_inside_the_container() -> None:
    hook = pod(port=8080).containers[0].pre_stop
    assert isinstance(hook, Exec)
    assert hook.command == ("lifecycle", "stop", "--port", "8080")


def test_pre_stop_asks_at_the_path_that_the_application_has() -> None:
    app = AppFacts(target="shop:app", endpoints=Endpoints(shutdown="/bye"))
    hook = pod(app).containers[0].pre_stop
    assert isinstance(hook, Exec)
    assert hook.command == ("lifecycle", "stop", "--url", "http://127.0.0.1:8000/bye")
    hook = pod(app, hooks="http").containers[0].pre_stop
    assert isinstance(hook, HttpGet)
    assert (hook.path, hook.port) == ("/bye", 8000)


def test_a_pre_stop_over_http_comes_with_the_address_of_the_node() -> None:
    found = pod(hooks="http")
    assert [one.name for one in found.containers[0].env] == ["LIFECYCLE_GRACE_PERIOD", "HOST_IP"]
    allowing = {"LIFECYCLE_ALLOW": "10.0.0.0/8"}
    assert "HOST_IP" not in variables(pod(environment=allowing, hooks="http"))


def test_who_does_not_allow_loopback_is_asked_from_the_node() -> None:
    found = pod(environment={"LIFECYCLE_ALLOW": "10.0.0.0/8"})
    assert isinstance(found.containers[0].pre_stop, HttpGet)
    with pytest.raises(
        SettingsError,
        match=r"LIFECYCLE_ALLOW does not name loopback, .*: add 127\.0\.0\.1, or use --hooks http",
    ):
        stanza(environment={"LIFECYCLE_ALLOW": "10.0.0.0/8"}, hooks="exec")


def test_a_token_comes_from_a_secret() -> None:
    found = pod(
        environment={"LIFECYCLE_SHUTDOWN_TOKEN": "s3cr3t"}, token_secret=("shop-shutdown", "token")
    )
    token = found.containers[0].env[1]
    assert (token.name, token.value) == ("LIFECYCLE_SHUTDOWN_TOKEN", None)
    assert "s3cr3t" not in write_stanza(WEB, {"LIFECYCLE_SHUTDOWN_TOKEN": "s3cr3t"}, Wishes()).text


def test_a_token_in_the_code_is_needed_by_the_hook() -> None:
    app = AppFacts(target="shop:app", arguments={"shutdown_token": "anything"})
    assert "LIFECYCLE_SHUTDOWN_TOKEN" in variables(pod(app))


def test_a_token_and_a_hook_over_http_exclude_each_other() -> None:
    with pytest.raises(SettingsError, match=r"httpHeaders cannot come from a Secret.*--hooks exec"):
        stanza(environment={"LIFECYCLE_SHUTDOWN_TOKEN": "s3cr3t"}, hooks="http")


def test_post_start_writes_the_file_that_is_waited_for() -> None:
    found = pod(
        environment={"LIFECYCLE_POST_START_FILE": "/tmp/up"}, post_start=("./warm", "--all")
    )
    hook = found.containers[0].post_start
    assert isinstance(hook, Exec)
    assert hook.command == ("lifecycle", "trigger", "/tmp/up", "--", "./warm", "--all")
    assert variables(found)["LIFECYCLE_POST_START_FILE"] == "/tmp/up"
    assert pod().containers[0].post_start is None


def test_probes_ask_at_the_paths_that_the_application_has() -> None:
    app = AppFacts(
        target="shop:app", endpoints=Endpoints(livez="/alive", startupz=None, readyz=None)
    )
    probes = pod(app, port=9000).containers[0].probes
    # Where there is no path for the start, liveness is asked until it answers.
    assert [*probes] == ["startupProbe", "livenessProbe"]
    for probe in probes.values():
        assert isinstance(probe.check, HttpGet)
        assert (probe.check.path, probe.check.port) == ("/alive", 9000)
    assert probes["startupProbe"].patience == 60


def test_the_startup_probe_outlasts_the_application_s_own_limit() -> None:
    startup = pod(environment={"LIFECYCLE_STARTUP_TIMEOUT": "90"}).containers[0].startup
    assert startup is not None
    assert startup.patience > 90


def test_a_program_without_http_has_no_probes_and_no_pre_stop() -> None:
    app = AppFacts(target="queue:life", serves=False)
    found = pod(app)
    assert (found.containers[0].probes, found.containers[0].hooks) == ({}, {})
    (note,) = write_stanza(app, {}, Wishes()).notes
    assert note.startswith("queue:life is used by no LifecycleMiddleware")
    with pytest.raises(SettingsError, match=r"queue:life has no HTTP endpoints.*leave --hooks out"):
        stanza(app, hooks="exec")


def test_a_shutdown_endpoint_that_is_switched_off_is_not_asked() -> None:
    app = AppFacts(target="shop:app", endpoints=Endpoints(shutdown=None))
    assert pod(app).containers[0].pre_stop is None
    with pytest.raises(SettingsError, match="has switched its shutdown endpoint off"):
        stanza(app, hooks="http")


def test_the_report_is_written_where_the_kubelet_reads_it() -> None:
    assert pod().containers[0].termination_message_path == "/dev/termination-log"
    found = pod(environment={"LIFECYCLE_REPORT_FILE": "/tmp/report"})
    assert found.containers[0].termination_message_path == "/tmp/report"


def test_a_server_with_https_is_asked_so() -> None:
    (container,) = pod(https=True).containers
    hooks = [container.pre_stop, *(probe.check for probe in container.probes.values())]
    assert len(hooks) == 4
    assert all(isinstance(hook, HttpGet) and hook.scheme == "HTTPS" for hook in hooks)
    with pytest.raises(SettingsError, match=r"speaks plain HTTP, .*: use --hooks http"):
        stanza(https=True, hooks="exec")


def test_the_supervisor_comes_with_all_it_needs() -> None:
    found = pod(
        environment={"LIFECYCLE_POST_START_FILE": "/tmp/up"},
        supervisor=True,
        supervisor_image="registry.example/supervisor",
        command=("uvicorn", "shop:app"),
    )
    (copier,) = found.init
    (main,) = found.containers
    assert copier.image == "registry.example/supervisor"
    assert copier.command is not None
    assert main.command == (copier.command[-1],)
    assert main.args == ("--", "uvicorn", "shop:app")
    for mounts in (copier.mounts, main.mounts):
        assert [mount.volume for mount in mounts] == [volume.name for volume in found.volumes]
    assert variables(found)["SUPERVISOR_GRACE_PERIOD"] == "30"
    # It is there for sure, and the application's Python need not be on the PATH.
    for hook in main.hooks.values():
        assert isinstance(hook, Exec)
        assert main.command == hook.command[:1]


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        (
            {"supervisor": True},
            "the image's own command, which no manifest shows: name it after --",
        ),
        ({"command": ("uvicorn",)}, "'uvicorn' is a command, and commands are for --supervisor"),
    ],
)
def test_the_supervisor_and_a_command_go_together(wishes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        stanza(**wishes)


def test_settings_that_do_not_fit_a_pod_are_refused_with_the_sum() -> None:
    # Outside of Kubernetes nobody has to forget an address, and they would fit.
    app = AppFacts(target="shop:app", arguments={"grace_period": 6.1})
    with pytest.raises(BudgetError, match=r"leave nothing of a grace period of 6\.1 s"):
        stanza(app)


def test_hooks_that_are_not_run_or_that_take_too_long_are_told() -> None:
    hooks = (
        HookFacts(kind="on_post_start", name="wake", where="shop.py:3"),
        HookFacts(kind="on_shutdown", name="flush", where="shop.py:7", timeout=60),
    )
    notes = write_stanza(AppFacts(target="shop:app", hooks=hooks), {}, Wishes()).notes
    assert notes[0].startswith("on_post_start hook 'wake' (shop.py:3) is not run")
    assert notes[1].startswith("the shutdown hooks may take 60 s")


@pytest.mark.parametrize("supervised", [False, True], ids=["plain", "supervised"])
@pytest.mark.parametrize("hooks", ["exec", "http"])
def test_a_patch_turns_what_is_there_into_what_fits(hooks: str, *, supervised: bool) -> None:
    more: dict[str, Any] = (
        {"supervisor": True, "command": ("uvicorn", "app:app")} if supervised else {}
    )
    patch = stanza(
        environment={"LIFECYCLE_POST_START_FILE": "/tmp/up", "LIFECYCLE_GRACE_PERIOD": "45"},
        container="random-generator",
        patch=("Deployment", "shop"),
        hooks=hooks,
        **more,
    )
    result = merged(DEPLOYMENT, patch)
    assert schema_faults(result) == []
    manifest = read_manifest(yaml.safe_dump(result))
    assert check(manifest, app=WEB) == []
    (workload,) = manifest.workloads
    (container,) = workload.pod.containers
    assert workload.pod.grace_period == 45
    assert container.image == "random-generator"
    assert isinstance(container.pre_stop, Exec if hooks == "exec" else HttpGet)
    # A hook or a probe with two handlers would be refused; so would one variable with two sources.
    for handler in result["spec"]["template"]["spec"]["containers"][0]["lifecycle"].values():
        assert len(handler) == 1
    assert {one.name: one.value for one in container.env}.items() >= {
        "LIFECYCLE_GRACE_PERIOD": "45",
        "LIFECYCLE_SHUTDOWN_DELAY": "2",
    }.items()


def test_the_documents_of_a_schema_that_are_wrong_are_found() -> None:
    wrong = merged(DEPLOYMENT, {"spec": {"template": {"spec": {"containers": [{"name": "x"}]}}}})
    container = wrong["spec"]["template"]["spec"]["containers"][0]
    container["lifecycle"]["preStopp"] = {}
    container["livenessProbe"]["periodSeconds"] = "10"
    del container["name"]
    faults = schema_faults(wrong)
    assert len(faults) == 3
    assert any("needs name" in fault for fault in faults)
