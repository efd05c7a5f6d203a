"""What can be set: by an argument, else by the environment, else by default. One table; nothing is read twice."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from lifecycle.core._budget import DEFAULT_GRACE, Budget, divide
from lifecycle.core._errors import SettingsError
from lifecycle.core._values import (
    Network,
    Source,
    as_duration,
    as_flag,
    as_networks,
    as_path,
    as_positive,
    as_token,
)

TERMINATION_LOG: Final = Path("/dev/termination-log")
"""Default `terminationMessagePath`: the runtime mounts it into every container, writable under a read-only root."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the table: one thing that can be set."""

    name: str
    parse: Callable[[object, Source], Any]
    default: str
    """In words, for the documentation."""
    what: str

    @property
    def variable(self) -> str:
        return f"LIFECYCLE_{self.name.upper()}"


SETTINGS: Final = (
    Setting(
        "grace_period",
        as_positive,
        "30",
        "Seconds: the pod's `terminationGracePeriodSeconds`. A process cannot read it.",
    ),
    Setting(
        "shutdown_delay",
        as_duration,
        "min(5, grace / 6) in Kubernetes, else 0",
        "Seconds of lame duck: serving while routers forget the address.",
    ),
    Setting("drain_timeout", as_duration, "what remains", "Seconds at most for work in flight."),
    Setting("startup_timeout", as_positive, "none", "Seconds at most from the start to readiness."),
    Setting(
        "post_start_file", as_path, "none: nothing is waited for", "The postStart trigger file."
    ),
    Setting(
        "post_start_timeout",
        as_positive,
        "none, but a warning every 10 s",
        "Seconds at most for the trigger file.",
    ),
    Setting(
        "post_start_fresh",
        as_flag,
        "true",
        "Whether a trigger file from before this container's start is ignored.",
    ),
    Setting(
        "shutdown_token", as_token, "none", "The secret that callers of `/shutdown` must send."
    ),
    Setting(
        "allow",
        as_networks,
        "loopback, own addresses, default gateway, `$HOST_IP`",
        "Networks that may call `/shutdown`, comma-separated.",
    ),
    Setting(
        "report_file",
        as_path,
        "`/dev/termination-log` where it exists",
        "Where the report goes: one JSON object of at most 4096 bytes.",
    ),
)
"""Every setting, in the order of the documentation."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one lifecycle, checked; durations in seconds."""

    budget: Budget
    grace_period: float = DEFAULT_GRACE
    shutdown_delay: float | None = None
    drain_timeout: float | None = None
    startup_timeout: float | None = None
    post_start_file: Path | None = None
    post_start_timeout: float | None = None
    post_start_fresh: bool = True
    shutdown_token: str | None = field(default=None, repr=False)
    allow: tuple[Network, ...] | None = None
    report_file: Path | None = None
    in_kubernetes: bool = False
    host_ip: str | None = None
    misspelt: tuple[str, ...] = ()
    """Warnings about variables that look like a setting and are none."""
    sources: Mapping[str, Source] = field(
        default_factory=dict[str, Source], repr=False, compare=False
    )
    """Where each of those values came from that are not defaults."""


def read_settings(arguments: Mapping[str, object], environment: Mapping[str, str]) -> Settings:
    """The settings from `arguments` (`None`: not given), else from `LIFECYCLE_*`; an empty variable is not set.

    Raises:
        SettingsError: A value is malformed; the message names the argument or the variable.
        BudgetError: The durations do not fit together.
    """
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    for setting in SETTINGS:
        given = arguments.get(setting.name)
        found = (environment.get(setting.variable, "").strip() or None) if given is None else given
        if found is None:
            continue
        source = Source(setting.name, setting.variable, from_environment=given is None)
        sources[setting.name] = source
        values[setting.name] = setting.parse(found, source)
    if "post_start_timeout" in values and "post_start_file" not in values:
        raise SettingsError(
            f"{sources['post_start_timeout']}={values['post_start_timeout']:g} without post_start_file: name the file to wait for"
            " (LIFECYCLE_POST_START_FILE), or drop the timeout"
        )
    in_kubernetes = bool(environment.get("KUBERNETES_SERVICE_HOST"))
    budget = divide(
        grace=values.get("grace_period", DEFAULT_GRACE),
        delay=values.get("shutdown_delay"),
        drain=values.get("drain_timeout"),
        in_kubernetes=in_kubernetes,
    )
    return Settings(
        budget=budget,
        in_kubernetes=in_kubernetes,
        host_ip=environment.get("HOST_IP") or None,
        misspelt=_misspelt(environment),
        sources=sources,
        **values,
    )


SERVICE_LINK: Final = re.compile(
    r"_(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)$"
)
"""Names of the variables that the kubelet sets for every Service in the namespace.

See https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
"""


def _misspelt(environment: Mapping[str, str]) -> tuple[str, ...]:
    # Unknown names are no error: a Service called "lifecycle" makes the kubelet set LIFECYCLE_SERVICE_HOST and more.
    known = [setting.variable for setting in SETTINGS]
    return tuple(
        f"{variable} is not a setting: did you mean {close[0]}?"
        for variable in sorted(environment)
        if variable.startswith("LIFECYCLE_") and variable not in known
        if not SERVICE_LINK.search(variable)
        if (close := get_close_matches(variable, known, n=1, cutoff=0.85))
    )
