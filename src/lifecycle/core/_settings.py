"""What can be set: by an argument, else by the environment, else by default. One table; nothing is read twice."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Final

from lifecycle.core._budget import DEFAULT_GRACE, Budget, divide
from lifecycle.core._errors import SettingsError

Network = IPv4Network | IPv6Network

LONGEST: Final = 7 * 24 * 3600.0
"""Seconds. A longer duration is a mistaken unit: nobody waits a week for a pod."""

TERMINATION_LOG: Final = Path("/dev/termination-log")
"""Default `terminationMessagePath`: the runtime mounts it into every container, writable under a read-only root."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value came from, in the words of whoever has to change it."""

    argument: str
    variable: str
    from_environment: bool

    def __str__(self) -> str:
        return self.variable if self.from_environment else self.argument


def _seconds(value: object, source: Source, *, zero: bool = True) -> float:
    number = math.nan
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            # A whole number beyond every float, perhaps beyond what Python agrees to print.
            number = value = math.inf if value > 0 else -math.inf
    elif isinstance(value, str) and "_" not in value:  # float() would take 1_000
        try:
            number = float(value)
        except ValueError:
            number = math.nan
    if math.isnan(number):
        raise SettingsError(
            f"{source}={value!r} is not a number of seconds: write it like 30 or 0.5"
        )
    if number < 0 or (number == 0 and not zero):
        least = "0 or more" if zero else "more than 0"
        raise SettingsError(f"{source}={value!r}: a duration is {least} seconds")
    if number > LONGEST:
        raise SettingsError(
            f"{source}={value!r} is longer than a week ({LONGEST:.0f} s): durations are seconds, not milliseconds"
        )
    return number


def _duration(value: object, source: Source) -> float:
    return _seconds(value, source)


def _positive(value: object, source: Source) -> float:
    return _seconds(value, source, zero=False)


def _path(value: object, source: Source) -> Path:
    if not isinstance(value, (str, Path)) or not str(value) or "\0" in str(value):
        raise SettingsError(f"{source}={value!r} is not a path: write it like /tmp/post-start-done")
    path = Path(value)
    if not path.is_absolute():
        raise SettingsError(
            f"{source}={str(value)!r} is a relative path: the hook and the process need not have the same working"
            " directory, so write it from the root"
        )
    return path


def _flag(value: object, source: Source) -> bool:
    words = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    raise SettingsError(
        f"{source}={value!r} is neither true nor false: write one of {', '.join(words)}"
    )


def _token(value: object, source: Source) -> str:
    if not isinstance(value, str) or not value or not all("!" <= char <= "~" for char in value):
        # The value itself is a secret: it never goes into a message.
        raise SettingsError(
            f"{source} is not usable as a token: it goes into an HTTP header, so use printable ASCII without spaces"
            " (for example: openssl rand -hex 32)"
        )
    return value


def _networks(value: object, source: Source) -> tuple[Network, ...]:
    if isinstance(value, (IPv4Network, IPv6Network)):
        value = [value]  # One alone. It is iterable, too: over each of its addresses.
    if isinstance(value, str):
        parts: list[object] = [part.strip() for part in value.split(",") if part.strip()]
    elif isinstance(value, Iterable) and not isinstance(value, bytes):
        parts = list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - what the user passed is of any type
    else:
        raise SettingsError(
            f"{source}={value!r} is not a list of networks: write it like '10.0.0.0/8,::1'"
        )
    if not parts:
        raise SettingsError(
            f"{source}={value!r} names no network: name those that may call, or switch the endpoint off with"
            " Endpoints(shutdown=None)"
        )
    networks: list[Network] = []
    for part in parts:
        try:
            network = (
                part if isinstance(part, (IPv4Network, IPv6Network)) else ip_network(str(part))
            )
        except ValueError as error:
            raise SettingsError(
                f"{source}: {part!r} is not a network ({error}): write it like 10.0.0.0/8, or 10.1.2.3 for one host"
            ) from None
        networks.append(_unmapped(network))
    return tuple(networks)


def _unmapped(network: Network) -> Network:
    # Peers are judged by their IPv4 address, also when it came over an IPv6 socket.
    mapped = network.network_address
    if isinstance(mapped, IPv6Address) and mapped.ipv4_mapped and network.prefixlen >= 96:  # noqa: PLR2004 - what stands before it, RFC 4291, section 2.5.5.2
        return IPv4Network((mapped.ipv4_mapped, network.prefixlen - 96))
    return network


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
        _positive,
        "30",
        "Seconds: the pod's `terminationGracePeriodSeconds`. A process cannot read it.",
    ),
    Setting(
        "shutdown_delay",
        _duration,
        "min(5, grace / 6) in Kubernetes, else 0",
        "Seconds of lame duck: serving while routers forget the address.",
    ),
    Setting("drain_timeout", _duration, "what remains", "Seconds at most for work in flight."),
    Setting("startup_timeout", _positive, "none", "Seconds at most from the start to readiness."),
    Setting("post_start_file", _path, "none: nothing is waited for", "The postStart trigger file."),
    Setting(
        "post_start_timeout",
        _positive,
        "none, but a warning every 10 s",
        "Seconds at most for the trigger file.",
    ),
    Setting(
        "post_start_fresh",
        _flag,
        "true",
        "Whether a trigger file from before this container's start is ignored.",
    ),
    Setting("shutdown_token", _token, "none", "The secret that callers of `/shutdown` must send."),
    Setting(
        "allow",
        _networks,
        "loopback, own addresses, default gateway, `$HOST_IP`",
        "Networks that may call `/shutdown`, comma-separated.",
    ),
    Setting(
        "report_file",
        _path,
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
