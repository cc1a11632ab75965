"""What a client's address is taken to be."""

from __future__ import annotations

import asyncio

import pytest

from proxy.downstream.ends import client_address, own_authority


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        (("192.0.2.7", 4711), "192.0.2.7"),
        (("2001:db8::7", 4711, 0, 0), "2001:db8::7"),
        (("fe80::7%eth0", 4711, 0, 2), "fe80::7"),
        (("::ffff:192.0.2.7", 4711, 0, 0), "192.0.2.7"),
        (("::ffff:c000:207", 4711), "192.0.2.7"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_client_addresses(peer: object, address: str) -> None:
    assert client_address(asyncio.BaseTransport({"peername": peer})) == address


@pytest.mark.parametrize(
    ("here", "authority"),
    [(("192.0.2.1", 80), "192.0.2.1:80"), (("::1", 8080, 0, 0), "[::1]:8080"), ("/run/s", "localhost")],
)
def test_our_own_authority(here: object, authority: str) -> None:
    assert own_authority(asyncio.BaseTransport({"sockname": here})) == authority
