"""How a container of the manifest is made from what this machine has: its command, environment and mounts."""

import os
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import NAMESPACE_DNS, uuid5

from lifecycle.core import RehearsalError
from lifecycle.kube import Container, EnvVar, HttpGet, Pod

NODE: Final = "127.0.0.1"
"""The node's address: where the kubelet's requests come from."""
PLATFORM: Final = {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
}
FOREIGN: Final = ("KUBERNETES_", "LIFECYCLE_", "PYTEST_", "UVICORN_", "TMPDIR")
"""How those variables of this machine begin that a container does not inherit: the rest stands for its image's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """What a manifest does not say, and what is said in place of it."""

    run: Mapping[str, str] = field(default_factory=dict[str, str])
    """Command lines, by name of container, in the place of image, command and args."""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    """Values of variables, by name, for all containers: above all for what `valueFrom` takes from a cluster."""
    volumes: Mapping[str, Path] = field(default_factory=dict[str, Path])
    """Local directories, by name of volume, in the place of a ConfigMap, a Secret or a claim."""
    cwd: Path = field(default_factory=Path.cwd)
    """Where commands are run whose image's directory is not known here."""
    isolation: str = "auto"
    """`auto`, `namespaces` (or an error) or `none`."""
    network: str = "host"
    """`host`: this machine's. `pod`: a loopback of its own for each pod, so that replicas may have the same port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """`mounts`: folder below the pod's, path in the container, whether read only."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    mounts: tuple[tuple[str, str, bool], ...] = ()


_REFERENCE = re.compile(r"\$(\$|\(([^()]*)\))")


