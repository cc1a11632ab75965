"""A DNS server on a free UDP port, which answers as a test says (RFC 1035 §4)."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import cast

A, AAAA = 1, 28
NXDOMAIN, SERVFAIL = 3, 2


class NameServer(asyncio.DatagramProtocol):
    """addresses: of each name. failing: a response code for everything. silent: no answer at all. asked: how often
    addresses of a kind were."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.ttl = 60
        self.failing = 0
        self.silent = False
        self.asked: list[tuple[str, int]] = []
        self.where = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.where = "{}:{}".format(*transport.get_extra_info("sockname"))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = data.index(b"\0", 12)
        kind = int.from_bytes(data[end + 1 : end + 3])
        name = _name(data[12:end])
        self.asked.append((name, kind))
        if self.silent:
            return
        found = [] if self.failing else [a for a in self.addresses.get(name, []) if (":" in a) is (kind == AAAA)]
        code = self.failing or (0 if name in self.addresses else NXDOMAIN)
        header = data[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(found), 0, 0)
        answers = b"".join(_record(kind, self.ttl, address) for address in found)
        self._transport.sendto(header + data[12 : end + 5] + answers, addr)


def _name(labels: bytes) -> str:
    found, at = [], 0
    while at < len(labels):
        found.append(labels[at + 1 : at + 1 + labels[at]].decode())
        at += 1 + labels[at]
    return ".".join(found)


def _record(kind: int, ttl: int, address: str) -> bytes:
    packed = ip_address(address).packed
    return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, ttl, len(packed)) + packed


@asynccontextmanager
async def name_server() -> AsyncIterator[NameServer]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        NameServer, local_addr=("127.0.0.1", 0), family=socket.AF_INET
    )
    try:
        yield server
    finally:
        transport.close()
