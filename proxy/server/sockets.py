"""The sockets that a configuration listens on: bound once, and then handed from process to process."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from proxy import downstream
from proxy.config import model
from proxy.config.values import Address

Sockets = dict[str, list[socket.socket]]
"""By what `keys` calls the listener they are of. A host name may have several addresses."""

ADMIN = "admin"


def keys(listeners: Iterable[model.Listener]) -> Iterator[str]:
    """What each listener's sockets are known by, whatever else changes about it: its address; with a number where
    several listen on any free port."""
    seen: Counter[str] = Counter()
    for listener in listeners:
        address = str(listener.address)
        seen[address] += 1
        yield address if seen[address] == 1 else f"{address} #{seen[address]}"


def wanted(config: model.Config) -> dict[str, Address]:
    """All that the configuration listens on."""
    found = dict(zip(keys(config.listeners), (listener.address for listener in config.listeners), strict=True))
    if config.admin is not None:
        found[f"{ADMIN} {config.admin.address}"] = config.admin.address
    return found


def bind(config: model.Config, held: Mapping[str, list[socket.socket]]) -> Sockets:
    """The sockets of a configuration; those already held are taken over. Nothing listens yet. OSError when an address
    cannot be had."""
    bound: Sockets = {}
    try:
        for key, address in wanted(config).items():
            bound[key] = held[key] if key in held else downstream.bind(address.host, address.port)
    except OSError as error:
        close(bound, keep=held)
        raise OSError(error.errno, f"cannot listen on {address}: {error.strerror}") from error
    return bound


def close(sockets: Mapping[str, list[socket.socket]], *, keep: Mapping[str, list[socket.socket]] | None = None) -> None:
    """Those that are not to be kept."""
    for key, each in sockets.items():
        if keep is None or key not in keep:
            for one in each:
                one.close()


def duplicates(sockets: Iterable[socket.socket]) -> list[socket.socket]:
    return [each.dup() for each in sockets]
