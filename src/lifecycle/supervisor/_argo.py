"""Argo's `argoexec emissary`: one folder for each container under /var/run/argo/ctr.

https://github.com/argoproj/argo-workflows. Our state lives in those folders, so `exitcode` is where Argo's own wait
container looks for it. What differs: a dependency that was killed without a word fails its followers at once, orphans
are reaped when they end, and nothing sleeps.
"""

from time import monotonic, sleep

from . import _json, _markers, _specs
from ._dialect import Dialect
from ._errors import UsageError
from ._loop import Answer
from ._settings import ARGO_FOLDER, Settings
from ._specs import Condition
from ._statuses import SKIPPED, UNAVAILABLE
from ._system import TYPE_CHECKING, posix

if TYPE_CHECKING:
    from ._json import JSON
    from ._supervise import Supervision

FOLDER = "/var/run/argo"
# Where the controller mounts what does not fit into a variable, and where the supervisor puts what a step takes in.
CONFIGURATION, INPUTS = "/argo/config", "/argo/inputs/artifacts"
TEMPLATE, OFFLOADED = "ARGO_TEMPLATE", "offloaded"
# Containers of other users write `signal` here.
SHARED_MODE = 0o777
# For tests and for sandboxes in which /var/run belongs to somebody else.
FAILED = 64
# `status` of Argo's own supervisor said FAILED, or nothing for so long.
NOT_PREPARED = 65
STALE = 30.0
PERIOD = 0.02
# The longest argument that exec takes, MAX_ARG_STRLEN of <linux/binfmts.h>. A longer one is put into a file.
LONGEST_ARGUMENT = 131072
MAIN = "main"


class Argo(Dialect):
    usage_status = FAILED
    unprepared_status = NOT_PREPARED

    def __init__(self, settings: Settings, words: list[str], variables: dict[str, str]) -> None:
        if "--" not in words:
            raise UsageError("no command: write argoexec emissary [OPTIONS] -- CMD ARGS…")
        settings.command = words[words.index("--") + 1 :]
        arguments = variables.get("ARGO_CONTAINER_ARGS_FILE")
        if arguments:
            settings.command += [
                _short(number, word) for number, word in enumerate(_words(arguments))
            ]
        base = variables.get(ARGO_FOLDER) or FOLDER
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
        elsewhere = ARGO_FOLDER in variables
        self._inputs = f"{base}/inputs/artifacts" if elsewhere else INPUTS
        self._configuration = f"{base}/config" if elsewhere else CONFIGURATION
        self._name, self._base, self._own = name, base, own
        self._variables = variables
        self._template: JSON = None
        # Without an init container the template is there when its writer says READY, and not before.
        self._is_late = variables.get("ARGO_WAIT_FOR_READY") == "true"
        if self._is_late:
            settings.after.append(Condition(f"{base}/status", "heartbeat", f"{base}/status"))
        else:
            self._read_template(settings)

    def _read_template(self, settings: Settings) -> None:
        self._template = _template(
            f"{self._base}/template", self._variables.get(TEMPLATE), self._configuration
        )
        _follow_template(settings, self._template, self._name)
        archived = _member(_member(self._template, "archiveLocation"), "archiveLogs")
        if archived is True or self._variables.get("ARGO_INCLUDE_SCRIPT_OUTPUT") == "true":
            settings.stdout_path = f"{self._own}/stdout"
            settings.combined_path = f"{self._own}/combined"

    def claimed(self, run: "Supervision") -> None:
        posix.chmod(self._own, SHARED_MODE)
        # Argo's own wrapper looks for this before it looks at the lock.
        _markers.write(f"{self._own}/ready", "")

    def awaited(self, run: "Supervision") -> list[Condition]:
        if not self._is_late:
            return []
        settings = run.settings
        waited = len(settings.after)
        self._read_template(settings)
        if run.watches is not None:
            run.watches.follow()
        if self._name == MAIN:
            from . import _argo_inputs

            # An artifact may take the place of the very folder that we are in.
            here = _markers.absolute(".")
            _argo_inputs.link(self._template, self._inputs)
            run.launch.enter(here)
        return settings.after[waited:]

    def ended(self, run: "Supervision", status: int) -> None:
        if self._name == MAIN and run.program.pid:
            from . import _argo_outputs

            _argo_outputs.save(self._template, f"{self._base}/outputs")

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


def _short(number: int, word: str) -> str:
    """As Argo does it: the program is expected to understand `@file`."""
    content = word.encode("utf-8", "surrogateescape")
    if len(content) <= LONGEST_ARGUMENT:
        return word
    path = f"/tmp/argo_arg_{number}.txt"  # noqa: S108 - the name that Argo promises
    try:
        _markers.write(path, content)
    except OSError as failure:
        raise UsageError(
            f"argument {number} of {len(content)} bytes needs {path}: {failure}"
        ) from None
    return f"@{path}"


def _template(path: str, variable: str | None, configuration: str) -> "JSON":
    content = _markers.read(path, 1 << 20)
    if content is None and variable == OFFLOADED:
        path = f"{configuration}/{TEMPLATE}"
        content = _markers.read(path, 1 << 20)
    elif content is None and variable:
        path, content = TEMPLATE, variable.encode("utf-8", "surrogateescape")
    if content is None:
        return None  # A container that Argo did not make: nothing to depend on.
    try:
        return _json.read(content.decode("utf-8", "replace"))
    except ValueError as failure:
        raise UsageError(f"{path} is no JSON: {failure}") from None


def _follow_template(settings: Settings, template: "JSON", name: str) -> None:
    """Who comes first, who ends with whom, and how often a failure is tried again: in the workflow's own words."""
    group = _member(template, "containerSet")
    containers = _list(_member(group, "containers"))
    for container in containers:
        if _member(container, "name") == name:
            settings.after += [
                _specs.condition(f"{dependency}:success")
                for dependency in _list(_member(container, "dependencies"))
            ]
    if any(_member(sidecar, "name") == name for sidecar in _list(_member(template, "sidecars"))):
        mains = [str(_member(container, "name")) for container in containers] or [MAIN]
        settings.until, settings.until_all = [_specs.until(main) for main in mains], True
    retry = _member(group, "retryStrategy")
    retries = _member(retry, "retries")
    if isinstance(retries, int | str):
        settings.retry = _specs.count(str(retries))
        settings.retry_delay = _specs.seconds(str(_member(retry, "duration") or "0"))


def wait_for_heartbeat(path: str) -> Answer:
    """Until Argo's own supervisor has written READY. While it prepares it writes RUNNING every 5 s."""
    changed, seen = monotonic(), 0.0
    while True:
        word, _, why = (
            (_markers.read(path) or b"").decode("utf-8", "replace").strip().partition("\n")
        )
        if word == "READY":
            return Answer(0)
        if word == "FAILED":
            return Answer(NOT_PREPARED, f"{path} says FAILED: {why.strip() or 'without a reason'}")
        now = posix.stat(path).st_mtime if word else 0.0
        if now != seen:
            changed, seen = monotonic(), now
        if monotonic() - changed > STALE:
            return Answer(NOT_PREPARED, f"nobody has written {path} for {STALE:g} s")
        sleep(PERIOD)


def _member(value: "JSON", name: str) -> "JSON":
    return value.get(name) if isinstance(value, dict) else None


def _list(value: "JSON") -> "list[JSON]":
    return value if isinstance(value, list) else []
