"""A pod and what is in it. Defaults are the API server's: pkg/apis/core/v1/defaults.go."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from lifecycle.kube._container import Container, EnvVar, Mount, Port, Role
from lifecycle.kube._fields import Fields
from lifecycle.kube._handlers import Check, Exec, Grpc, Handler, HttpGet, Probe, Sleep, TcpSocket
from lifecycle.kube._pod import Pod, Volume
from lifecycle.kube._where import Place, Where


def parse_pod(fields: Fields | None, where: Where) -> Pod:
    """A pod's spec. Patches for kustomize have pods without containers, or none at all: that is no fault."""
    if fields is None:
        return Pod(containers=(), place=Place(where))
    os = fields.inner("os")
    return Pod(
        containers=tuple(_container(one, Role.REGULAR) for one in fields.items("containers")),
        init=tuple(_container(one, _role(one)) for one in fields.items("initContainers")),
        volumes=tuple(_volume(one) for one in fields.items("volumes")),
        grace_period=fields.number("terminationGracePeriodSeconds", 30),
        restart_policy=fields.text("restartPolicy") or "Always",
        host_network=fields.flag("hostNetwork"),
        share_process_namespace=fields.flag("shareProcessNamespace"),
        os_name=os.text("name") if os else None,
        active_deadline=fields.whole("activeDeadlineSeconds"),
        place=fields.place,
    )


def _role(fields: Fields) -> Role:
    return Role.SIDECAR if fields.text("restartPolicy") == "Always" else Role.INIT


def _container(fields: Fields, role: Role) -> Container:
    lifecycle = fields.inner("lifecycle")
    security = fields.inner("securityContext")
    return Container(
        name=fields.text("name") or "",
        role=role,
        image=fields.text("image") or "",
        command=fields.texts("command") or None,
        args=fields.texts("args") or None,
        working_dir=fields.text("workingDir"),
        env=tuple(_env(one) for one in fields.items("env")),
        env_from=tuple(_env_from(one) for one in fields.items("envFrom")),
        ports=tuple(_port(one) for one in fields.items("ports")),
        mounts=tuple(_mount(one) for one in fields.items("volumeMounts")),
        post_start=_hook(lifecycle and lifecycle.inner("postStart")),
        pre_stop=_hook(lifecycle and lifecycle.inner("preStop")),
        stop_signal=lifecycle.text("stopSignal") if lifecycle else None,
        startup=_probe(fields.inner("startupProbe")),
        liveness=_probe(fields.inner("livenessProbe")),
        readiness=_probe(fields.inner("readinessProbe")),
        restart_policy=fields.text("restartPolicy"),
        termination_message_path=fields.text("terminationMessagePath") or "/dev/termination-log",
        termination_message_policy=fields.text("terminationMessagePolicy") or "File",
        read_only_root=security.flag("readOnlyRootFilesystem") if security else False,
        place=fields.place,
        lifecycle_place=lifecycle.place if lifecycle else fields.place,
    )


def _hook(fields: Fields | None) -> Handler | None:
    return _only(fields, _handlers(fields)) if fields else None


def _probe(fields: Fields | None) -> Probe | None:
    check = _only(fields, _checks(fields)) if fields else None
    if fields is None or check is None:
        return None
    return Probe(
        check=check,
        initial_delay=fields.number("initialDelaySeconds"),
        # Zero is taken for "not written": SetDefaults_Probe.
        period=fields.number("periodSeconds") or 10,
        timeout=fields.number("timeoutSeconds") or 1,
        success_threshold=fields.number("successThreshold") or 1,
        failure_threshold=fields.number("failureThreshold") or 3,
        grace_period=fields.whole("terminationGracePeriodSeconds"),
        place=fields.place,
    )


Found = TypeVar("Found")


def _only(fields: Fields, found: Iterable[Found]) -> Found | None:
    several = [*found]
    if len(several) > 1:
        names = " and ".join(name for name in fields.names() if name in ACTIONS)
        fields.fault("", f"has {names}: the API server takes one, leave the others out")
    return several[0] if several else None


ACTIONS = ("exec", "httpGet", "sleep", "tcpSocket", "grpc")


def _handlers(fields: Fields) -> Iterator[Handler]:
    yield from _shared(fields)
    if sleep := fields.inner("sleep"):
        yield Sleep(seconds=sleep.number("seconds"), place=sleep.place)


def _checks(fields: Fields) -> Iterator[Check]:
    yield from _shared(fields)
    if grpc := fields.inner("grpc"):
        port = grpc.number("port")
        yield Grpc(port=port, service=grpc.text("service") or "", place=grpc.place)


def _shared(fields: Fields) -> Iterator[Exec | HttpGet | TcpSocket]:
    if command := fields.inner("exec"):
        yield Exec(command=command.texts("command") or (), place=command.place)
    if http := fields.inner("httpGet"):
        yield HttpGet(
            port=_target(http),
            path=http.text("path") or "/",
            host=http.text("host") or None,
            scheme=http.text("scheme") or "HTTP",
            headers=tuple(
                (header.text("name") or "", header.text("value") or "")
                for header in http.items("httpHeaders")
            ),
            place=http.place,
        )
    if tcp := fields.inner("tcpSocket"):
        yield TcpSocket(port=_target(tcp), host=tcp.text("host") or None, place=tcp.place)


def _target(fields: Fields) -> int | str:
    port = fields.either("port")
    if port is None:
        fields.fault("port", "is not written: name the port, or give its number")
    return port


def _env(fields: Fields) -> EnvVar:
    name = fields.text("name") or ""
    if source := fields.inner("valueFrom"):
        return EnvVar(name=name, value=None, source=_source(source), place=fields.place)
    return EnvVar(name=name, value=fields.text("value") or "", place=fields.place)


# What in each source says which value it is.
SOURCES = {
    "fieldRef": ("fieldPath",),
    "resourceFieldRef": ("containerName", "resource"),
    "configMapKeyRef": ("name", "key"),
    "secretKeyRef": ("name", "key"),
    "fileKeyRef": ("volumeName", "path", "key"),
}


def _source(fields: Fields) -> str:
    kind = next(iter(fields.names()), "")
    inner = fields.inner(kind)
    words = [inner.text(name) for name in SOURCES.get(kind, ())] if inner else []
    return f"{kind}:{'/'.join(word for word in words if word)}"


def _env_from(fields: Fields) -> str:
    kind = next((name for name in fields.names() if name.endswith("Ref")), "")
    inner = fields.inner(kind)
    return f"{kind}:{(inner and inner.text('name')) or ''}"


def _port(fields: Fields) -> Port:
    return Port(
        number=fields.number("containerPort"),
        name=fields.text("name"),
        protocol=fields.text("protocol") or "TCP",
        place=fields.place,
    )


def _mount(fields: Fields) -> Mount:
    return Mount(
        volume=fields.text("name") or "",
        path=fields.text("mountPath") or "",
        read_only=fields.flag("readOnly"),
        sub_path=fields.text("subPath") or fields.text("subPathExpr"),
        place=fields.place,
    )


def _volume(fields: Fields) -> Volume:
    kind = next((name for name in fields.names() if name != "name"), "emptyDir")
    inner = fields.inner(kind)
    return Volume(
        name=fields.text("name") or "",
        kind=kind,
        medium=inner.text("medium") if inner and kind == "emptyDir" else None,
        place=fields.place,
    )
