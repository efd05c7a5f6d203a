"""Attacks on the door of `/shutdown`: nobody gets in by what he says about himself."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lifecycle.core import (
    TOKEN_HEADER,
    Address,
    Guard,
    Network,
    canonical,
    parse_gateways,
    parse_own_addresses,
)
from lifecycle.core._guard import TRACE_PREFIXES, TRACES

Headers = list[tuple[bytes, bytes]]

TOKEN = "s3cr3t-t0ken-value"
KUBELET: Headers = [
    (b"host", b"10.1.2.3:8000"),
    (b"user-agent", b"kube-lifecycle/1.31"),
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip"),
    (b"connection", b"close"),
]
NEAR: frozenset[Address] = frozenset(
    map(ip_address, ["10.1.2.3", "10.1.2.1", "192.168.5.17", "fd00::17", "fe80::1"])
)
LOOPBACK = "127.0.0.1"
STRANGER = "203.0.113.9"

by_default = Guard(token=None, allow=None, near=NEAR)
with_token = Guard(token=TOKEN, allow=None, near=NEAR)
with_networks = Guard(token=None, allow=(ip_network("10.9.0.0/16"),), near=NEAR)
with_both = Guard(token=TOKEN, allow=(ip_network("10.9.0.0/16"),), near=NEAR)
all_guards = pytest.mark.parametrize("guard", [by_default, with_token, with_networks, with_both])


def allowed(guard: Guard, peer: str | None, *headers: tuple[bytes, bytes]) -> bool:
    return guard.judge(peer, [*KUBELET, *headers]).allowed


def reason(guard: Guard, peer: str | None, *headers: tuple[bytes, bytes]) -> str:
    verdict = guard.judge(peer, [*KUBELET, *headers])
    assert not verdict.allowed
    return verdict.reason


def bearer(token: str = TOKEN) -> tuple[bytes, bytes]:
    return b"authorization", f"Bearer {token}".encode()


def own(token: str = TOKEN) -> tuple[bytes, bytes]:
    return TOKEN_HEADER, token.encode()


# By address.


@pytest.mark.parametrize(
    "peer",
    [
        "127.0.0.1",
        "127.8.9.10",
        "::1",
        "::ffff:127.0.0.1",
        "::FFFF:7f00:1",
        "10.1.2.3",
        "::ffff:10.1.2.3",
        "::ffff:a01:203",
        "192.168.5.17",
        "fd00::17",
        "FD00:0:0:0:0:0:0:17",
        "fe80::1",
        "fe80::1%eth0",
        "fe80::1%3",
    ],
)
def test_who_is_near_may_call_however_the_address_is_written(peer: str) -> None:
    assert allowed(by_default, peer)


@pytest.mark.parametrize(
    "peer",
    [
        STRANGER,
        f"::ffff:{STRANGER}",
        "10.1.2.4",
        "10.1.2.0",
        "0.0.0.0",
        "::",
        "fe80::2%eth0",
        "fd00::18",
        "::127.0.0.1",  # IPv4-compatible: long abolished, and not loopback
        "::2",
        "64:ff9b::7f00:1",  # NAT64
        "2002:7f00:1::",  # 6to4
        "::ffff:0:127.0.0.1",  # IPv4-translated
    ],
)
def test_a_stranger_may_not_call(peer: str) -> None:
    assert not allowed(by_default, peer)
    assert re.fullmatch(
        r"\S+ is neither this container, nor its gateway, nor \$HOST_IP", reason(by_default, peer)
    )


@all_guards
@pytest.mark.parametrize(
    "peer",
    [
        "",
        " ",
        "localhost",
        "unix:",
        "/run/app.sock",
        "testclient",
        "127.1",
        "0x7f000001",
        "2130706433",
        "127.0.0.1:8000",
        "127.0.0.1 ",
        "127.0.0.01",
        "[::1]",
        "::1/128",
        "127.0.0.1,10.1.2.3",
        "127.0.0.1\0.example.com",
        "1\N{FULLWIDTH DIGIT TWO}7.0.0.1",
        "%127.0.0.1",
    ],
)
def test_a_peer_that_is_no_address_is_nobody(guard: Guard, peer: str) -> None:
    assert not allowed(guard, peer)
    if guard.token is None:
        assert reason(guard, peer) == f"its address {peer!r} is no IP address"


@all_guards
def test_a_peer_that_the_server_does_not_tell_is_nobody(guard: Guard) -> None:
    assert not allowed(guard, None)
    if guard.token is None:
        assert reason(guard, None) == (
            "the server does not tell who is calling: set a shutdown_token"
        )


@given(st.ip_addresses() | st.ip_addresses(v=4, network="127.0.0.0/8"))
def test_an_address_may_call_if_and_only_if_it_is_near(address: Address) -> None:
    peer = str(address)
    plain = canonical(peer)
    assert allowed(by_default, peer) == (plain in NEAR or plain.is_loopback)
    assert allowed(with_networks, peer) == (plain in ip_network("10.9.0.0/16"))


# By network.


@pytest.mark.parametrize("peer", ["10.9.0.0", "10.9.255.255", "::ffff:10.9.1.1"])
def test_an_allowed_network_may_call(peer: str) -> None:
    assert allowed(with_networks, peer)


@pytest.mark.parametrize(
    "peer", ["10.10.0.0", "::ffff:10.8.0.1", "fd00::1", *sorted(map(str, NEAR))]
)
def test_networks_take_the_place_of_those_who_are_near(peer: str) -> None:
    assert reason(with_networks, peer) == f"{canonical(peer)} is in none of the allowed networks"


def test_loopback_is_not_allowed_where_networks_are_unless_it_is_one_of_them() -> None:
    assert not allowed(with_networks, LOOPBACK)
    loopback: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1"))
    guard = Guard(token=None, allow=loopback, near=NEAR)
    assert allowed(guard, LOOPBACK)
    assert allowed(guard, "::1")


def test_a_network_of_ipv6_does_not_hold_ipv4() -> None:
    guard = Guard(token=None, allow=(ip_network("::/0"),), near=NEAR)
    assert allowed(guard, "2001:db8::1")
    assert not allowed(guard, "10.1.2.3")
    assert not allowed(guard, "::ffff:10.1.2.3")


def test_a_scope_does_not_matter() -> None:
    guard = Guard(token=None, allow=(ip_network("fe80::/64"),), near=frozenset())
    assert allowed(guard, "fe80::7%eth0")


def test_no_networks_let_nobody_in() -> None:
    guard = Guard(token=None, allow=(), near=NEAR)
    assert not allowed(guard, LOOPBACK)


# By token.


@pytest.mark.parametrize("peer", [STRANGER, LOOPBACK, None, "unix:", ""])
@pytest.mark.parametrize(
    "header",
    [
        bearer(),
        own(),
        (b"Authorization", f"bearer {TOKEN}".encode()),
        (b"AUTHORIZATION", f"BEARER {TOKEN}".encode()),
        (b"X-Lifecycle-Token", TOKEN.encode()),
    ],
)
def test_the_token_is_enough_from_anywhere(peer: str | None, header: tuple[bytes, bytes]) -> None:
    assert allowed(with_token, peer, header)


WRONG: list[Headers] = [
    [],
    [own("")],
    [bearer("")],
    [(b"authorization", b"Bearer")],
    [(b"authorization", b"")],
    [(b"authorization", TOKEN.encode())],
    [(b"authorization", f"Basic {TOKEN}".encode())],
    [(b"authorization", f"Token {TOKEN}".encode())],
    [(b"authorization", f"Bearer  {TOKEN}".encode())],
    [(b"authorization", f"Bearer\t{TOKEN}".encode())],
    [(b"authorization", f"Bearer {TOKEN} ".encode())],
    [(b"authorization", f"Bearer {TOKEN},".encode())],
    [(b"authorization", f"Bearer Bearer {TOKEN}".encode())],
    [(b"proxy-authorization", f"Bearer {TOKEN}".encode())],
    [(b"cookie", f"x-lifecycle-token={TOKEN}".encode())],
    [(b"x-lifecycle_token", TOKEN.encode())],
    [(b"x_lifecycle_token", TOKEN.encode())],
    [(b"lifecycle-token", TOKEN.encode())],
    [(b"x-lifecycle-token ", TOKEN.encode())],
    [own(TOKEN[:-1])],
    [own(TOKEN[:1])],
    [own(TOKEN[1:])],
    [own(TOKEN + "x")],
    [own(TOKEN + "\0")],
    [own(f" {TOKEN}")],
    [own(TOKEN.upper())],
    [own(TOKEN * 2)],
    [own("x" * 1_000_000)],
    [(TOKEN_HEADER, b"\xff" * len(TOKEN))],
    [own("None")],
    [own(), own()],
    [own(), bearer()],
    [own(), own("wrong")],
    [bearer("wrong"), bearer()],
    [own(), (b"authorization", b"Bearer ")],
]


@pytest.mark.parametrize("guard", [with_token, with_both])
@pytest.mark.parametrize("peer", [STRANGER, LOOPBACK, "10.9.1.1", None])
@pytest.mark.parametrize("headers", WRONG)
def test_anything_but_the_one_token_is_refused(
    guard: Guard, peer: str | None, headers: Headers
) -> None:
    assert reason(guard, peer, *headers) == "it carries no token, or not the right one"


@given(st.binary() | st.text(max_size=40).map(str.encode))
def test_no_other_value_is_taken_for_the_token(value: bytes) -> None:
    assume(value != TOKEN.encode())
    assert not allowed(with_token, LOOPBACK, (TOKEN_HEADER, value))
    assert not allowed(with_token, LOOPBACK, (b"authorization", b"Bearer " + value))


def test_an_authorization_of_another_kind_beside_the_token_does_not_matter() -> None:
    assert allowed(with_token, STRANGER, (b"authorization", b"Basic dXNlcjpwYXNz"), own())


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("10.9.1.1", [own()], True),
        ("10.9.1.1", [], False),
        (STRANGER, [own()], False),
        (LOOPBACK, [own()], False),
        (None, [own()], False),
        ("", [own()], False),
    ],
)
def test_with_networks_and_a_token_both_are_needed(
    peer: str | None, headers: Headers, expected: bool
) -> None:
    assert allowed(with_both, peer, *headers) == expected


def test_without_a_token_set_none_that_is_sent_helps() -> None:
    for header in (own(), own(""), own("None"), bearer(""), bearer("None")):
        assert not allowed(by_default, STRANGER, header)
        assert allowed(by_default, LOOPBACK, header)


def test_the_token_is_never_told() -> None:
    assert TOKEN not in repr(with_token)
    assert TOKEN not in repr(with_both)
    for headers in WRONG:
        assert TOKEN not in reason(with_both, STRANGER, *headers)
    assert TOKEN not in repr(with_token.judge(STRANGER, [own()]))


# Through a proxy, or a browser.


def spellings(names: Iterable[bytes]) -> list[bytes]:
    return sorted(
        {spell(name) for name in names for spell in (bytes.lower, bytes.upper, bytes.title)}
    )


@all_guards
@pytest.mark.parametrize(
    "name",
    spellings(
        [
            *TRACES,
            b"x-forwarded-for",
            b"x-forwarded-host",
            b"x-forwarded-proto",
            b"x-forwarded-client-cert",
            b"x-forwarded",
            b"sec-fetch-site",
            b"sec-fetch-mode",
        ]
    ),
)
def test_a_trace_of_a_proxy_or_a_browser_refuses_whoever_calls(guard: Guard, name: bytes) -> None:
    for peer in (LOOPBACK, "10.9.1.1", None, STRANGER):
        for value in (b"", b"127.0.0.1", b"none"):
            said = reason(guard, peer, own(), (name, value))
            assert said == (
                f"it came through a proxy or a browser (header {name.decode().lower()!r})"
            )


@given(
    st.sampled_from(sorted(TRACES) + [prefix + b"x" for prefix in TRACE_PREFIXES]),
    st.integers(0, 5),
    st.randoms(use_true_random=False),
)
def test_a_trace_is_seen_in_any_spelling_and_place(name: bytes, place: int, random: Any) -> None:
    spelt = "".join(random.choice([c.lower(), c.upper()]) for c in name.decode()).encode()
    headers = [*KUBELET, own()]
    headers.insert(place, (spelt, b"127.0.0.1"))
    assert not with_token.judge(LOOPBACK, headers).allowed


@pytest.mark.parametrize("claimed", [LOOPBACK, "::1", "10.1.2.3", "10.9.1.1"])
def test_nobody_gets_nearer_by_a_header(claimed: str) -> None:
    names = [*TRACES, b"x-forwarded-for", b"host", b"x-peer", b"remote-addr", b"x_forwarded_for"]
    for name in names:
        assert not allowed(by_default, STRANGER, (name, claimed.encode()))
        assert not allowed(with_networks, STRANGER, (name, claimed.encode()))


def test_what_the_kubelet_and_our_own_command_send_is_no_trace() -> None:
    ordinary = [
        (b"content-length", b"0"),
        (b"x-request-id", b"1"),
        (b"traceparent", b"00-0-0-01"),
        (b"referer", b""),
    ]
    assert allowed(by_default, LOOPBACK, *ordinary)


def test_a_header_that_is_not_ascii_is_only_a_header() -> None:
    assert allowed(by_default, LOOPBACK, (b"\xff\xfe", b"\xff"))
    assert "x-forwarded-\xff" in reason(by_default, LOOPBACK, (b"x-forwarded-\xff", b""))


# What an address is.


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_the_ipv4_address_that_it_stands_for(address: IPv4Address) -> None:
    assert canonical(f"::ffff:{address}") == canonical(str(address)) == address


@given(st.ip_addresses(v=6), st.text("abcdefgh0123456789", min_size=1))
def test_an_address_is_itself_without_its_scope(address: IPv6Address, scope: str) -> None:
    assume(address.ipv4_mapped is None)
    assert canonical(f"{address}%{scope}") == canonical(str(address)) == address


@given(st.text())
def test_what_is_no_address_is_refused_with_a_value_error(text: str) -> None:
    try:
        assert isinstance(canonical(text), (IPv4Address, IPv6Address))
    except ValueError:
        return


# What the kernel says about the neighbourhood.

ROUTE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200AC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth1\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
"""
IPV6_ROUTE = """\
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe80000000000000000000000000abcd 00000400 00000001 00000000 00000003     eth0
fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
"""
FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
     +-- 172.0.2.0/24 2 0 2
        |-- 172.0.2.0
           /24 link UNICAST
        |-- 172.0.2.17
           /32 host LOCAL
        |-- 172.0.2.255
           /32 link BROADCAST
