"""Whom a grant reaches."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.sockets import parse_local, parse_peer
from proxy.wasi.addresses import PRIVATE, destination, is_public
from proxy.wasi.sockets.reach import Reach

ADDRESSES = st.one_of(
    st.integers(0, 2**32 - 1).map(IPv4Address),
    st.integers(0, 2**128 - 1).map(IPv6Address),
    # Ways to write an IPv4 address in an IPv6 one.
    st.integers(0, 2**32 - 1).flatmap(
        lambda v4: st.sampled_from(
            [IPv6Address(0xFFFF << 32 | v4), IPv6Address(0x64FF9B << 96 | v4), IPv6Address(0x2002 << 112 | v4 << 80)]
        )
    ),
)


@pytest.mark.parametrize(
    ("granted", "address", "port", "names", "reached"),
    [
        ("93.184.216.34:80", "93.184.216.34", 80, (), True),
        ("93.184.216.34:80", "93.184.216.34", 81, (), False),
        ("93.184.216.34:80-90", "93.184.216.34", 90, (), True),
        ("93.184.216.34:80", "93.184.216.35", 80, (), False),
        ("93.184.0.0/16:80", "93.184.216.34", 80, (), True),
        ("93.184.216.34:80", "::ffff:93.184.216.34", 80, (), True),
        ("93.184.216.34:80", "2606:2800:220:1::1", 80, (), False),
        # Names, only by what they were found to be, and only where that is public.
        ("a.example:80", "93.184.216.34", 80, ("a.example",), True),
        ("a.example:80", "93.184.216.34", 80, (), False),
        ("a.example:80", "93.184.216.34", 80, ("b.example",), False),
        ("a.example:80", "93.184.216.34", 443, ("a.example",), False),
        ("a.example:80", "127.0.0.1", 80, ("a.example",), False),
        ("a.example:80", "10.0.0.1", 80, ("a.example",), False),
        ("a.example:80", "169.254.169.254", 80, ("a.example",), False),
        ("a.example:80", "::1", 80, ("a.example",), False),
        ("a.example:80", "fd00::1", 80, ("a.example",), False),
        ("a.example:80", "fe80::1", 80, ("a.example",), False),
        ("a.example:80", "::7f00:1", 80, ("a.example",), False),
        ("a.example:80", "64:ff9b::7f00:1", 80, ("a.example",), False),
        ("a.example:80", "2002:7f00:1::1", 80, ("a.example",), False),
        ("a.example:80", "224.0.0.1", 80, ("a.example",), False),
        ("localhost:80", "127.0.0.1", 80, ("localhost",), True),
        ("localhost:80", "127.0.0.1", 80, (), False),
        ("localhost:80", "10.0.0.1", 80, ("localhost",), False),
        # Private addresses, where they are meant.
        ("127.0.0.1:80", "127.0.0.1", 80, (), True),
        ("127.0.0.0/8:80", "127.1.2.3", 80, (), True),
        ("10.0.0.0/8:80", "10.1.2.3", 80, (), True),
        ("169.254.169.254:80", "169.254.169.254", 80, (), True),
        ("0.0.0.0/0:80", "8.8.8.8", 80, (), True),
        ("0.0.0.0/0:80", "127.0.0.1", 80, (), False),
        ("0.0.0.0/0:80", "10.0.0.1", 80, (), False),
        ("0.0.0.0/0:80", "169.254.169.254", 80, (), False),
        ("8.0.0.0/6:80", "10.0.0.1", 80, (), False),
        ("[::/0]:80", "::1", 80, (), False),
        ("[::/0]:80", "::ffff:127.0.0.1", 80, (), False),
        ("[::/0]:80", "64:ff9b::7f00:1", 80, (), False),
        ("[::/0]:80", "2606:2800:220:1::1", 80, (), True),
        ("[::1]:80", "::1", 80, (), True),
        ("[fe80::/10]:80", "fe80::1", 80, (), True),
    ],
)
def test_who_is_reached(granted: str, address: str, port: int, names: tuple[str, ...], reached: bool) -> None:
    assert Reach([parse_peer(granted)]).covers(ip_address(address), port, names) is reached


@given(ADDRESSES)
def test_names_and_wide_networks_reach_what_is_public_alone(address: IPv4Address | IPv6Address) -> None:
    wide = Reach(map(parse_peer, ["a.example:1-65535", "0.0.0.0/0:1-65535", "[::/0]:1-65535"]))
    where = destination(address)
    public = is_public(where)
    assert wide.covers(address, 80, {"a.example"}) is public
    if any(where.version == each.version and where in each for each in PRIVATE) or where.is_multicast:
        assert not public


@given(ADDRESSES, st.integers(0, 65535))
def test_nothing_reaches_nobody(address: IPv4Address | IPv6Address, port: int) -> None:
    assert not Reach().covers(address, port, {"a.example"})
    assert not Reach().has(address, port)


def test_where_to_listen() -> None:
    reach = Reach([parse_local("127.0.0.1:0"), parse_local("10.0.0.0/8:8000-8100")])
    assert reach.has(ip_address("127.0.0.1"), 0)
    assert reach.has(ip_address("10.1.2.3"), 8050)
    assert not reach.has(ip_address("127.0.0.1"), 80)
    assert not reach.has(ip_address("0.0.0.0"), 0)
    assert not reach.has(ip_address("10.1.2.3"), 0)
