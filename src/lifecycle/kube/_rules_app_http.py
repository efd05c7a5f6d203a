"""LC6, over HTTP: where hook and probes ask, and where the application answers."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Final

from lifecycle.core import Endpoints
from lifecycle.kube._app import TOKEN_VARIABLE
from lifecycle.kube._app_seen import seen_in
from lifecycle.kube._commands import environment_of, name_of, simple_commands, whole_command
from lifecycle.kube._container import Container
from lifecycle.kube._handlers import Exec, HttpGet
from lifecycle.kube._rule import Found, Rule, Severity, Subject

HOOKS: Final = "https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/"
PROBES: Final = (
    "https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/"
)
TOKEN_HEADERS: Final = ("x-lifecycle-token", "authorization")
DEFAULTS: Final = Endpoints()


def _lifecycle_stop(container: Container) -> list[str] | None:
    """The words of `lifecycle stop` in the preStop hook."""
    if isinstance(container.pre_stop, Exec):
        for one in simple_commands(container.pre_stop.command):
            words = one[2:] if name_of(one[0]).startswith("python") and one[1:2] == ["-m"] else one
            if name_of(words[0]) == "lifecycle" and words[1:2] == ["stop"]:
                return words[2:]
    return None


def _option(words: list[str], *names: str) -> str | None:
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in names:
            return value if equals else next(iter(words[index + 1 :]), None)
    return None


def _asked_path(container: Container) -> str | None:
    """The path at which preStop asks; None if it does not ask over HTTP."""
    if isinstance(container.pre_stop, HttpGet):
        return container.pre_stop.asked
    words = _lifecycle_stop(container)
    if words is None or _option(words, "--pid"):
        return None
    url = _option(words, "--url") or ""
    _, _, path = url.partition("://")[2].partition("/")
    return f"/{path.partition('?')[0]}" if path else "/shutdown"


def _asks_elsewhere(subject: Subject) -> Iterator[Found]:
    for seen in seen_in(subject):
        path = _asked_path(seen.container)
        right = seen.app.endpoints.shutdown if seen.app.serves else None
        if path is None or path == right:
            continue
        there = f"which listens at {right}" if right else "which has no endpoint for it"
        unseen = (
            ", and the kubelet takes every answer, 404 too, for success"
            if isinstance(seen.container.pre_stop, HttpGet)
            else ""
        )
        yield Found(
            seen.hook_at(),
            f"preStop asks at {path} for the stop of {seen.app.target}, {there}{unseen}",
            f"ask at {right}" if right else "leave the hook out: SIGTERM is enough",
        )


SERVERS: Final = {"uvicorn": "8000", "granian": "8000", "lifecycle": "8000"}
"""Programs that listen where `--port` says, and where they do if nothing says so."""


def _listens_at(container: Container) -> int | None:
    words = [piece for word in whole_command(container) for piece in word.split()]
    for server, default in SERVERS.items():
        if any(name_of(word) == server for word in words) and not {"--uds", "--fd"} & {*words}:
            given = _option(words, "--port") or default
            return int(given) if given.isascii() and given.isdigit() else None
    return None


def _asks_another_port(subject: Subject) -> Iterator[Found]:
    for seen in seen_in(subject):
        listens = _listens_at(seen.container)
        hook, words = seen.container.pre_stop, _lifecycle_stop(seen.container)
        if isinstance(hook, HttpGet):
            asked = seen.container.port(hook.port)
        elif words is not None and not (set(words) & {"--url", "--uds", "--pid"}):
            given = _option(words, "--port") or environment_of(seen.container).get(
                "LIFECYCLE_PORT", "8000"
            )
            asked = int(given) if given.isascii() and given.isdigit() else None
        else:
            asked = None
        if listens is not None and asked is not None and asked != listens:
            yield Found(
                seen.hook_at(),
                f"preStop asks at port {asked}, and the command of {seen.container.name!r} listens at {listens}: nobody"
                " answers, and SIGTERM comes at once",
                f"ask at port {listens}",
            )


def _token_is_missing(subject: Subject) -> Iterator[Found]:
    for seen in seen_in(subject):
        if seen.settings.shutdown_token is None:
            continue
        hook, words = seen.container.pre_stop, _lifecycle_stop(seen.container)
        fix = ""
        if isinstance(hook, HttpGet):
            if hook.asked != seen.app.endpoints.shutdown:
                continue
            sent = [value for name, value in hook.headers if name.lower() in TOKEN_HEADERS]
            wanted = environment_of(seen.container).get(TOKEN_VARIABLE)
            right = {wanted, f"Bearer {wanted}"} if wanted else set(sent)
            if sent and right & set(sent):
                continue
            what = "another token than the one that is set" if sent else "no token"
            fix = "use exec with [lifecycle, stop], which reads the token in the container"
        elif (
            words is not None and _option(words, "--token") is None and not seen.has(TOKEN_VARIABLE)
        ):
            what = "no token"
            fix = f"set {TOKEN_VARIABLE} in the container, from the same Secret"
        else:
            continue
        yield Found(
            seen.hook_at(),
            f"preStop sends {what}, and {seen.app.target} wants one: it answers 403, and nothing is stopped before SIGTERM",
            fix,
        )


def _own_path(endpoints: Endpoints, path: str) -> str | None:
    """The name of the endpoint at this path."""
    return next(
        (one.name for one in fields(endpoints) if getattr(endpoints, one.name) == path), None
    )


WRONG: Final = {
    "livenessProbe": ("readyz", "startupz", "shutdown", "post_start"),
    "readinessProbe": ("livez", "shutdown", "post_start"),
    "startupProbe": ("shutdown", "post_start"),
}
"""Endpoints that say something else than what the probe asks for."""
RIGHT: Final = {"livenessProbe": "livez", "readinessProbe": "readyz", "startupProbe": "startupz"}


def _probes_elsewhere(subject: Subject) -> Iterator[Found]:
    for seen in seen_in(subject):
        for name, probe in seen.container.probes.items():
            if not isinstance(probe.check, HttpGet) or probe.check.host:
                continue
            path = probe.check.asked
            own = _own_path(seen.app.endpoints, path) if seen.app.serves else None
            right = getattr(seen.app.endpoints, RIGHT[name]) if seen.app.serves else None
            fix = f"ask at {right}" if right else "leave the probe out, or use exec"
            if own in WRONG[name]:
                yield Found(
                    probe.check.place.at("path"),
                    f"the {name} asks at {path}, where {seen.app.target} answers another question ({own})",
                    fix,
                )
            elif own is None and _own_path(DEFAULTS, path):
                has = f"which has {right} for it" if right else "which has none there"
                yield Found(
                    probe.check.place.at("path"),
                    f"the {name} asks at {path}, and {seen.app.target}, {has}, answers 404",
                    fix,
                )


def _kubelet_is_a_stranger(subject: Subject) -> Iterator[Found]:
    for seen in seen_in(subject):
        hook = seen.container.pre_stop
        ours = isinstance(hook, HttpGet) and hook.asked == seen.app.endpoints.shutdown
        known = seen.has("HOST_IP") or seen.settings.allow or seen.settings.shutdown_token
        if ours and seen.app.serves and not known:
            yield Found(
                seen.hook_at(),
                f"the kubelet calls {seen.app.target} from the node, whose address it does not know: where that is not the"
                " pod's gateway the answer is 403, and the kubelet takes it for success",
            )


RULES = (
    Rule(
        id="LC605",
        severity=Severity.WARNING,
        title="The preStop hook asks where the application does not listen",
        sees="A preStop `httpGet`, or `lifecycle stop`, with another path than that of the application's shutdown endpoint.",
        why="The kubelet takes every answer for success: nobody sees that the hook has done nothing. SIGTERM comes at once.",
        fix="ask at the path that the application has",
        source="https://github.com/kubernetes/kubernetes/issues/56963",
        find=_asks_elsewhere,
    ),
    Rule(
        id="LC606",
        severity=Severity.ERROR,
        title="The preStop hook asks at another port",
        sees="A hook with another port than the one that the container's command tells its server (uvicorn, granian,"
        " `lifecycle serve`).",
        why="The connection is refused, the hook has failed, and SIGTERM comes at once: what the hook was to do before is not done.",
        fix="write the same port in both places",
        source=f"{HOOKS}#hook-handler-execution",
        find=_asks_another_port,
    ),
    Rule(
        id="LC607",
        severity=Severity.ERROR,
        title="The preStop hook does not have the token",
        sees="An application with a shutdown token, and a preStop hook that sends none, or another.",
        why="It is answered 403. The kubelet takes that for success, and the stop begins with SIGTERM, as if there were no hook.",
        fix="let the hook read the token in the container: exec, [lifecycle, stop]",
        source="https://github.com/kubernetes/kubernetes/issues/56963",
        find=_token_is_missing,
    ),
    Rule(
        id="LC608",
        severity=Severity.ERROR,
        title="A probe asks the wrong endpoint",
        sees="A probe at a path that the application has moved or switched off, or at one that answers another question: a"
        " liveness probe at `/readyz`, a readiness probe at `/livez`.",
        why="Not ready is no reason to be killed: a start that waits for something would be ended by it, again and again. Alive is"
        " no reason to get requests. And a path that does not exist fails always.",
        fix="liveness at /livez, readiness at /readyz, startup at /startupz, or where the application has them",
        source=PROBES,
        find=_probes_elsewhere,
    ),
    Rule(
        id="LC612",
        severity=Severity.WARNING,
        title="The application does not know the kubelet",
        sees="A preStop `httpGet` of the shutdown endpoint, without HOST_IP, `allow` or a token.",
        why="Only the node may call `/shutdown`, besides the container itself. In many networks the node is the pod's gateway,"
        " which is allowed; in others it has another address, which has to be told.",
        fix="set HOST_IP from status.hostIP (fieldRef), or use exec with [lifecycle, stop]",
        source="https://kubernetes.io/docs/concepts/workloads/pods/downward-api/",
        find=_kubelet_is_a_stranger,
    ),
)
