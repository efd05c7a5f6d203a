"""LC10, calls: hooks that ask somebody over the network, who is not there or not yet."""

from collections.abc import Iterator

from lifecycle.kube._container import Container, Role
from lifecycle.kube._handlers import HttpGet, TcpSocket
from lifecycle.kube._hooks import FAILS, HANDLERS, HOOKS, hooks, is_loopback, unknown_port
from lifecycle.kube._pod import Pod
from lifecycle.kube._rule import Found, Rule, Severity, Subject


def _http(pod: Pod) -> Iterator[tuple[Container, str, HttpGet]]:
    for container, name, hook in hooks(pod):
        if isinstance(hook, HttpGet):
            yield container, name, hook


def _unknown_port(subject: Subject) -> Iterator[Found]:
    for container, name, hook in _http(subject.pod):
        if wrong := unknown_port(container, hook.port):
            yield Found(
                hook.place.at("port"),
                f"{name} calls a port that cannot be found, {wrong}: {FAILS[name]}",
            )


def _loopback(subject: Subject) -> Iterator[Found]:
    for container, name, hook in _http(subject.pod):
        if is_loopback(hook.host) and not subject.pod.host_network:
            yield Found(
                hook.place.at("host"),
                f"{name} of {container.name!r} calls {hook.host}, which is the node, not the pod:"
                f" nobody listens there, {FAILS[name]}",
            )


def _host_network(subject: Subject) -> Iterator[Found]:
    for container, name, hook in _http(subject.pod):
        if subject.pod.host_network and hook.host is None:
            yield Found(
                hook.place.where,
                f"{name} of {container.name!r} has no host, and the pod is in the node's network: the kubelet finds"
                f" no address to call, {FAILS[name]}",
            )


def _tcp(subject: Subject) -> Iterator[Found]:
    for container, name, hook in hooks(subject.pod):
        if isinstance(hook, TcpSocket):
            yield Found(
                hook.place.where,
                f"{name} of {container.name!r} is a tcpSocket, which the kubelet cannot run: {FAILS[name]}",
            )


def _own_server(subject: Subject) -> Iterator[Found]:
    earlier: set[int] = set()
    for container in subject.pod.everyone():
        hook = container.post_start
        number = container.port(hook.port) if isinstance(hook, HttpGet) else None
        if isinstance(hook, HttpGet) and hook.host is None and number not in earlier:
            yield Found(
                hook.place.where,
                f"postStart calls {container.name!r} itself, on port {hook.port}, in the moment in which it starts:"
                " nobody listens yet, there is one attempt, the container is killed and started again",
            )
        if container.role is not Role.INIT:
            earlier |= {port.number for port in container.ports}


RULES = (
    Rule(
        id="LC101",
        severity=Severity.ERROR,
        title="A hook calls a port that is not there",
        sees="An `httpGet` hook with the name of a port that its own container does not have, or a number that is no port.",
        why="The name is looked up among the `ports` of the container that has the hook; those of other containers do"
        " not count. If it is not found the hook fails: after postStart the container is killed and restarted without"
        " end, after preStop SIGTERM comes with no notice before it.",
        fix="name the port in this container's `ports`, or write its number",
        source=HANDLERS,
        find=_unknown_port,
    ),
    Rule(
        id="LC102",
        severity=Severity.ERROR,
        title="A hook calls the node instead of the pod",
        sees="An `httpGet` hook with `host: localhost`, `127.0.0.1` or `::1`, in a pod with a network of its own.",
        why="The kubelet itself makes the call, from the node: its loopback is not the pod's, and whatever listens there"
        " is not this program.",
        fix="leave `host` out: the kubelet then calls the pod's address, where the program has to listen (0.0.0.0 or ::)",
        source=HOOKS,
        find=_loopback,
    ),
    Rule(
        id="LC103",
        severity=Severity.ERROR,
        title="A hook in the node's network has no host",
        sees="An `httpGet` hook without `host` in a pod with `hostNetwork: true`.",
        why="For hooks, and unlike for probes, the kubelet asks the runtime for the pod's own address; in the node's"
        " network there is none, and the hook fails with *failed to find networking container*.",
        fix="set `host: 127.0.0.1` in the hook",
        source="https://github.com/kubernetes/kubernetes/issues/134285",
        find=_host_network,
    ),
    Rule(
        id="LC104",
        severity=Severity.ERROR,
        title="A tcpSocket hook always fails",
        sees="A hook with `tcpSocket`.",
        why="The API server accepts it for the sake of old manifests; the kubelet has no code to run it, and treats it"
        " as a hook that failed.",
        fix="use httpGet, exec or sleep",
        source="https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#lifecycle-v1-core",
        find=_tcp,
    ),
    Rule(
        id="LC105",
        severity=Severity.ERROR,
        title="A postStart hook calls a server that is just starting",
        sees="A postStart `httpGet` to the container's own address, and no container before it that could answer.",
        why="The call is sent some milliseconds after the process was started, once. No server listens so soon, least"
        " of all one in Python; the connection is refused, the hook has failed, the container is killed and begins anew.",
        fix="use a postStart exec hook that writes a trigger file, or a startupProbe, which asks again",
        source="https://github.com/kubernetes/kubernetes/issues/78286",
        find=_own_server,
    ),
)
