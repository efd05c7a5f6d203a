"""What an application says of its own life: the numbers that a manifest has to agree with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lifecycle.core import SETTINGS, Endpoints, Settings, Source, read_settings

IN_A_POD: Final = {"KUBERNETES_SERVICE_HOST": "kubernetes.default.svc"}
"""As in every container: routers have to forget the address, so the lame duck has a default."""
TOKEN_VARIABLE: Final = "LIFECYCLE_SHUTDOWN_TOKEN"  # noqa: S105 - the variable's name
SOME_TOKEN: Final = "set-in-the-application"  # noqa: S105 - stands for a secret that is never carried about
"""What stands for a token that is set, here and in what `describe` is given: a secret is never carried about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFacts:
    """A hook as it was registered; `timeout` in seconds, None where the hook has none of its own."""

    kind: str
    name: str
    where: str
    timeout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppFacts:
    """An application by its name, `module:life`, and what it was made with.

    `arguments` are the settings that stand in its code, which win over every variable. `variables` are those that the
    program sets for itself (from a `.env` file, say). `serves` tells whether it has HTTP endpoints at all.
    """

    target: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    endpoints: Endpoints = field(default_factory=Endpoints)
    serves: bool = True
    hooks: tuple[HookFacts, ...] = ()
    container: str | None = None
    """The container that it is in, where somebody has said so."""

    def settings(self, environment: Mapping[str, str]) -> Settings:
        """Its settings, and its budget, in a pod whose container has this environment.

        Raises:
            SettingsError: The application would refuse to start there; the message says why.
        """
        return read_settings(self.arguments, {**self.variables, **environment, **IN_A_POD})

    def shutdown_timeouts(self) -> float:
        """Seconds that its shutdown hooks may take by their own timeouts."""
        return sum(hook.timeout or 0 for hook in self.hooks if hook.kind == "on_shutdown")


def describe(settings: Settings) -> dict[str, Any]:
    """The settings that stand in the code, as JSON has them, without the token."""
    found: dict[str, Any] = {}
    for setting in SETTINGS:
        source = settings.sources.get(setting.name)
        if source is None or source.from_environment:
            continue
        value: object = getattr(settings, setting.name)
        if setting.name == "shutdown_token":
            value = SOME_TOKEN
        elif isinstance(value, tuple):
            value = [str(network) for network in value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - of networks, as its parser made it
        elif not isinstance(value, (bool, int, float)):
            value = str(value)
        found[setting.name] = value
    return found


def stands_in_code(settings: Settings, name: str) -> bool:
    """Whether a setting was given as an argument, so that no variable can change it."""
    source: Source | None = settings.sources.get(name)
    return source is not None and not source.from_environment
