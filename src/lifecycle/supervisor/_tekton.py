"""Tekton's `entrypoint`: steps in one pod, chained by the files that each waits for and writes.

https://github.com/tektoncd/pipeline/tree/main/cmd/entrypoint. What differs: a step that was killed fails its
followers, because its lock is free (`POST_FILE` lies in a folder that all can read); a timeout asks before it
kills; a signal while waiting is heard; files are renamed into place; a program ended by a signal has 128 + N.
"""

from binascii import a2b_base64, b2a_base64
from time import gmtime, strftime, time

from . import _json, _markers, _specs
from ._dialect import Dialect
from ._errors import UsageError, write_line
from ._install import install
from ._settings import Settings
from ._statuses import CANCELLED, SKIPPED, TIMED_OUT, UNAVAILABLE
from ._system import TYPE_CHECKING, posix

if TYPE_CHECKING:
    from ._json import JSON
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
TERMINATION = "/tekton/termination"
CANCEL = "/tekton/downward/cancel"
RESULTS = "/tekton/results"
RUNS = "/tekton/run"
STEPS = "/tekton/steps"
TASK_RESULT, INTERNAL_RESULT, STEP_RESULT = 1, 3, 4
MESSAGE_BYTES = 4096
# What Tekton writes before a message that is compressed.
COMPRESSED = b"tknz:"


def _name(word: str) -> str:
    """Go's flags: one dash or two."""
    return word.removeprefix("-").removeprefix("-").partition("=")[0]


def subcommand(words: list[str]) -> int | None:
    """What the init containers of a task call: exact words in an exact number, else it is a program.

    `init SRC DST [STEP…]` and `cp SRC DST` copy the entrypoint, `step-init [STEP…]` links the steps, `decode-script FILE` writes a script.
    """
    if words[0] in ("init", "cp") and len(words) >= 3:
        status = install(words[2], source=words[1])
        if words[0] == "init":
            _link_steps(words[3:])
        return status
    if words[0] == "step-init":
        _link_steps(words[1:])
        return 0
    if words[0] == "decode-script" and len(words) == 2:
        content = _markers.read(words[1], 1 << 24)
        if content is None:
            write_line(f"cannot read {words[1]}")
            return 1
        _markers.write(words[1], a2b_base64(content), mode=posix.stat(words[1]).st_mode & 0o777)
        return 0
    return None


def _link_steps(steps: list[str]) -> None:
    """Each step's folder, under its number and under its name."""
    for number, step in enumerate(steps):
        for link in (str(number), step):
            _link(f"{RUNS}/{number}/status", f"{STEPS}/{link}")


def _link(target: str, path: str) -> None:
    try:
        _markers.make_folders(_markers.parent(path))
        posix.symlink(target, path)
    except FileExistsError:
        pass  # A pod that restarted runs its init containers again.


def is_meant(words: list[str]) -> bool:
    single = words[0].startswith("-") and not words[0].startswith("--")
    return _name(words[0]) in (*TEXTS, *FLAGS) and (single or "_" in words[0])


class Tekton(Dialect):
    usage_status = 1

    def __init__(self, settings: Settings, words: list[str], variables: dict[str, str]) -> None:
        given, arguments = _flags(words)
        _refuse(given, variables)
        entrypoint = given.get("entrypoint")
        settings.command = (
            [entrypoint] if entrypoint else _platform_command(variables)
        ) + arguments
        settings.signal_to = "group"
        if given.get("wait_file"):
            settings.wait_file = [given["wait_file"]]
        settings.wait_file_content = "wait_file_content" in given
        settings.post_file = given.get("post_file") or None
        settings.timeout = _specs.seconds(given.get("timeout") or "0")
        settings.on_error = "continue" if given.get("on_error") == "continue" else "stop"
        settings.stdout_path = given.get("stdout_path") or None
        settings.stderr_path = given.get("stderr_path") or None
        if _markers.is_folder(_markers.parent(CANCEL)):
            settings.cancel_file = CANCEL
        self._debugging = "breakpoint_on_failure" in given and settings.post_file is not None
        if self._debugging:
            settings.debugging = True
            settings.pause_on_failure = f"{settings.post_file}.breakpointexit"
        if "debug_before_step" in given:
            settings.pause_before = f"{settings.post_file}.beforestepexit"
        self._termination = given.get("termination_path") or TERMINATION
        self._metadata = given.get("step_metadata_dir") or ""
        self._compressed = "compress_termination_message" in given
        # With sidecar-logs another container reads the results, from the files.
        reported = given.get("result_from") != "sidecar-logs"
        self._results = [word for word in given.get("results", "").split(",") if word]
        self._step_results = [word for word in given.get("step_results", "").split(",") if word]
        if not reported:
            self._results = self._step_results = []
        self._began = time()
        settings.not_needed = not _when(given.get("when_expressions", ""))

    def started(self, run: "Supervision") -> None:
        self._began = time()
        if self._metadata:
            for folder in ("results", "artifacts"):
                _markers.make_folders(f"{self._metadata}/{folder}")

    def ended(self, run: "Supervision", status: int) -> None:
        if self._metadata:
            _markers.make_folders(self._metadata)
            text = "killed" if status == CANCELLED else str(self.shown(run, status))
            _markers.write(f"{self._metadata}/exitCode", text)
        results = [_entry("StartedAt", _moment(self._began), INTERNAL_RESULT)]
        reasons = {SKIPPED: "Skipped", CANCELLED: "Cancelled", TIMED_OUT: "TimeoutExceeded"}
        if status in reasons or run.settings.not_needed:
            results.append(_entry("Reason", reasons.get(status, "Skipped"), INTERNAL_RESULT))
        if status and run.settings.on_error == "continue":
            results.append(_entry("ExitCode", str(status), INTERNAL_RESULT))
        results += _read(self._results, RESULTS, TASK_RESULT)
        results += _read(self._step_results, f"{self._metadata}/results", STEP_RESULT)
        self._leave(results)

    def _leave(self, results: "list[dict[str, object]]") -> None:
        path = self._termination
        if not (_markers.is_there(path) or _markers.is_folder(_markers.parent(path))):
            return
        entries = [*_entries(_markers.read(path) or b""), *results]
        message = _json.write(entries).encode()
        if self._compressed:
            message = COMPRESSED + _pack(message)
        if len(message) > MESSAGE_BYTES:
            write_line(f"{len(message)} bytes of results do not fit into a termination message")
            raise OSError(27, "File too large", path)
        descriptor = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC, 0o644)
        try:
            _markers.write_all(descriptor, message)
        finally:
            posix.close(descriptor)

    def shown(self, run: "Supervision", status: int) -> int:
        if status == CANCELLED:
            return 9
        return 1 if status in (SKIPPED, UNAVAILABLE, TIMED_OUT) else status


