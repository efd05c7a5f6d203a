"""Who may ask the process to stop: `/shutdown` must not be a way to kill the service.

The kubelet calls a preStop `httpGet` hook from the node, without credentials: what can be judged is the peer
address of the socket. A request that a proxy passed on has the proxy's address, so every trace of a proxy refuses it;
a browser can be made to call by any page, so a browser's traces refuse it too.
See https://fetch.spec.whatwg.org/#origin-header and https://www.w3.org/TR/fetch-metadata/
"""

import contextlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from lifecycle.core._values import Network

Address = IPv4Address | IPv6Address

TRACES: Final = frozenset(
    {
        b"forwarded",
        b"via",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"true-client-ip",
        b"cf-connecting-ip",
        b"fastly-client-ip",
        b"x-original-forwarded-for",
        b"x-envoy-external-address",
        b"x-envoy-original-path",
        b"proxy-connection",
        b"origin",
    }
)
"""Headers that a proxy or a browser adds, and neither the kubelet nor `lifecycle stop` sends."""
TRACE_PREFIXES: Final = (b"x-forwarded", b"sec-fetch-")

TOKEN_HEADER: Final = b"x-lifecycle-token"
"""For the manifest's `httpHeaders`; `Authorization: Bearer` does as well."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """May the caller go on? The reason is for our own log: strangers are told nothing."""

    allowed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Guard:
    """The rule for `/shutdown`.

    `near` are the addresses that may call by default: the container's own, its gateway, the node's.
    `allow`, where set, takes their place. A `token`, where set, is needed, and enough from any peer unless
    `allow` is set too.
    """

    token: str | None = field(repr=False)
    allow: Sequence[Network] | None
    near: frozenset[Address]

    def judge(self, peer: str | None, headers: Iterable[tuple[bytes, bytes]]) -> Verdict:
        """Judge the caller at the socket's address `peer` (`None`: a Unix socket, or unknown)."""
        listed = [(name.lower(), value) for name, value in headers]
        for name, _ in listed:
            if name in TRACES or name.startswith(TRACE_PREFIXES):
                return Verdict(
                    allowed=False,
                    reason=f"it came through a proxy or a browser (header {name.decode('latin-1')!r})",
                )
        if self.token is not None and not self._token_matches(listed):
            return Verdict(allowed=False, reason="it carries no token, or not the right one")
        if self.token is not None and self.allow is None:
            return Verdict(allowed=True, reason="token")
        if peer is None:
            return Verdict(
                allowed=False,
                reason="the server does not tell who is calling: set a shutdown_token",
            )
        try:
            address = canonical(peer)
        except ValueError:
            return Verdict(allowed=False, reason=f"its address {peer!r} is no IP address")
        if self.allow is not None:
            if any(address in network for network in self.allow):
                return Verdict(allowed=True, reason="network")
            return Verdict(allowed=False, reason=f"{address} is in none of the allowed networks")
        if address.is_loopback or address in self.near:
            return Verdict(allowed=True, reason="near")
        return Verdict(
            allowed=False,
            reason=f"{address} is neither this container, nor its gateway, nor $HOST_IP",
        )

    def _token_matches(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        sent = [value for name, value in headers if name == TOKEN_HEADER]
        for name, value in headers:
            scheme, _, rest = value.partition(b" ")
            if name == b"authorization" and scheme.lower() == b"bearer":
                sent.append(rest)
        # Two tokens are a trick, not a kubelet. The comparison takes the same time wherever they differ.
        return len(sent) == 1 and hmac.compare_digest(sent[0], (self.token or "").encode())


def canonical(text: str) -> Address:
    """The address without scope; an IPv4 address that came over an IPv6 socket is itself again.

    Raises:
        ValueError: It is no address.
    """
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def parse_gateways(route: str, ipv6_route: str) -> set[Address]:
    """The default gateways in the text of `/proc/net/route` and `/proc/net/ipv6_route`; lines of other forms are skipped."""
    found: set[Address] = set()
    for line in route.splitlines()[1:]:
        match line.split():
            case [_, "00000000", gateway, *_] if gateway != "00000000" and (
                raw := _unhex(gateway, 4)
            ):
                found.add(IPv4Address(raw[::-1]))
            case _:
                continue
    for line in ipv6_route.splitlines():
        match line.split():
            case ["00000000000000000000000000000000", "00", _, _, gateway, *_] if (
                gateway != "00000000000000000000000000000000" and (raw := _unhex(gateway, 16))
            ):
                found.add(IPv6Address(raw))
            case _:
                continue
    return found


def parse_own_addresses(fib_trie: str, if_inet6: str) -> set[Address]:
    """The container's own addresses in the text of `/proc/net/fib_trie` and `/proc/net/if_inet6`."""
    found: set[Address] = set()
    last = ""
    for line in fib_trie.splitlines():
        text = line.strip()
        if text.startswith("|--"):
            last = text[3:].strip()
        elif text.startswith("/32 host LOCAL"):
            with contextlib.suppress(ValueError):
                found.add(IPv4Address(last))
    for line in if_inet6.splitlines():
        if raw := _unhex(line.partition(" ")[0], 16):
            found.add(IPv6Address(raw))
    return found


def _unhex(text: str, length: int) -> bytes | None:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return None
    return raw if len(raw) == length else None
