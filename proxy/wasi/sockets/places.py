"""Addresses of sockets, between WIT (`ip-socket-address`) and the operating system."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from proxy.wasi.addresses import Address
from proxy.wasi.sockets.errors import SocketFailed

FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
BROADCAST = IPv4Address("255.255.255.255")


@dataclass(frozen=True, slots=True)
class Place:
    """An address and a port."""

    address: Address
    port: int
    flow: int = 0
    scope: int = 0

    @classmethod
    def of(cls, value: tuple[str, dict[str, Any]]) -> Place:
        """Of an `ip-socket-address`."""
        _, fields = value
        return cls(
            unwritten((value[0], fields["address"])),
            fields["port"],
            fields.get("flow-info", 0),
            fields.get("scope-id", 0),
        )

    @classmethod
    def told(cls, name: tuple[Any, ...]) -> Place:
        """As the operating system says it."""
        return cls(ip_address(name[0].partition("%")[0]), *name[1:])

    @classmethod
    def any(cls, family: str) -> Place:
        """What a socket is bound to that nobody has bound."""
        return cls(IPv4Address(0) if family == "ipv4" else IPv6Address(0), 0)

    @property
    def is_any(self) -> bool:
        return self.address.is_unspecified and self.port == 0

    @property
    def family(self) -> str:
        return f"ipv{self.address.version}"

    @property
    def name(self) -> tuple[Any, ...]:
        """For the operating system."""
        if self.address.version == 4:
            return str(self.address), self.port
        return str(self.address), self.port, self.flow, self.scope

    @property
    def value(self) -> tuple[str, dict[str, Any]]:
        fields = {"port": self.port, "address": written(self.address)[1]}
        if self.address.version == 6:
            fields |= {"flow-info": self.flow, "scope-id": self.scope}
        return self.family, fields

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if self.address.version == 6 else f"{self.address}:{self.port}"


def written(address: Address) -> tuple[str, tuple[int, ...]]:
    """An `ip-address`."""
    packed = address.packed
    if address.version == 4:
        return "ipv4", tuple(packed)
    return "ipv6", tuple(int.from_bytes(packed[at : at + 2]) for at in range(0, 16, 2))


def unwritten(value: tuple[str, tuple[int, ...]]) -> Address:
    case, parts = value
    if case == "ipv4":
        return IPv4Address(bytes(parts))
    return IPv6Address(b"".join(part.to_bytes(2) for part in parts))


def local(value: tuple[str, dict[str, Any]], family: str) -> Place:
    """To be bound to. Raises SocketFailed."""
    place = Place.of(value)
    if place.family != family or _is_mapped(place.address) or _is_many(place.address):
        raise SocketFailed("invalid-argument")
    return place


def remote(value: tuple[str, dict[str, Any]], family: str, *, unicast: bool) -> Place:
    """To be connected or sent to. Raises SocketFailed."""
    place = Place.of(value)
    wrong = place.family != family or place.port == 0 or place.address.is_unspecified or _is_mapped(place.address)
    if wrong or (unicast and _is_many(place.address)):
        raise SocketFailed("invalid-argument")
    return place


def _is_mapped(address: Address) -> bool:
    """It would be a way to IPv4 around what was granted."""
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None


def _is_many(address: Address) -> bool:
    return address.is_multicast or address == BROADCAST
