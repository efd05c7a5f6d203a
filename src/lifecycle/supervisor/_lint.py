"""`supervisor lint OPTIONS… -- CMD ARGS…`: what a command line would do, and what would go wrong, without starting anything."""

from . import _markers
from ._child import DEFAULT_PATH
from ._dialect import choose
from ._settings import Settings
from ._signals import name_of
from ._specs import Condition
from ._statuses import NOT_EXECUTABLE, NOT_FOUND, UNAVAILABLE
from ._stopping import margin_of
from ._subcommands import show
from ._system import posix

FILES = ("post_file", "ready_file", "stdout_path", "stderr_path", "termination_path")


def lint(words: list[str], variables: dict[str, str]) -> int:
    """0, or the status that it would end with.

    Raises:
        UsageError: The command line is wrong.
    """
    settings, _ = choose(words, variables)
    findings = [_of_program(settings.command[0], variables), *_of_files(settings)]
    show(f"{_plan(settings)}\n")
    for _, text in filter(None, findings):
        show(f"{text}\n")
    return next((status for status, _ in filter(None, findings) if status), 0)


def _plan(settings: Settings) -> str:
    margin = margin_of(settings)
    steps = settings.escalate or ((settings.stop_signal or settings.stop_on[0], None),)
    told = ", ".join(
        f"SIG{name_of(number)}" + ("" if patience is None else f" for {patience:g} s")
        for number, patience in steps
    )
    killed = max(settings.grace_period - margin, 0.0)
    return (
        f"runs {' '.join(settings.command)}; when asked to stop: {told}; "
        f"SIGKILL after {killed:g} s of {settings.grace_period:g} s"
    )


def _of_program(program: str, variables: dict[str, str]) -> "tuple[int, str] | None":
    folders = [""] if "/" in program else variables.get("PATH", DEFAULT_PATH).split(":")
    candidates = [
        f"{folder or '.'}/{program}" if folders != [""] else program for folder in folders
    ]
    found = [path for path in candidates if _markers.is_there(path)]
    if not found:
        return NOT_FOUND, f"{program} is not found{'' if '/' in program else ' in PATH'}"
    if not any(posix.access(path, posix.X_OK) and not _markers.is_folder(path) for path in found):
        return NOT_EXECUTABLE, f"{found[0]} is there, but cannot be executed"
    return None


def _of_files(settings: Settings) -> "list[tuple[int, str] | None]":
    """What is waited for may still come; where something is to be written, it must be possible now."""
    awaited = [path for paths in settings.wait_file for path in paths.split(",") if path]
    awaited += [each.target for each in settings.after if _is_file(each)]
    findings: list[tuple[int, str] | None] = [
        (0, f"waits for {path}, and there is no directory {_markers.parent(path)} yet")
        for path in map(_markers.absolute, awaited)
        if not _markers.is_folder(_markers.parent(path) or "/")
    ]
    findings += [
        (UNAVAILABLE, f"waits for {path}, which is a directory")
        for path in awaited
        if _markers.is_folder(path)
    ]
    for option in FILES:
        path = getattr(settings, option)
        if path is not None and not _can_be_written(_markers.absolute(path)):
            findings.append((0, f"--{option.replace('_', '-')} {path} cannot be written"))
    return findings


def _is_file(condition: Condition) -> bool:
    return condition.kind == "file"


def _can_be_written(path: str) -> bool:
    if _markers.is_there(path):
        return not _markers.is_folder(path) and posix.access(path, posix.W_OK)
    folder = _markers.parent(path)
    while folder and not _markers.is_there(folder):
        folder = _markers.parent(folder)
    return _markers.is_folder(folder or "/") and posix.access(folder or "/", posix.W_OK)