Local:
  |-- 172.0.2.17
     /32 host LOCAL
"""
IF_INET6 = """\
00000000000000000000000000000001 01 80 10 80       lo
fe80000000000000001234fffe567890 02 40 20 80     eth0
"""


def test_the_default_gateways_are_read_and_no_other_route() -> None:
    assert parse_gateways(ROUTE, IPV6_ROUTE) == {
        IPv4Address("172.0.2.1"),
        IPv4Address("192.168.0.1"),
        IPv6Address("fe80::abcd"),
    }


def test_the_own_addresses_are_read_and_neither_networks_nor_broadcasts() -> None:
    assert parse_own_addresses(FIB_TRIE, IF_INET6) == {
        IPv4Address("127.0.0.1"),
        IPv4Address("172.0.2.17"),
        IPv6Address("::1"),
        IPv6Address("fe80::12:34ff:fe56:7890"),
    }


def test_where_there_is_nothing_nobody_is_near() -> None:
    assert parse_gateways("", "") == parse_own_addresses("", "") == set()


GARBAGE = [
    "",
    " ",
    "\t",
    "eth0",
    "eth0 00000000",
    "eth0 00000000 zz0200AC 0003",
    "eth0 00000000 0102 0003",
    "eth0 00000000 010200AC0102 0003",
    "eth0 00000000 -10200AC",
    "g" * 32,
    "0" * 31,
    "|--",
    "|-- ",
    "|-- 300.0.0.1",
    "|-- nonsense",
    "/32 host LOCAL",
    "     /32 host LOCAL",
    "\ufffd\ufffd",
    "\0",
]


GARBAGE_ROUTES = [
    "00000000000000000000000000000000 00",
    "0" * 32 + " 00 " + "0" * 32 + " 00 zz",
    "0" * 32 + " 00 " + "0" * 32 + " 00 fe80",
    "0" * 32 + " 00 " + "0" * 32 + " 00 " + "g" * 32,
]


@pytest.mark.parametrize("line", [*GARBAGE, *GARBAGE_ROUTES])
def test_a_route_of_another_form_costs_only_itself(line: str) -> None:
    text = ROUTE + line + "\n", line + "\n" + IPV6_ROUTE
    assert parse_gateways(*text) == parse_gateways(ROUTE, IPV6_ROUTE)


@pytest.mark.parametrize("line", GARBAGE)
def test_an_address_of_another_form_costs_only_itself(line: str) -> None:
    text = f"Main:\n{line}\n{FIB_TRIE}", f"{line}\n{IF_INET6}"
    assert parse_own_addresses(*text) == parse_own_addresses(FIB_TRIE, IF_INET6)


@pytest.mark.parametrize("line", ["|-- 300.0.0.1", "|-- nonsense", "|--"])
def test_a_host_that_is_no_address_is_not_taken_for_the_one_before(line: str) -> None:
    text = f"|-- 10.0.0.1\n   /24 link UNICAST\n{line}\n   /32 host LOCAL\n"
    assert parse_own_addresses(text, "") == set()


lines = st.sampled_from(
    [
        *GARBAGE,
        *GARBAGE_ROUTES,
        *ROUTE.splitlines(),
        *IPV6_ROUTE.splitlines(),
        *FIB_TRIE.splitlines(),
    ]
)


@given(st.lists(lines | st.text()).map("\n".join), st.lists(lines | st.text()).map("\n".join))
def test_whatever_the_kernel_writes_reading_it_never_fails(one: str, other: str) -> None:
    for found in (parse_gateways(one, other), parse_own_addresses(one, other)):
        assert all(isinstance(address, (IPv4Address, IPv6Address)) for address in found)
