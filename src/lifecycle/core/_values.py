"""What a setting's value may be: an argument of any type, or the text of a variable, made into what it means.

Each function names the value, and where it came from, when it refuses it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import Final

from lifecycle.core._errors import SettingsError

Network = IPv4Network | IPv6Network

LONGEST: Final = 7 * 24 * 3600.0
"""Seconds. A longer duration is a mistaken unit: nobody waits a week for a pod."""


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


def as_duration(value: object, source: Source) -> float:
    return _seconds(value, source)


def as_positive(value: object, source: Source) -> float:
    return _seconds(value, source, zero=False)


def as_path(value: object, source: Source) -> Path:
    if not isinstance(value, (str, Path)) or not str(value) or "\0" in str(value):
        raise SettingsError(f"{source}={value!r} is not a path: write it like /tmp/post-start-done")
    path = Path(value)
    if not path.is_absolute():
        raise SettingsError(
            f"{source}={str(value)!r} is a relative path: the hook and the process need not have the same working"
            " directory, so write it from the root"
        )
    return path


def as_flag(value: object, source: Source) -> bool:
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


def as_token(value: object, source: Source) -> str:
    if not isinstance(value, str) or not value or not all("!" <= char <= "~" for char in value):
        # The value itself is a secret: it never goes into a message.
        raise SettingsError(
            f"{source} is not usable as a token: it goes into an HTTP header, so use printable ASCII without spaces"
            " (for example: openssl rand -hex 32)"
        )
    return value


def as_networks(value: object, source: Source) -> tuple[Network, ...]:
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
