"""The sockets that a configuration listens on: bound once, and then handed from process to process."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from proxy import downstream
from proxy.config import model
from proxy.config.values import Address, SocketFile
from proxy.server.datagram_sockets import bind_both, datagram_key, speak_http3
from proxy.server.socket_files import SocketFiles

Sockets = dict[str, list[socket.socket]]
"""By what `keys` calls the listener they are of. A host name may have several addresses."""

ADMIN = "admin"

MODE = 0o600
"""Permissions of a socket's file that nothing is said of: for the user that the proxy runs as."""


def keys(listeners: Iterable[model.Listener]) -> Iterator[str]:
    """What each listener's sockets are known by, whatever else changes about it: its address; with a number where
    several listen on any free port."""
    seen: Counter[str] = Counter()
    for listener in listeners:
        address = str(listener.address)
        seen[address] += 1
        yield address if seen[address] == 1 else f"{address} #{seen[address]}"


def wanted(config: model.Config) -> dict[str, model.Listener | model.Admin]:
    """All that the configuration accepts connections on."""
    found: dict[str, model.Listener | model.Admin] = dict(zip(keys(config.listeners), config.listeners, strict=True))
    if config.admin is not None:
        found[f"{ADMIN} {config.admin.address}"] = config.admin
    return found


def bind(config: model.Config, held: Mapping[str, list[socket.socket]], files: SocketFiles, workers: int) -> Sockets:
    """The sockets of a configuration; those already held are taken over. Nothing listens yet. OSError when an address
    cannot be had. workers: so many have sockets of UDP, where HTTP/3 is spoken."""
    bound: Sockets = {}
    http3 = speak_http3(config, keys(config.listeners))
    try:
        for key, declared in wanted(config).items():
            if key in http3 and isinstance(declared.address, Address):
                also = datagram_key(key)
                bound[key], bound[also] = bind_both(declared.address, held.get(key), held.get(also, ()), workers)
            else:
                bound[key] = held[key] if key in held else _bind(declared, files)
    except OSError as error:
        close(bound, keep=held, files=files)
        raise OSError(error.errno, f"cannot listen on {declared.address}: {error.strerror}") from error
    return bound


def _bind(declared: model.Listener | model.Admin, files: SocketFiles) -> list[socket.socket]:
    address = declared.address
    if isinstance(address, Address):
        return downstream.bind(address.host, address.port)
    bound = downstream.bind_file(address.path, _mode(declared))
    files.made(address.path)
    return [bound]


def permit(config: model.Config, files: SocketFiles) -> None:
    """Sockets that were there before get the permissions that the configuration says now."""
    for declared in wanted(config).values():
        if isinstance(declared.address, SocketFile):
            files.permit(declared.address.path, _mode(declared))


def _mode(declared: model.Listener | model.Admin) -> int:
    return MODE if declared.mode is None else declared.mode


def close(
    sockets: Mapping[str, list[socket.socket]],
    *,
    keep: Mapping[str, list[socket.socket]] | None = None,
    files: SocketFiles | None = None,
) -> None:
    """Those that are not to be kept. files: where nobody else goes on with them, so that theirs are removed."""
    kept = {id(one) for each in (keep or {}).values() for one in each}
    for each in sockets.values():
        for one in each:
            if id(one) not in kept:
                if files is not None and one.family == socket.AF_UNIX:
                    files.remove(one.getsockname())
                one.close()


def duplicates(sockets: Iterable[socket.socket]) -> list[socket.socket]:
    return [each.dup() for each in sockets]
