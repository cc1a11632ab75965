"""How peers of sockets are written."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.sockets import Peer, parse_local, parse_peer


@pytest.mark.parametrize(
    ("written", "peer"),
    [
        ("db.example.com:5432", Peer("db.example.com", 5432, 5432)),
        ("DB.Example.com.:5432", Peer("db.example.com", 5432, 5432)),
        ("localhost:8000-8100", Peer("localhost", 8000, 8100)),
        ("10.0.0.7:6379", Peer(ip_network("10.0.0.7"), 6379, 6379)),
        ("10.0.0.0/8:1-65535", Peer(ip_network("10.0.0.0/8"), 1, 65535)),
        ("[fd00::1]:80", Peer(ip_network("fd00::1"), 80, 80)),
        ("[fd00::/8]:80", Peer(ip_network("fd00::/8"), 80, 80)),
    ],
)
def test_peers(written: str, peer: Peer) -> None:
    assert parse_peer(written) == peer
    assert parse_peer(str(peer)) == peer


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("db.example.com", "expected host:port"),
        (5432, "expected host:port"),
        (None, "expected host:port"),
        ("tcp://db.example.com:5432", "expected host:port"),
        ("db.example.com:", "expected host:port"),
        ("*.example.com:80", "expected host:port"),
        ("-.example.com:80", "expected host:port"),
        ("fd00::1:80", "expected host:port"),
        ("db.example.com:0", "port 0 is not one to connect to"),
        ("db.example.com:65536", "port 65536 is beyond 65535"),
        ("db.example.com:90-80", "90-80 is no range of ports"),
        ("300.1.1.1:80", "does not appear to be an IPv4 or IPv6 network"),
        ("10.0.0.7/8:80", "has host bits set"),
        ("db.example.com/8:80", "does not appear to be an IPv4 or IPv6 network"),
        ("١.1.1.1:80", "expected host:port"),
    ],
)
def test_what_is_no_peer(written: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_peer(written)


@given(st.text())
def test_text_is_a_peer_or_refused(written: str) -> None:
    try:
        peer = parse_peer(written)
    except ValueError:
        return
    assert 0 < peer.first <= peer.last < 65536


def test_addresses_to_listen_on() -> None:
    assert parse_local("127.0.0.1:0") == Peer(ip_network("127.0.0.1"), 0, 0)
    assert str(parse_local("[::1]:8000-8100")) == "[::1]:8000-8100"
    for written in ("localhost:80", "8080", ":8080"):
        with pytest.raises(ValueError, match="expected address:port"):
            parse_local(written)