def _refuse(given: dict[str, str], variables: dict[str, str]) -> None:
    """What would be a false promise if it were only ignored."""
    if "enable_spire" in given:
        raise UsageError(
            "-enable_spire: results are not signed here, and Tekton would not believe them: "
            "use its own entrypoint for this step, or turn enforce-nonfalsifiability off"
        )
    if variables.get("TEKTON_HERMETIC") == "1":
        raise UsageError(
            "TEKTON_HERMETIC=1: the network is not taken away here: use Tekton's own entrypoint for this step, "
            "or a NetworkPolicy and no such annotation"
        )


def _entries(message: bytes) -> "list[JSON]":
    """What an earlier writer left, compressed or not."""
    try:
        if message.startswith(COMPRESSED):
            message = _unpack(message[len(COMPRESSED) :])
        found = _json.read(message.decode() or "[]")
    except ValueError:
        return []
    return found if isinstance(found, list) else []


def _pack(message: bytes) -> bytes:
    """Deflate without a header, base64 without padding."""
    import zlib

    packer = zlib.compressobj(9, wbits=-15)
    return b2a_base64(packer.compress(message) + packer.flush(), newline=False).rstrip(b"=")


def _unpack(text: bytes) -> bytes:
    import zlib

    try:
        return zlib.decompressobj(-15).decompress(a2b_base64(text + b"=="), 1 << 20)
    except zlib.error as failure:
        raise ValueError(str(failure)) from None


def _flags(words: list[str]) -> "tuple[dict[str, str], list[str]]":
    """Everything before the first `--`; what follows is the program's."""
    arguments: list[str] = []
    if "--" in words[1:]:
        at = words.index("--", 1)
        words, arguments = words[:at], words[at + 1 :]
    given: dict[str, str] = {}
    remaining = iter(words)
    for word in remaining:
        name, equals, value = word.partition("=")
        name = _name(name)
        if not word.startswith("-"):
            arguments.insert(0, word)
        elif name in FLAGS:
            if not equals or _specs.flag(value):
                given[name] = "true"
        elif name in TEXTS:
            given[name] = value if equals else next(remaining, "")
        else:
            raise UsageError(f"flag provided but not defined: {word}")
    return given, arguments


def _platform_command(variables: dict[str, str]) -> list[str]:
    """What the controller read from the registry, for each platform."""
    try:
        commands = _json.read(variables.get("TEKTON_PLATFORM_COMMANDS", ""))
    except ValueError:
        raise UsageError(
            "neither -entrypoint nor TEKTON_PLATFORM_COMMANDS names a command"
        ) from None
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(
        posix.uname().machine, posix.uname().machine
    )
    found = commands.get(f"linux/{machine}") if isinstance(commands, dict) else None
    if not isinstance(found, list) or not found:
        raise UsageError(f"TEKTON_PLATFORM_COMMANDS has no command for linux/{machine}")
    return [str(word) for word in found]


def _when(expressions: str) -> bool:
    """`in` and `notin`. CEL is a language of its own, and left to Tekton."""
    if not expressions:
        return True
    try:
        conditions = _json.read(expressions)
    except ValueError as failure:
        raise UsageError(f"-when_expressions is no JSON: {failure}") from None
    for condition in conditions if isinstance(conditions, list) else []:
        if not isinstance(condition, dict) or condition.get("cel"):
            raise UsageError(
                "-when_expressions: only `in` and `notin` are understood here, not CEL: "
                "write the condition with them, or use Tekton's own entrypoint for this step"
            )
        values = condition.get("values")
        inside = isinstance(values, list) and condition.get("input") in values
        if inside != (condition.get("operator") == "in"):
            return False
    return True


def _moment(seconds: float) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03}Z"


def _entry(key: str, value: str, kind: int) -> dict[str, object]:
    return {"key": key, "value": value, "type": kind}


def _read(names: list[str], folder: str, kind: int) -> list[dict[str, object]]:
    found = ((name, _markers.read(f"{folder}/{name}")) for name in names)
    return [
        _entry(name, text.decode("utf-8", "replace"), kind)
        for name, text in found
        if text is not None
    ]
