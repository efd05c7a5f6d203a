"""What is written for an application, decided before a line of it is: settings, wishes, and how preStop reaches it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from lifecycle.core import Settings, SettingsError
from lifecycle.kube._app import AppFacts

LOOPBACK: Final = ip_address("127.0.0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the application cannot know of its manifest.

    `hooks` is "exec" or "http", or None for what suits. `command` is what the supervisor is to run, and `post_start`
    what the postStart hook is to run before it writes the trigger.
    """

    container: str = "app"
    port: int = 8000
    https: bool = False
    hooks: str | None = None
    post_start: tuple[str, ...] = ()
    token_secret: tuple[str, str] = ("app-shutdown", "token")
    supervisor: bool = False
    supervisor_image: str = "supervisor"
    command: tuple[str, ...] = ()
    patch: tuple[str, str] | None = None
    """Kind and name of what is to be patched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`environment` is what the application sees; `hooks` how preStop asks it to stop, None if it need not."""

    app: AppFacts
    settings: Settings
    environment: Mapping[str, str]
    wishes: Wishes
    hooks: str | None

    @property
    def grace(self) -> int:
        """Whole seconds: a manifest has no others."""
        return math.ceil(self.settings.grace_period)


def plan_for(app: AppFacts, environment: Mapping[str, str], wishes: Wishes) -> Plan:
    """What fits the application, as `environment` sets it.

    Raises:
        SettingsError: What is wished for cannot work with these settings; the message says why.
    """
    settings = app.settings(environment)
    hooks = _chosen_hooks(app, settings, wishes)
    if wishes.supervisor and not wishes.command:
        raise SettingsError(
            "the supervisor takes the place of the image's own command, which no manifest shows: name it after --"
            " (docker image inspect --format '{{.Config.Entrypoint}} {{.Config.Cmd}}' IMAGE)"
        )
    if wishes.command and not wishes.supervisor:
        raise SettingsError(
            f"{wishes.command[0]!r} is a command, and commands are for --supervisor: add it, or leave the command out"
        )
    return Plan(
        app=app,
        settings=settings,
        environment={**app.variables, **environment},
        wishes=wishes,
        hooks=hooks,
    )


def _chosen_hooks(app: AppFacts, settings: Settings, wishes: Wishes) -> str | None:
    """How preStop reaches the application; None if it need not."""
    wished = wishes.hooks
    if wishes.supervisor and wished != "http":
        return "exec"
    if not app.serves or app.endpoints.shutdown is None:
        why = (
            "has no HTTP endpoints" if not app.serves else "has switched its shutdown endpoint off"
        )
        if wished is not None:
            raise SettingsError(
                f"{app.target} {why}, so no hook can ask it to stop: leave --hooks out; SIGTERM is enough"
            )
        return None
    near = settings.allow is None or any(LOOPBACK in network for network in settings.allow)
    if wished is None:
        over_http = wishes.https or (not near and settings.shutdown_token is None)
        wished = "http" if over_http else "exec"
    if wished == "exec" and wishes.https:
        raise SettingsError(
            "`lifecycle stop` speaks plain HTTP, and this server does not: use --hooks http"
        )
    if wished == "exec" and not near:
        raise SettingsError(
            f"{settings.sources['allow']} does not name loopback, from where an exec hook asks: add 127.0.0.1"
            + (", or use --hooks http" if settings.shutdown_token is None else "")
        )
    if wished == "http" and settings.shutdown_token is not None:
        raise SettingsError(
            "a hook's httpHeaders cannot come from a Secret, and the application wants a token: in the manifest it would"
            " stand in plain text. Use --hooks exec, which reads LIFECYCLE_SHUTDOWN_TOKEN in the container"
        )
    return wished