def expand(text: str, env: Mapping[str, str]) -> str:
    """`$(NAME)` is the variable's value, if there is one; `$$` is a dollar. Nothing else is touched."""

    def one(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return env.get(match[2], match[0])

    return _REFERENCE.sub(one, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a pod is played."""

    pod: Pod
    name: str
    namespace: str
    address: str
    options: LocalOptions

    def check(self) -> None:
        """
        Raises:
            RehearsalError: Some container cannot be made from what is here.
        """
        names = {container.name for container in self.pod.everyone()}
        if unknown := sorted(self.options.run.keys() - names):
            raise RehearsalError(
                f"there is no container {unknown[0]!r} to run a command in: the pod has {', '.join(sorted(names))}"
            )
        for container in self.pod.everyone():
            recipe = self.recipe(container)
            self._find(container, recipe)

    def recipe(self, container: Container) -> Recipe:
        env = self._env(container)
        return Recipe(
            argv=self._argv(container, env),
            env=env,
            cwd=self._cwd(container),
            mounts=tuple(self._mounts(container)),
        )

    def _argv(self, container: Container, env: Mapping[str, str]) -> tuple[str, ...]:
        if line := self.options.run.get(container.name):
            return tuple(shlex.split(line))
        if container.command is None:
            raise RehearsalError(
                f"{container.place.at('image', 'name')}: container {container.name!r} runs what its image says, which a "
                f'manifest does not show: say it with --run {container.name}="COMMAND ARGS…"'
            )
        words = (*container.command, *(container.args or ()))
        return tuple(expand(word, env) for word in words)

    def _cwd(self, container: Container) -> str:
        wanted = container.working_dir
        return wanted if wanted and Path(wanted).is_dir() else str(self.options.cwd)

    def _env(self, container: Container) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        env |= PLATFORM | {"HOSTNAME": self.name}
        own: dict[str, str] = {}
        for variable in container.env:
            value = self._value(container, variable)
            own[variable.name] = expand(value, PLATFORM | own)
        return {**env, **own, **self.options.env}

    def _value(self, container: Container, variable: EnvVar) -> str:
        if variable.name in self.options.env:
            return self.options.env[variable.name]
        if variable.value is not None:
            return variable.value
        kind, _, what = (variable.source or "").partition(":")
        known = {
            "metadata.name": self.name,
            "metadata.namespace": self.namespace,
            "metadata.uid": str(uuid5(NAMESPACE_DNS, self.name)),
            "spec.nodeName": "rehearsal",
            "spec.serviceAccountName": "default",
            "status.hostIP": NODE,
            "status.hostIPs": NODE,
            "status.podIP": self.address,
            "status.podIPs": self.address,
        }
        if kind == "fieldRef" and what in known:
            return known[what]
        raise RehearsalError(
            f"{variable.place.where}: {variable.name} of container {container.name!r} comes from {variable.source}, which "
            f"is not here: say it with --env {variable.name}=VALUE"
        )

    def _mounts(self, container: Container) -> list[tuple[str, str, bool]]:
        return [
            (
                "/".join(["volumes", mount.volume, *([mount.sub_path] if mount.sub_path else [])]),
                mount.path,
                mount.read_only,
            )
            for mount in sorted(container.mounts, key=lambda mount: mount.path.count("/"))
        ]

    def _find(self, container: Container, recipe: Recipe) -> None:
        """A command may be on a volume, where an earlier container will have put it."""
        program = recipe.argv[0]
        if any(program.startswith(f"{path.rstrip('/')}/") for _, path, _ in recipe.mounts):
            return
        found = shutil.which(program, path=recipe.env.get("PATH")) or (
            "/" in program and os.access(Path(recipe.cwd, program), os.X_OK)
        )
        if not found:
            raise RehearsalError(
                f"{container.place.at('command', 'args', 'name')}: container {container.name!r}: {program!r} is not on "
                f'this machine: install it, or give another command with --run {container.name}="COMMAND ARGS…"'
            )


def substituted(recipe: Recipe, places: Mapping[str, str]) -> Recipe:
    """For a machine that mounts nothing: the paths themselves, in command and environment, by others."""
    put = substitution(places)
    return Recipe(
        argv=tuple(put(word) for word in recipe.argv),
        env={name: put(value) for name, value in recipe.env.items()},
        cwd=put(recipe.cwd),
    )


def substitution(places: Mapping[str, str]) -> Callable[[str], str]:
    """A path is replaced where it stands for itself, or for what is in it."""
    if not places:
        return str
    longest_first = sorted(places, key=len, reverse=True)
    pattern = re.compile(rf"(?<![\w./-])({'|'.join(map(re.escape, longest_first))})(?![\w.-])")
    return lambda word: pattern.sub(lambda match: places[match[1]], word)


_EMPTY = "volume {name!r} ({kind}) is an empty directory here: give one with --volume {name}=DIR"


def notes(pod: Pod, options: LocalOptions, *, isolated: bool) -> list[tuple[str, str]]:
    """Container and sentence: what of a manifest is played otherwise than it stands there."""
    told = [
        ("", _EMPTY.format(name=volume.name, kind=volume.kind))
        for volume in pod.volumes
        if volume.kind != "emptyDir" and volume.name not in options.volumes
    ]
    if pod.host_network:
        told.append(("", "hostNetwork: the pod has an address of its own here all the same"))
    for container in pod.everyone():
        told += [(container.name, sentence) for sentence in _notes(container, pod, options)]
        if container.read_only_root and not isolated:
            told.append((container.name, "readOnlyRootFilesystem is not played without namespaces"))
    return told


def _notes(container: Container, pod: Pod, options: LocalOptions) -> list[str]:
    told: list[str] = []
    if container.env_from and not options.env:
        told.append("envFrom is left out: give variables with --env NAME=VALUE")
    if container.working_dir and not Path(container.working_dir).is_dir():
        told.append(
            f"workingDir {container.working_dir} is not on this machine: {options.cwd} stands for it"
        )
    for name, hook in container.hooks.items():
        if isinstance(hook, HttpGet) and hook.host in ("127.0.0.1", "localhost", "::1"):
            told.append(f"{name}: host {hook.host} is the node, not the container")
    if pod.share_process_namespace:
        told.append(
            "shareProcessNamespace: no process is PID 1, so signals have their default actions"
        )
    return told
