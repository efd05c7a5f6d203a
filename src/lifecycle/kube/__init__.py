"""What a manifest says of its containers' lives, and what is wrong with it."""

from lifecycle.kube._app import (
    AppFacts,
    HookFacts,
    describe,
    stands_in_code,
)
from lifecycle.kube._app_place import environment_for
from lifecycle.kube._check import (
    check,
    choose,
)
from lifecycle.kube._container import Container, EnvVar, Mount, Port, Role
from lifecycle.kube._formats import (
    Outcome,
    findings_as,
    printable,
    summary,
)
from lifecycle.kube._handlers import Check, Exec, Grpc, Handler, HttpGet, Probe, Sleep, TcpSocket
from lifecycle.kube._manifest import DisruptionBudget, Manifest, Service
from lifecycle.kube._parse import (
    read_manifest,
)
from lifecycle.kube._plan import Wishes
from lifecycle.kube._pod import Pod, Volume
from lifecycle.kube._read import (
    MAX_BYTES,
)
from lifecycle.kube._rule import (
    Finding,
    Found,
    Rule,
    Severity,
    Subject,
)
from lifecycle.kube._rules import (
    RULES,
)
from lifecycle.kube._stanza import (
    Stanza,
    write_stanza,
)
from lifecycle.kube._where import NOWHERE, Place, Where
from lifecycle.kube._workload import Strategy, Workload

__all__ = [
    "AppFacts",
    "Check",
    "Container",
    "DisruptionBudget",
    "EnvVar",
    "Exec",
    "Finding",
    "Found",
    "Grpc",
    "Handler",
    "HookFacts",
    "HttpGet",
    "MAX_BYTES",
    "Manifest",
    "Mount",
    "NOWHERE",
    "Outcome",
    "Place",
    "Pod",
    "Port",
    "Probe",
    "RULES",
    "Role",
    "Rule",
    "Service",
    "Severity",
    "Sleep",
    "Stanza",
    "Strategy",
    "Subject",
    "TcpSocket",
    "Volume",
    "Where",
    "Wishes",
    "Workload",
    "check",
    "choose",
    "describe",
    "environment_for",
    "findings_as",
    "printable",
    "read_manifest",
    "stands_in_code",
    "summary",
    "write_stanza",
]
