"""Where in a manifest an application runs, and with which variables."""

from collections.abc import Iterator, Mapping

from lifecycle.core import SettingsError
from lifecycle.kube._app import SOME_TOKEN, TOKEN_VARIABLE, AppFacts
from lifecycle.kube._commands import environment_of, whole_command
from lifecycle.kube._container import Container
from lifecycle.kube._manifest import Manifest
from lifecycle.kube._workload import Workload


def environment_in(container: Container) -> dict[str, str]:
    """Its variables, as far as the manifest says them."""
    environment = environment_of(container)
    for one in container.env:
        # It comes from a Secret: that there is one is all there is to know.
        if one.name == TOKEN_VARIABLE and one.value is None:
            environment[one.name] = SOME_TOKEN
    return environment


def containers_of(workload: Workload, manifest: Manifest, app: AppFacts) -> Iterator[Container]:
    """Where the application runs in a workload.

    In the container that was named, else in those whose command names its module, else in the only one that there is.
    """
    regular = [*workload.pod.containers, *workload.pod.sidecars]
    if app.container is not None:
        yield from (one for one in regular if one.name == app.container)
        return
    module = app.target.partition(":")[0]
    named = [one for one in regular if _names(whole_command(one), module)]
    if named:
        yield from named
    elif len(workload.pod.containers) == 1 and len(manifest.workloads) == 1:
        yield workload.pod.containers[0]


def _names(command: tuple[str, ...], module: str) -> bool:
    words = [piece for word in command for piece in word.split()]
    file = f"{module.replace('.', '/')}.py"
    return any(
        word in (module, file) or word.startswith(f"{module}:") or word.endswith(f"/{file}")
        for word in words
    )


def environment_for(manifest: Manifest, app: AppFacts) -> Mapping[str, str]:
    """The variables of the first container that the application runs in.

    Raises:
        SettingsError: There is none; the message names those that there are.
    """
    for workload in manifest.workloads:
        for container in containers_of(workload, manifest, app):
            return environment_in(container)
    names = [one.name for each in manifest.workloads for one in each.pod.containers]
    there = f"there are {', '.join(dict.fromkeys(names))}" if names else "there is none"
    raise SettingsError(
        f"no container is called {app.container!r}: {there}"
        if app.container is not None
        else f"no command in the manifest names the module of {app.target}: name its container with --container, {there}"
    )
