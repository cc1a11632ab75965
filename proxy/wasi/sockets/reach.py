"""Whom a component may reach by sockets: decided by what was granted and, for names, by what they were found to be."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from proxy.config.sockets import Peer
from proxy.wasi.addresses import Address, Network, destination, is_meant, is_public


class Reach:
    """The peers of one protocol, or the addresses to listen on."""

    def __init__(self, peers: Iterable[Peer] = ()) -> None:
        self._peers = tuple(peers)
        self.names = frozenset(peer.host for peer in self._peers if isinstance(peer.host, str))

    def __bool__(self) -> bool:
        return bool(self._peers)

    def covers(self, address: Address, port: int | None, names: Collection[str] = ()) -> bool:
        """port: None for any. names: those that the address was found by. Addresses that are not public are covered
        only where they are named as such; a name is none of them, so that whoever answers for it (DNS rebinding) opens
        no way into private networks. `localhost` is the one that means what it is."""
        where = destination(address)
        if where != address and not is_public(where):
            return False  # of whose private network it would be nobody knows
        return any(
            (port is None or peer.first <= port <= peer.last) and _covers(peer.host, where, names)
            for peer in self._peers
        )

    def has(self, address: Address, port: int) -> bool:
        """Of addresses to listen on: whether it is one of them."""
        return any(
            peer.first <= port <= peer.last and not isinstance(peer.host, str) and address in peer.host
            for peer in self._peers
        )


def _covers(host: str | Network, where: Address, names: Collection[str]) -> bool:
    if isinstance(host, str):
        return host in names and (where.is_loopback if host == "localhost" else is_public(where))
    return where in host and (is_public(where) or is_meant(host))
