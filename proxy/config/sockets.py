"""The grant of sockets: peers, which are a host or all addresses of a network, and ports."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from proxy.config.options import Options
from proxy.config.values import server_name

_PEER = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?)\]|(?P<host>[A-Za-z0-9._-]+(?:/[0-9]{1,2})?))"
    r":(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?",
    re.ASCII,
)
_MOST = 65535


@dataclass(frozen=True, slots=True)
class Peer:
    """host: a name in lower case, or the addresses. first, last: the ports."""

    host: str | IPv4Network | IPv6Network
    first: int
    last: int

    def __str__(self) -> str:
        host = str(self.host)
        if not isinstance(self.host, str) and self.host.prefixlen == self.host.max_prefixlen:
            host = str(self.host.network_address)
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"[{host}]:{ports}" if ":" in host else f"{host}:{ports}"


def parse_peer(value: Any) -> Peer:
    """host:port, where the host may be a network, and the port a range."""
    if isinstance(value, Peer):
        return value
    peer = _parse(value, "expected host:port, such as db.example.com:5432, 10.0.0.0/8:6379 or [fd00::1]:8000-8100")
    if peer.first == 0:
        raise ValueError("port 0 is not one to connect to")
    return peer


def parse_local(value: Any) -> Peer:
    """An address of this machine, or a network of it, and ports; 0 is any free one."""
    if isinstance(value, Peer):
        return value
    expected = "expected address:port, such as 127.0.0.1:0 or [::1]:8000-8100"
    peer = _parse(value, expected)
    if isinstance(peer.host, str):
        raise ValueError(expected)
    return peer


def _parse(value: Any, expected: str) -> Peer:
    match = _PEER.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(expected)
    first = int(match["first"])
    last = first if match["last"] is None else int(match["last"])
    if not first <= last <= _MOST:
        raise ValueError(f"{first}-{last} is no range of ports" if first > last else f"port {last} is beyond {_MOST}")
    return Peer(_host(match["v6"] or match["host"], expected), first, last)


def _host(written: str, expected: str) -> str | IPv4Network | IPv6Network:
    if "/" not in written and ":" not in written and not re.fullmatch(r"[0-9.]+", written, re.ASCII):
        try:
            return server_name(written.removesuffix("."))
        except ValueError:
            raise ValueError(expected) from None
    try:
        return ip_network(written)
    except ValueError as error:
        raise ValueError(f"{error}; {expected}") from None


SocketPeer = Annotated[
    Peer,
    BeforeValidator(parse_peer),
    PlainSerializer(str, str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["db.example.com:5432", "10.0.0.0/8:6379"]}),
]
SocketAddress = Annotated[
    Peer,
    BeforeValidator(parse_local),
    PlainSerializer(str, str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["127.0.0.1:0", "[::1]:8000-8100"]}),
]


class Sockets(Options):
    """Whom a component that serves may reach by sockets (wasi:sockets)."""

    tcp: list[SocketPeer] = Field(default_factory=list)
    """Peers that it may connect to, as host:port: a name, an address, or a network such as 10.0.0.0/8; a port or a
    range of them, such as 8000-8100. Only these names can be looked up. Addresses of this machine and of private
    networks only where they are named as such."""
    udp: list[SocketPeer] = Field(default_factory=list)
    """The same for peers that it may send datagrams to; it gets those of no others."""
    listen_tcp: list[SocketAddress] = Field(default_factory=list)
    """Addresses of this machine that it may listen on, as address:port, port 0 for any free one."""
    listen_udp: list[SocketAddress] = Field(default_factory=list)
    """The same for sockets that get datagrams from anybody."""
