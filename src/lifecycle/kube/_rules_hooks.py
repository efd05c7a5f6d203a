"""LC10 and LC11: hooks that cannot work, or do what nobody meant."""

from collections.abc import Iterator

from lifecycle.kube._commands import (
    environment_of,
    quoted_variables,
    script_of,
    slept,
)
from lifecycle.kube._container import Container, Role
from lifecycle.kube._handlers import Exec, Handler, HttpGet, TcpSocket
from lifecycle.kube._pod import Pod
from lifecycle.kube._rule import Found, Rule, Severity, Subject
from lifecycle.kube._where import Where

HOOKS = "https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/"
HANDLERS = "https://github.com/kubernetes/kubernetes/blob/v1.36.2/pkg/kubelet/lifecycle/handlers.go"
LOOPBACK = ("localhost", "127.", "::1", "[::1]", "0.0.0.0", "[::]")  # noqa: S104 - what is looked for, not listened on

LAST_PORT = 65535
FAILS = {
    "postStart": "the container is killed and started again, without end",
    "preStop": "the hook fails and SIGTERM comes at once",
}
"""What a hook that fails means."""


def hooks(pod: Pod) -> Iterator[tuple[Container, str, Handler]]:
    """Every hook of every container: whose, which, and what it does."""
    for container in pod.everyone():
        for name, hook in container.hooks.items():
            yield container, name, hook


def exec_hooks(pod: Pod) -> Iterator[tuple[Container, str, Exec]]:
    for container, name, hook in hooks(pod):
        if isinstance(hook, Exec) and hook.command:
            yield container, name, hook


def _http(pod: Pod) -> Iterator[tuple[Container, str, HttpGet]]:
    for container, name, hook in hooks(pod):
        if isinstance(hook, HttpGet):
            yield container, name, hook


def at_command(hook: Exec) -> Where:
    return hook.place.at("command")


def is_loopback(host: str | None) -> bool:
    return host is not None and host.lower().startswith(LOOPBACK)


def unknown_port(container: Container, port: int | str) -> str:
    """What is wrong with a port, or nothing."""
    number = container.port(port)
    if number is None:
        names = ", ".join(sorted(one.name for one in container.ports if one.name)) or "none"
        return f"port {port!r} is no port of container {container.name!r} (named there: {names})"
    return "" if 1 <= number <= LAST_PORT else f"port {number} is not between 1 and 65535"


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


def _variables(subject: Subject) -> Iterator[Found]:
    for container, name, hook in exec_hooks(subject.pod):
        for variable in quoted_variables(hook.command):
            yield Found(
                at_command(hook),
                f"{name} of {container.name!r} has {variable}, which nobody replaces in a hook:"
                " the program gets these very characters"
                if script_of(hook.command) is None
                else f"{name} of {container.name!r} has {variable}, which a shell takes for a command to run",
                f"let a shell do it: [sh, -c, 'notify \"${variable.strip('$(){}')}\"']",
            )


