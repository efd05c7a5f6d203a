"""The part of a manifest that an application needs, written from its own settings."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from lifecycle.core import SETTINGS, TERMINATION_LOG, Settings, SettingsError
from lifecycle.kube._app import AppFacts, stands_in_code
from lifecycle.kube._commented import Field, Items, to_yaml

START_PATIENCE: Final = 60
"""Seconds that a start may take where the application names no limit of its own."""
START_SLACK: Final = 5
"""Seconds that Python takes for the imports, before the application's own limit begins to count."""
SUPERVISOR_FOLDER: Final = "/var/run/wrapper"
SUPERVISOR: Final = f"{SUPERVISOR_FOLDER}/supervisor"
LOOPBACK: Final = ip_address("127.0.0.1")
TOKEN_VARIABLE: Final = "LIFECYCLE_SHUTDOWN_TOKEN"  # noqa: S105 - the variable's name


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


@dataclass(frozen=True, slots=True)
class Stanza:
    """The YAML, and what there is to say that has no place in it."""

    text: str
    notes: tuple[str, ...]


def write_stanza(app: AppFacts, environment: Mapping[str, str], wishes: Wishes) -> Stanza:
    """The stanza for a pod's spec, or a strategic-merge patch with it, for an application set by `environment`.

    Raises:
        SettingsError: What is wished for cannot work with these settings; the message says why.
    """
    settings = app.settings(environment)
    writer = _Writer(app, settings, {**app.variables, **environment}, wishes)
    fields = writer.pod()
    budget = settings.budget
    above = (
        f"Made by `lifecycle manifest` from the settings of {app.target}.\n"
        f"The grace period is one purse: lame duck {budget.delay:g} s, drain {budget.drain:g} s, shutdown hooks"
        f" {budget.hooks:g} s, margin {budget.margin:g} s."
    )
    if wishes.patch is not None:
        kind, name = wishes.patch
        above += (
            f"\nFor a kustomization, or for:\nkubectl patch {kind.lower()} {name} --patch-file FILE"
        )
        fields = [
            Field("apiVersion", "apps/v1"),
            Field("kind", kind),
            Field("metadata", [Field("name", name)]),
            Field("spec", [Field("template", [Field("spec", fields)])]),
        ]
    return Stanza(to_yaml(fields, above=above), tuple(writer.notes()))


