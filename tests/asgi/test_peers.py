"""Who is near: this container, its gateway, its node."""

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from lifecycle.asgi._peers import near_addresses

ROUTE = (
    "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
    "eth0\t00000000\t0100F40A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    "eth0\t0000F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
)
FIB_TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
Local:
  +-- 10.244.0.0/24 2 0 2
     |-- 10.244.0.7
        /32 host LOCAL
     |-- 10.244.0.255
        /32 link BROADCAST
"""
IF_INET6 = "fd000000000000000000000000000007 02 40 00 80     eth0\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "route").write_text(ROUTE)
    (tmp_path / "fib_trie").write_text(FIB_TRIE)
    (tmp_path / "if_inet6").write_text(IF_INET6)
    return tmp_path


def test_near_are_the_containers_own_addresses_and_its_default_gateway(proc: Path) -> None:
    assert near_addresses(None, proc=proc) == {
        IPv4Address("10.244.0.7"),
        IPv4Address("10.244.0.1"),
        IPv6Address("fd00::7"),
    }


@pytest.mark.parametrize("host_ip", ["192.0.2.10", "::ffff:192.0.2.10"])
def test_near_is_the_node_where_the_manifest_names_it(proc: Path, host_ip: str) -> None:
    near = near_addresses(host_ip, proc=proc)
    assert IPv4Address("192.0.2.10") in near
    assert len(near) == 4


@pytest.mark.parametrize("host_ip", ["", "node-7", "10.0.0.0/8", "$(HOST_IP)", "1.2.3.4:80"])
def test_a_host_ip_that_is_no_address_adds_nothing_and_stops_nothing(
    proc: Path, host_ip: str
) -> None:
    assert len(near_addresses(host_ip, proc=proc)) == 3


def test_files_that_cannot_be_read_add_nothing(tmp_path: Path) -> None:
    (tmp_path / "route").mkdir()
    (tmp_path / "fib_trie").write_bytes(b"\xff\xfe\x00 |-- nonsense\n/32 host LOCAL")
    assert near_addresses("192.0.2.10", proc=tmp_path) == {IPv4Address("192.0.2.10")}


def test_this_machine_is_near_to_itself() -> None:
    assert IPv4Address("127.0.0.1") in near_addresses(None)
