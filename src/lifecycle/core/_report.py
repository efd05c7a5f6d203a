"""What happened: one record for the log, for `/shutdown`, for the termination message and for a screen."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from lifecycle.core._errors import ExitStatus

TERMINATION_MESSAGE_LIMIT: Final = 4096
"""Bytes that the kubelet reads of a termination message.

See https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
"""

MOST_HOOKS: Final = 20
LONGEST_LINE: Final = 240
"""What fits on one screen, with the ten that were abandoned and the phases."""


def _rounded(seconds: float) -> float:
    return round(seconds, 3)


@dataclass(slots=True)
class PhaseRecord:
    """A phase that was lived through. Seconds since the start."""

    phase: str
    began: float
    ended: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "phase": self.phase,
            "began": _rounded(self.began),
            "seconds": None if self.ended is None else _rounded(self.ended - self.began),
        }


@dataclass(slots=True)
class HookRecord:
    """A hook that was run, or was not."""

    kind: str
    name: str
    where: str
    outcome: str
    """`ok`, `failed`, `timed out`, `cut short`, `stuck` (it ignored its cancellation) or `not run`."""
    seconds: float = 0.0
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        record = {
            "kind": self.kind,
            "name": self.name,
            "where": self.where,
            "outcome": self.outcome,
            "seconds": _rounded(self.seconds),
        }
        return record | ({"error": self.error} if self.error else {})


@dataclass(slots=True)
class Abandoned:
    """Work that was cut off, by name, with its age in seconds."""

    name: str
    age: float

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "age": _rounded(self.age)}


@dataclass(slots=True)
class Report:
    """How the life went. Complete once `exit_status` is set. All durations in seconds."""

    exit_status: int | None = None
    reason: str | None = None
    """Why it stopped."""
    source: str | None = None
    signal: str | None = None
    requested_at: float | None = None
    """Wall clock, seconds since the epoch."""
    granted: float = 0.0
    """The grace period."""
    used: float = 0.0
    """From the first stop request to the end of the shutdown hooks."""
    phases: list[PhaseRecord] = field(default_factory=list[PhaseRecord])
    hooks: list[HookRecord] = field(default_factory=list[HookRecord])
    finished: int = 0
    """Requests and other work that came to its end."""
    refused: int = 0
    late: float = 0.0
    """How long after the end of the lame duck the last request came: what its delay lacks."""
    abandoned: list[Abandoned] = field(default_factory=list[Abandoned])
    failures: list[str] = field(default_factory=list[str])
    stacks: dict[str, str] = field(default_factory=dict[str, str])
    """Of what was stuck, by thread."""
    workers: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The reports of the server's other workers, where one answered for all."""

    @property
    def outcome(self) -> str:
        """The exit status in words."""
        if self.exit_status is None:
            return "not over"
        try:
            return ExitStatus(self.exit_status).name.lower().replace("_", " ")
        except ValueError:
            return f"exit status {self.exit_status}"

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON types."""
        result: dict[str, Any] = {
            "exit_status": self.exit_status,
            "outcome": self.outcome,
            "reason": self.reason,
            "source": self.source,
            "signal": self.signal,
            "requested_at": self.requested_at,
            "granted": self.granted,
            "used": _rounded(self.used),
            "finished": self.finished,
            "refused": self.refused,
            "late": _rounded(self.late),
            "abandoned": [work.to_dict() for work in self.abandoned],
            "failures": list(self.failures),
            "phases": [phase.to_dict() for phase in self.phases],
            "hooks": [hook.to_dict() for hook in self.hooks],
        }
        if self.stacks:
            result["stacks"] = dict(self.stacks)
        if self.workers:
            result["workers"] = list(self.workers)
        return result

    def to_json(self, *, limit: int | None = None) -> str:
        """One JSON object; with a `limit` at most so many bytes, the least telling parts left out first."""
        content = self.to_dict()
        text = _dump(content)
        if limit is None or len(text) <= limit:
            return text
        return _cut(content, limit)

    def __str__(self) -> str:
        return "\n".join(_screen(self))


def _dump(content: dict[str, Any]) -> str:
    # ASCII, so that characters are bytes; no blanks, since 4096 bytes are few.
    return json.dumps(content, ensure_ascii=True, separators=(",", ":"), default=str)


def _cut(content: dict[str, Any], limit: int) -> str:
    content = dict(content) | {"cut": True}
    hooks: list[dict[str, Any]] = content["hooks"]
    stacks: dict[str, str] = content.get("stacks", {})
    # Where the event loop was blocked is what somebody wants to know.
    main_first = sorted(stacks, key=lambda name: name != "MainThread")
    steps = (
        (
            "workers",
            lambda: [{"exit_status": w.get("exit_status")} for w in content.get("workers", [])],
        ),
        ("stacks", lambda: {name: stacks[name][-600:] for name in main_first[:2]}),
        ("hooks", lambda: [hook for hook in hooks if hook["outcome"] != "ok"]),
        ("failures", lambda: [text[:200] for text in content["failures"][:5]]),
        ("abandoned", lambda: content["abandoned"][:20]),
        (
            "hooks",
            lambda: [
                {key: _short(value, 120) for key, value in hook.items()}
                for hook in content["hooks"][:5]
            ],
        ),
        ("stacks", dict),
        ("workers", list),
        (
            "abandoned",
            lambda: [{**work, "name": work["name"][:80]} for work in content["abandoned"][:5]],
        ),
        ("hooks", list),
        ("phases", list),
        ("failures", lambda: [text[:80] for text in content["failures"][:1]]),
        ("reason", lambda: _short(content["reason"], 200)),
        ("abandoned", list),
    )
    content["abandoned_count"] = len(content["abandoned"])
    for key, shorter in steps:
        if key in content:
            content[key] = shorter()
        text = _dump(content)
        if len(text) <= limit:
            return text
    return _dump(
        {"exit_status": content["exit_status"], "outcome": content["outcome"], "cut": True}
    )


def _short(value: object, length: int) -> object:
    return value[:length] if isinstance(value, str) else value


def _screen(report: Report) -> list[str]:
    status = "-" if report.exit_status is None else report.exit_status
    lines = [f"{report.outcome} (exit status {status}): {report.reason or 'nobody asked to stop'}"]
    if report.requested_at is not None:
        lines.append(f"  grace period  {report.used:.1f} s used of {report.granted:g} s")
    lines.append(
        f"  work          {report.finished} finished, {report.refused} refused, {len(report.abandoned)} abandoned"
    )
    lines += _some(
        [f"    abandoned   {work.name} after {work.age:.1f} s" for work in report.abandoned], 10
    )
    for phase in report.phases:
        seconds = "" if phase.ended is None else f"{phase.ended - phase.began:8.2f} s"
        lines.append(f"  {phase.began:8.2f} s  {phase.phase:10}{seconds}")
    crowded = len(report.hooks) > MOST_HOOKS
    hooks = sorted(report.hooks, key=lambda hook: crowded and hook.outcome == "ok")
    lines += _some([_hook_line(hook) for hook in hooks], MOST_HOOKS)
    return [_printable(line) for line in lines]


def _hook_line(hook: HookRecord) -> str:
    error = f": {hook.error}" if hook.error else ""
    return f"  {hook.outcome:10}  {hook.kind} {hook.name} {hook.seconds:.2f} s  {hook.where}{error}"


def _some(lines: list[str], most: int) -> list[str]:
    more = len(lines) - most
    return lines if more <= 0 else [*lines[:most], f"    and {more} more"]


def _printable(line: str) -> str:
    # A path that a stranger asked for is part of a name: it may neither begin a line nor steer a terminal.
    return "".join(char if char.isprintable() else "\ufffd" for char in line[:LONGEST_LINE])