def _one_word(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.everyone():
        places = [
            (name, hook.command, at_command(hook))
            for name, hook in (*container.hooks.items(), *_checks(container))
            if isinstance(hook, Exec)
        ]
        places.append(("command", container.command or (), container.place.at("command")))
        for name, command, where in places:
            first = command[0] if command else ""
            if " " in first.strip() and len(command) == 1 and ":\\" not in first:
                yield Found(
                    where,
                    f"{name} of {container.name!r} is one word with blanks in it, {first[:60]!r}:"
                    " it is looked for as a file of that name",
                    f"write {_listed(first)}",
                )


def _listed(text: str) -> str:
    special = set("|&;<>$`\"'\\")
    return "[sh, -c, '…']" if special & {*text} else f"[{', '.join(text.split()[:6])}]"


def _checks(container: Container) -> list[tuple[str, object]]:
    return [(name, probe.check) for name, probe in container.probes.items()]


def _just_sleeps(subject: Subject) -> Iterator[Found]:
    for container, name, hook in exec_hooks(subject.pod):
        length = slept(hook.command, environment_of(container))
        script = script_of(hook.command)
        alone = (script or " ".join(hook.command)).split()
        if name == "preStop" and length and len(alone) == 2:  # noqa: PLR2004 - the program and its seconds
            yield Found(
                at_command(hook),
                f"preStop of {container.name!r} runs a program to sleep {length:g} s, which the image has to have",
                f"write preStop: {{sleep: {{seconds: {length:g}}}}}",
            )


def _init_hooks(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.init:
        names = [*container.hooks, *container.probes]
        if container.role is Role.INIT and names:
            first = names[0] if names[0] in container.place.keys else "lifecycle"
            yield Found(
                container.place.at(first),
                f"init container {container.name!r} has {' and '.join(names)}: the API server refuses the pod",
            )


def _on_failure(subject: Subject) -> Iterator[Found]:
    for container in subject.pod.everyone():
        policy = container.restart_policy or subject.pod.restart_policy
        if container.post_start is not None and policy != "Always":
            yield Found(
                container.lifecycle_place.at("postStart"),
                f"{container.name!r} has a postStart hook and restartPolicy {policy}: if the hook fails and the program"
                " ends well when it is told to, it counts as done, with nothing done",
            )


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
    Rule(
        id="LC109",
        severity=Severity.WARNING,
        title="A variable in a hook is not replaced",
        sees="`$(NAME)` in the command of an exec hook, or `$NAME` where no shell runs it.",
        why="In a container's `command` and `args` Kubernetes replaces `$(NAME)`. In hooks it replaces nothing: the"
        " program gets the text as it stands, and a shell takes `$(NAME)` for a command that it should run.",
        fix="let a shell replace it: command: [sh, -c, 'notify \"$NAME\"']",
        source=HANDLERS,
        find=_variables,
    ),
    Rule(
        id="LC110",
        severity=Severity.ERROR,
        title="A whole command line is written as one word",
        sees="A `command` of one item that has blanks in it, of a hook, a probe or a container.",
        why="No shell takes it apart. A file of this whole name is looked for, and not found: a hook fails, a probe"
        " never succeeds, a container does not start.",
        fix="write each word as an item of the list",
        source="https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/",
        find=_one_word,
    ),
    Rule(
        id="LC111",
        severity=Severity.INFO,
        title="A program is run only to sleep",
        sees="A preStop exec hook that does nothing but `sleep`.",
        why="It fails where the image has no `sleep` and no shell, and then SIGTERM comes without the pause. Since"
        " Kubernetes 1.30 (stable in 1.34) the kubelet can do it itself.",
        fix="write preStop: {sleep: {seconds: 5}}",
        source="https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/#hook-handler-implementations",
        find=_just_sleeps,
    ),
    Rule(
        id="LC112",
        severity=Severity.ERROR,
        title="An init container has hooks or probes",
        sees="`lifecycle` or a probe in an init container that is no native sidecar.",
        why="An init container runs to its end before the next one starts: there is nothing to probe and nothing to be"
        " told. The API server refuses the whole pod.",
        fix="remove them; or set restartPolicy: Always, if it is to run beside the others as a native sidecar",
        source="https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#differences-from-regular-containers",
        find=_init_hooks,
    ),
    Rule(
        id="LC114",
        severity=Severity.WARNING,
        title="A failed postStart hook can look like success",
        sees="A postStart hook where the restart policy is `OnFailure` or `Never`.",
        why="When the hook fails the container is stopped as ever, with SIGTERM. A program that ends well on SIGTERM"
        " exits with 0; `OnFailure` then sees no failure, restarts nothing, and the pod may count as succeeded.",
        fix="do the hook's work in the program or in an init container, whose failure counts",
        source=HOOKS,
        find=_on_failure,
    ),
)
