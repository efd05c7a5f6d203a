"""Tekton's `entrypoint`: steps in one pod, chained by the files that each waits for and writes.

https://github.com/tektoncd/pipeline/tree/main/cmd/entrypoint. What differs: a step that was killed fails its
followers, because its lock is free (`POST_FILE` lies in a folder that all can read); a timeout asks before it
kills; a signal while waiting is heard; files are renamed into place; a program ended by a signal has 128 + N.
"""

from time import time

from . import _json, _markers, _specs
from . import _tekton_message as message
from ._dialect import Dialect
from ._errors import UsageError
from ._settings import TEKTON_FOLDER, Settings
from ._statuses import CANCELLED, SKIPPED, TIMED_OUT, UNAVAILABLE
from ._system import TYPE_CHECKING, posix
from ._tekton_credentials import FLAGS as CREDENTIALS
from ._tekton_credentials import Credentials
from ._tekton_references import References
from ._tekton_when import conditions, hold

if TYPE_CHECKING:
    from ._supervise import Supervision

TEXTS = (
    "entrypoint",
    "wait_file",
    "post_file",
    "termination_path",
    "results",
    "step_results",
    "result_from",
    "step_metadata_dir",
    "on_error",
    "timeout",
    "stdout_path",
    "stderr_path",
    "when_expressions",
    "spire_socket_path",
)
FLAGS = (
    "wait_file_content",
    "breakpoint_on_failure",
    "debug_before_step",
    "compress_termination_message",
    "enable_spire",
)
FOLDER = "/tekton"
# What Go calls a machine.
MACHINES = {"x86_64": "amd64", "aarch64": "arm64/v8", "i686": "386", "armv7l": "arm/v7"}


def _name(word: str) -> str:
    """Go's flags: one dash or two."""
    return word.removeprefix("-").removeprefix("-").partition("=")[0]


def is_meant(words: list[str]) -> bool:
    single = words[0].startswith("-") and not words[0].startswith("--")
    known = (*TEXTS, *FLAGS, *CREDENTIALS)
    return _name(words[0]) in known and (single or "_" in words[0])


class Tekton(Dialect):
    usage_status = 1

    def __init__(self, settings: Settings, words: list[str], variables: dict[str, str]) -> None:
        given, secrets, arguments = _flags(words)
        _refuse(given)
        base = _markers.absolute(variables.get(TEKTON_FOLDER) or FOLDER)
        entrypoint = given.get("entrypoint")
        settings.command = (
            [entrypoint] if entrypoint else _platform_command(variables)
        ) + arguments
        settings.signal_to = "group"
        if given.get("wait_file"):
            settings.wait_file = [given["wait_file"]]
            settings.tells_message = False
        settings.wait_file_content = "wait_file_content" in given
        settings.post_file = given.get("post_file") or None
        settings.timeout = _specs.seconds(given.get("timeout") or "0")
        settings.on_error = "continue" if given.get("on_error") == "continue" else "stop"
        settings.stdout_path = given.get("stdout_path") or None
        settings.stderr_path = given.get("stderr_path") or None
        if _markers.is_folder(f"{base}/downward"):
            settings.cancel_file = f"{base}/downward/cancel"
        # A resource is fetched before a step that must have no network: so Tekton has it.
        hermetic = variables.get("TEKTON_HERMETIC") == "1"
        settings.isolated = hermetic and not variables.get("TEKTON_RESOURCE_NAME")
        if "breakpoint_on_failure" in given and settings.post_file is not None:
            settings.debugging = True
            settings.pause_on_failure = f"{settings.post_file}.breakpointexit"
        if "debug_before_step" in given:
            settings.pause_before = f"{settings.post_file}.beforestepexit"
        self._base = base
        self._termination = given.get("termination_path") or f"{base}/termination"
        self._metadata = given.get("step_metadata_dir") or ""
        self._compressed = "compress_termination_message" in given
        # With sidecar-logs another container reads the results, from the files.
        self._reported = given.get("result_from") != "sidecar-logs"
        self._results = [word for word in given.get("results", "").split(",") if word]
        self._step_results = [word for word in given.get("step_results", "").split(",") if word]
        self._when = conditions(given.get("when_expressions", ""))
        self._credentials = Credentials(secrets, f"{base}/creds-secrets", f"{base}/creds")
        self._began = time()

    def prepare(self, run: "Supervision") -> int | None:
        self._began = time()
        try:
            if self._metadata:
                for folder in ("results", "artifacts"):
                    _markers.make_folders(f"{self._metadata}/{folder}")
            self._credentials.write(run.environment.get("HOME") or None, run.voice.warn)
            self._fill_in(run, References(f"{self._base}/steps", run.voice.warn))
        except (OSError, ValueError) as failure:
            run.voice.warn(f"not started: {failure}")
            return 1
        return None

    def _fill_in(self, run: "Supervision", references: References) -> None:
        """What earlier steps left, in the order in which Tekton does it: a word may become a script's name."""
        run.settings.not_needed = not hold(self._when, references)
        run.environment = {name: references.text(value) for name, value in run.environment.items()}
        command = references.words(run.settings.command)
        if len(command) == 1 and _markers.parent(command[0]) == f"{self._base}/scripts":
            command = [references.script(command[0])]
        run.settings.command = command

    def ended(self, run: "Supervision", status: int) -> None:
        if self._metadata:
            _markers.make_folders(self._metadata)
            text = "killed" if status == CANCELLED else str(self.shown(run, status))
            _markers.write(f"{self._metadata}/exitCode", text)
        moment = message.moment(self._began)
        results = [message.entry("StartedAt", moment, message.INTERNAL_RESULT)]
        reasons = {SKIPPED: "Skipped", CANCELLED: "Cancelled", TIMED_OUT: "TimeoutExceeded"}
        if status in reasons or run.settings.not_needed:
            reason = reasons.get(status, "Skipped")
            results.append(message.entry("Reason", reason, message.INTERNAL_RESULT))
        if status and run.settings.on_error == "continue":
            results.append(message.entry("ExitCode", str(status), message.INTERNAL_RESULT))
        if self._reported:
            results += self._left()
        message.leave(self._termination, results, compressed=self._compressed)

    def _left(self) -> list[dict[str, object]]:
        """By this step, and by the task so far."""
        task = message.files(self._results, f"{self._base}/results", message.TASK_RESULT)
        step = message.files(self._step_results, f"{self._metadata}/results", message.STEP_RESULT)
        own = f"{self._metadata}/artifacts/provenance.json"
        whole = f"{self._base}/artifacts/provenance.json"
        return [
            *task,
            *step,
            *(message.provenance(own, message.STEP_ARTIFACTS) if self._metadata else []),
            *message.provenance(whole, message.TASK_ARTIFACTS),
        ]

    def shown(self, run: "Supervision", status: int) -> int:
        if status == CANCELLED:
            return 9
        return 1 if status in (SKIPPED, UNAVAILABLE, TIMED_OUT) else status


