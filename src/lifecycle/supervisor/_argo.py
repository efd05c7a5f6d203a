"""Argo's `argoexec emissary`: one folder for each container under /var/run/argo/ctr.

https://github.com/argoproj/argo-workflows. Our state lives in those folders, so `exitcode` is where Argo's own wait
container looks for it. What differs: a dependency that was killed without a word fails its followers at once, orphans
are reaped when they end, and nothing sleeps.
"""

from . import _json, _markers, _specs
from ._dialect import Dialect
from ._errors import UsageError
from ._settings import Settings
from ._statuses import SKIPPED, UNAVAILABLE
from ._system import TYPE_CHECKING

if TYPE_CHECKING:
    from ._json import JSON
    from ._supervise import Supervision

FOLDER = "/var/run/argo"
# For tests and for sandboxes in which /var/run belongs to somebody else.
FOLDER_VARIABLE = "SUPERVISOR_ARGO_DIR"
FAILED = 64


class Argo(Dialect):
    usage_status = FAILED

    def __init__(self, settings: Settings, words: list[str], variables: dict[str, str]) -> None:
        if "--" not in words:
            raise UsageError("no command: write argoexec emissary [OPTIONS] -- CMD ARGS…")
        settings.command = words[words.index("--") + 1 :]
        arguments = variables.get("ARGO_CONTAINER_ARGS_FILE")
        if arguments:
            settings.command += _words(arguments)
        base = variables.get(FOLDER_VARIABLE) or FOLDER
        name = _specs.name(variables.get("ARGO_CONTAINER_NAME") or "main")
        own = f"{base}/ctr/{name}"
        settings.name, settings.state_dir = name, f"{base}/ctr"
        settings.signal_to = "group"
        settings.signal_file = f"{own}/signal"
        settings.grace_period = _specs.seconds(
            variables.get("ARGO_TERMINATION_GRACE_PERIOD_SECONDS") or "30"
        )
        if variables.get("ARGO_DEBUG_PAUSE_BEFORE") == "true":
            settings.pause_before = f"{own}/before"
        if variables.get("ARGO_DEBUG_PAUSE_AFTER") == "true":
            settings.pause_after = f"{own}/after"
        _read_template(settings, f"{base}/template", name)

    def shown(self, run: "Supervision", status: int) -> int:
        return FAILED if status in (SKIPPED, UNAVAILABLE) else status


def _words(path: str) -> list[str]:
    try:
        found = _json.read((_markers.read(path, 1 << 24) or b"").decode())
    except ValueError as failure:
        raise UsageError(f"{path} is no JSON list: {failure}") from None
    if not isinstance(found, list):
        raise UsageError(f"{path} is no JSON list")
    return [str(word) for word in found]


def _read_template(settings: Settings, path: str, name: str) -> None:
    """Who comes first, and how often a failure is tried again: in the workflow's own words."""
    content = _markers.read(path, 1 << 20)
    if content is None:
        return  # A container that Argo did not make: nothing to depend on.
    try:
        template = _json.read(content.decode("utf-8", "replace"))
    except ValueError as failure:
        raise UsageError(f"{path} is no JSON: {failure}") from None
    group = _member(template, "containerSet")
    for container in _list(_member(group, "containers")):
        if _member(container, "name") == name:
            settings.after = [
                _specs.condition(f"{dependency}:success")
                for dependency in _list(_member(container, "dependencies"))
            ]
    retry = _member(group, "retryStrategy")
    retries = _member(retry, "retries")
    if isinstance(retries, int | str):
        settings.retry = _specs.count(str(retries))
        settings.retry_delay = _specs.seconds(str(_member(retry, "duration") or "0"))


def _member(value: "JSON", name: str) -> "JSON":
    return value.get(name) if isinstance(value, dict) else None


def _list(value: "JSON") -> "list[JSON]":
    return value if isinstance(value, list) else []
