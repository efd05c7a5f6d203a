"""What a rule is: what it sees, why that matters, what to write instead, and who says so."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from lifecycle.kube._app import AppFacts
from lifecycle.kube._manifest import Manifest, Service
from lifecycle.kube._pod import Pod
from lifecycle.kube._where import Where
from lifecycle.kube._workload import Workload


class Severity(StrEnum):
    """How much it matters. Information is no reason to fail."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a rule looks at: one workload, the manifest that it stands in, and its application's facts, if asked for."""

    workload: Workload
    manifest: Manifest
    app: AppFacts | None = None

    @property
    def pod(self) -> Pod:
        return self.workload.pod

    @property
    def services(self) -> tuple[Service, ...]:
        """Those that send to these pods, as far as they stand in the same input."""
        return tuple(one for one in self.manifest.services if one.selects(self.workload))


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule found: the values in `message`; `fix` where it can say more than the rule's own."""

    where: Where
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A row of the table. `sees`, `why` and `fix` are Markdown, `source` is a URL."""

    id: str
    severity: Severity
    title: str
    sees: str
    why: str
    fix: str
    source: str
    find: Callable[[Subject], Iterator[Found]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found, by which rule, in which object."""

    rule: Rule
    where: Where
    message: str
    fix: str
    workload: str

    @property
    def severity(self) -> Severity:
        return self.rule.severity
