"""Hooks, as the rules look at them: whose they are, what they call, and what it means that one fails."""

from collections.abc import Iterator

from lifecycle.kube._commands import environment_of, slept
from lifecycle.kube._container import Container
from lifecycle.kube._handlers import Exec, Handler, Sleep
from lifecycle.kube._pod import Pod
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
    """Those that run a command."""
    for container, name, hook in hooks(pod):
        if isinstance(hook, Exec) and hook.command:
            yield container, name, hook


def at_command(hook: Exec) -> Where:
    return hook.place.at("command")


def is_loopback(host: str | None) -> bool:
    """Whether it is whoever calls that is called: to a client 0.0.0.0 is loopback, too."""
    return host is not None and host.lower().startswith(LOOPBACK)


def unknown_port(container: Container, port: int | str) -> str:
    """What is wrong with a port, or nothing."""
    number = container.port(port)
    if number is None:
        names = ", ".join(sorted(one.name for one in container.ports if one.name)) or "none"
        return f"port {port!r} is no port of container {container.name!r} (named there: {names})"
    return "" if 1 <= number <= LAST_PORT else f"port {number} is not between 1 and 65535"


def pre_stop_seconds(container: Container) -> float:
    """How long the preStop hook sleeps."""
    match container.pre_stop:
        case Sleep(seconds=length):
            return length
        case Exec(command=command):
            return slept(command, environment_of(container))
        case _:
            return 0