class _Writer:
    """Each method writes one part; an empty list is a part that is not needed."""

    def __init__(
        self, app: AppFacts, settings: Settings, environment: Mapping[str, str], wishes: Wishes
    ) -> None:
        self._app = app
        self._settings = settings
        self._environment = environment
        self._wishes = wishes
        self._grace = math.ceil(settings.grace_period)
        self._hooks = self._chosen_hooks()
        if wishes.supervisor and not wishes.command:
            raise SettingsError(
                "the supervisor takes the place of the image's own command, which no manifest shows: name it after --"
                " (docker image inspect --format '{{.Config.Entrypoint}} {{.Config.Cmd}}' IMAGE)"
            )
        if wishes.command and not wishes.supervisor:
            raise SettingsError(
                f"{wishes.command[0]!r} is a command, and commands are for --supervisor: add it, or leave the command out"
            )

    def _chosen_hooks(self) -> str | None:
        """How preStop reaches the application; None if it need not."""
        wished, settings = self._wishes.hooks, self._settings
        if self._wishes.supervisor and wished != "http":
            return "exec"
        if not self._app.serves or self._app.endpoints.shutdown is None:
            why = (
                "has no HTTP endpoints"
                if not self._app.serves
                else "has switched its shutdown endpoint off"
            )
            if wished is not None:
                raise SettingsError(
                    f"{self._app.target} {why}, so no hook can ask it to stop: leave --hooks out; SIGTERM is enough"
                )
            return None
        near = settings.allow is None or any(LOOPBACK in network for network in settings.allow)
        if wished is None:
            over_http = self._wishes.https or (not near and settings.shutdown_token is None)
            wished = "http" if over_http else "exec"
        if wished == "exec" and self._wishes.https:
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

    def pod(self) -> list[Field]:
        wishes = self._wishes
        fields = [
            Field(
                "terminationGracePeriodSeconds",
                self._grace,
                ""
                if stands_in_code(self._settings, "grace_period")
                else "Said twice, here and in LIFECYCLE_GRACE_PERIOD: a process cannot read it.",
            )
        ]
        mount = Items([[Field("name", "wrapper"), Field("mountPath", SUPERVISOR_FOLDER)]])
        if wishes.supervisor:
            copy = [
                Field(
                    "name", "copy-supervisor", "One file, which copies itself to where it is run."
                ),
                Field("image", wishes.supervisor_image),
                Field("command", ("/supervisor", "install", SUPERVISOR)),
                Field("volumeMounts", mount),
            ]
            fields.append(Field("initContainers", Items([copy])))
        container = [Field("name", wishes.container)]
        if wishes.supervisor:
            container += [
                Field("command", (SUPERVISOR,), "PID 1; its arguments are the program."),
                Field("args", ("--", *wishes.command)),
            ]
        if env := list(self._env()):
            container.append(Field("env", Items(env)))
        if hooks := list(self._lifecycle()):
            container.append(Field("lifecycle", hooks))
        container += self._termination_message()
        container += self._probes()
        if wishes.supervisor:
            container.append(Field("volumeMounts", mount))
        fields.append(Field("containers", Items([container])))
        if wishes.supervisor:
            volume = [Field("name", "wrapper"), Field("emptyDir", _NOTHING)]
            fields.append(Field("volumes", Items([volume])))
        return fields

    def _env(self) -> Iterator[list[Field]]:
        settings = self._settings
        if not stands_in_code(settings, "grace_period"):
            yield _variable("LIFECYCLE_GRACE_PERIOD", f"{settings.grace_period:g}")
        for setting in SETTINGS:
            source = settings.sources.get(setting.name)
            if setting.name in {"grace_period", "shutdown_token"} or source is None:
                continue
            if source.from_environment and setting.variable not in self._app.variables:
                yield _variable(setting.variable, self._environment[setting.variable])
        in_code = stands_in_code(settings, "shutdown_token")
        needed = not in_code or (self._hooks == "exec" and not self._wishes.supervisor)
        if settings.shutdown_token is not None and needed:
            yield self._token(in_code=in_code)
        if self._hooks == "http" and settings.allow is None:
            yield [
                Field("name", "HOST_IP", "From where the kubelet calls: strangers may not."),
                Field("valueFrom", [Field("fieldRef", [Field("fieldPath", "status.hostIP")])]),
            ]
        if self._wishes.supervisor:
            yield _variable("SUPERVISOR_NAME", self._wishes.container)
            yield _variable("SUPERVISOR_GRACE_PERIOD", str(self._grace))

    def _token(self, *, in_code: bool) -> list[Field]:
        secret, key = self._wishes.token_secret
        why = (
            f'kubectl create secret generic {secret} --from-literal={key}="$(openssl rand -hex 32)"'
        )
        if in_code:
            why = f"For the hook: the token that stands in the code, from the Secret {secret}."
        reference = [Field("name", secret), Field("key", key)]
        return [
            Field("name", TOKEN_VARIABLE, why),
            Field("valueFrom", [Field("secretKeyRef", reference)]),
        ]

    def _lifecycle(self) -> Iterator[Field]:
        if self._settings.post_start_file is not None:
            yield self._post_start(str(self._settings.post_start_file))
        if self._hooks is not None:
            yield self._pre_stop()

    def _post_start(self, file: str) -> Field:
        command = self._wishes.post_start
        why = "The application is not ready before this has written the file."
        if not command:
            why += " What has to succeed first stands behind it: --, ./warm-up, --all."
        program = SUPERVISOR if self._wishes.supervisor else "lifecycle"
        behind = ("--", *command) if command else ()
        return self._handler("postStart", _exec(program, "trigger", file, *behind), why)

    def _pre_stop(self) -> Field:
        path = self._app.endpoints.shutdown
        if self._hooks == "http":
            get = self._get(path or "/")
            why = "The kubelet calls the pod's address: the server must listen there, not on 127.0.0.1 alone."
            return self._handler("preStop", Field("httpGet", get), why)
        why = "Returns when the application has stopped; SIGTERM finds it gone."
        if self._wishes.supervisor:
            return self._handler("preStop", _exec(SUPERVISOR, "stop"), why)
        address = (
            ("--port", str(self._wishes.port))
            if path == "/shutdown"
            else ("--url", f"http://127.0.0.1:{self._wishes.port}{path}")
        )
        return self._handler("preStop", _exec("lifecycle", "stop", *address), why)

    def _termination_message(self) -> list[Field]:
        file = self._settings.report_file
        if file is None or file == TERMINATION_LOG:
            return []
        why = "Where the application writes its report: the pod's status shows it."
        return [Field("terminationMessagePath", str(file), why)]

    def _probes(self) -> Iterator[Field]:
        paths = self._app.endpoints
        if not self._app.serves:
            return
        limit = self._settings.startup_timeout
        patience = START_PATIENCE if limit is None else math.ceil(limit) + START_SLACK
        # Liveness says the same while the application starts, as soon as somebody listens.
        started = paths.startupz or paths.livez
        if started is not None:
            why = (
                "As long as the slowest start takes."
                if limit is None
                else f"The application gives up by itself after {limit:g} s."
            )
            yield self._probe("startupProbe", started, why, period=1, failures=patience)
        if paths.livez is not None:
            why = "Only what is stuck is killed: it answers in every phase."
            yield self._probe("livenessProbe", paths.livez, why, timeout=5)
        if paths.readyz is not None:
            yield self._probe("readinessProbe", paths.readyz, "", period=1)

    def _probe(
        self,
        name: str,
        path: str,
        why: str,
        *,
        period: int = 10,
        timeout: int = 1,
        failures: int = 3,
    ) -> Field:
        get = Field("httpGet", self._get(path))
        numbers = {
            # Defaults are written too: a patch leaves other numbers where they stand.
            "periodSeconds": period,
            "timeoutSeconds": timeout,
            "failureThreshold": failures,
        }
        fields = [Field(key, number) for key, number in numbers.items()]
        return self._handler(name, get, why, *fields)

    def _get(self, path: str) -> list[Field]:
        scheme = [Field("scheme", "HTTPS")] if self._wishes.https else []
        return [Field("path", path), Field("port", self._wishes.port), *scheme]

    def _handler(self, name: str, how: Field, why: str, *more: Field) -> Field:
        # Merged with a handler of another kind, it would have two, which the API server refuses.
        replace = [Field("$patch", "replace")] if self._wishes.patch is not None else []
        return Field(name, [*replace, how, *more], why)

    def notes(self) -> Iterator[str]:
        """What the user should know, and the manifest cannot say."""
        app, settings = self._app, self._settings
        if not app.serves:
            yield (
                f"{app.target} is used by no LifecycleMiddleware: no probes and no preStop hook over HTTP. If there is one,"
                " name the application that has it: --app module:app"
            )
        waiting = [hook for hook in app.hooks if hook.kind == "on_post_start"]
        if waiting and settings.post_start_file is None:
            yield (
                f"on_post_start hook {waiting[0].name!r} ({waiting[0].where}) is not run without a trigger file: set"
                " LIFECYCLE_POST_START_FILE"
            )
        timeouts = app.shutdown_timeouts()
        if timeouts > settings.budget.hooks + settings.budget.drain:
            yield (
                f"the shutdown hooks may take {timeouts:g} s by their own timeouts, and the grace period leaves them"
                f" {settings.budget.hooks:g} s after a drain that takes its time: raise grace_period"
            )


_NOTHING: list[Field] = []


def _variable(name: str, value: str) -> list[Field]:
    return [Field("name", name), Field("value", value)]


def _exec(*command: str) -> Field:
    return Field("exec", [Field("command", command)])
