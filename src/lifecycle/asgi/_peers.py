"""The addresses near us: the container's own, its default gateway, the node's."""

from pathlib import Path

from lifecycle.core import Address, canonical, parse_gateways, parse_own_addresses


def near_addresses(host_ip: str | None, *, proc: Path = Path("/proc/net")) -> frozenset[Address]:
    """What may call `/shutdown` by default, beside loopback. Files that cannot be read add nothing."""
    near = parse_gateways(_read(proc / "route"), _read(proc / "ipv6_route"))
    near |= parse_own_addresses(_read(proc / "fib_trie"), _read(proc / "if_inet6"))
    if host_ip:
        try:
            near.add(canonical(host_ip))
        except ValueError:
            # $HOST_IP is not ours: somebody else's idea of it must not keep the application from starting.
            return frozenset(near)
    return frozenset(near)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