def _refuse(given: dict[str, str]) -> None:
    """What would be a false promise if it were only ignored. (Without a socket Tekton signs nothing, either.)"""
    if "enable_spire" in given and given.get("spire_socket_path") != "":
        raise UsageError(
            "-enable_spire: results are not signed here, and Tekton would not believe them: "
            "use its own entrypoint for this step, or turn enforce-nonfalsifiability off"
        )


def _flags(words: list[str]) -> "tuple[dict[str, str], list[tuple[str, str]], list[str]]":
    """Everything before the first `--`; what follows is the program's. Secrets may be named several times."""
    arguments: list[str] = []
    if "--" in words[1:]:
        at = words.index("--", 1)
        words, arguments = words[:at], words[at + 1 :]
    given: dict[str, str] = {}
    secrets: list[tuple[str, str]] = []
    remaining = iter(words)
    for word in remaining:
        name, equals, value = word.partition("=")
        name = _name(name)
        if not word.startswith("-"):
            arguments.insert(0, word)
        elif name in FLAGS:
            if not equals or _specs.flag(value):
                given[name] = "true"
        elif name in TEXTS or name in CREDENTIALS:
            value = value if equals else next(remaining, "")
            if name in TEXTS:
                given[name] = value
            else:
                secrets.append((name, value))
        else:
            raise UsageError(f"flag provided but not defined: {word}")
    return given, secrets, arguments


def _platform_command(variables: dict[str, str]) -> list[str]:
    """What the controller read from the registry, for each platform; with its variant or without."""
    try:
        commands = _json.read(variables.get("TEKTON_PLATFORM_COMMANDS", ""))
    except ValueError:
        raise UsageError(
            "neither -entrypoint nor TEKTON_PLATFORM_COMMANDS names a command"
        ) from None
    machine = posix.uname().machine
    platform = f"linux/{MACHINES.get(machine, machine)}"
    for name in (platform, "/".join(platform.split("/")[:2])):
        found = commands.get(name) if isinstance(commands, dict) else None
        if isinstance(found, list) and found:
            return [str(word) for word in found]
    raise UsageError(f"TEKTON_PLATFORM_COMMANDS has no command for {platform}")
