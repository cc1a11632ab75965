"""Sockets that a process is started with: from the service manager, or from the process it takes over from."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Mapping

from proxy.config import model
from proxy.config.values import Address, SocketFile
from proxy.downstream import addresses
from proxy.server.socket_files import SocketFiles
from proxy.server.sockets import Sockets, wanted

SOCKETS = "SLUICE_SOCKETS"
"""Names the variable with file descriptors by the keys of what is listened on, as JSON."""
FILES = "SLUICE_SOCKET_FILES"
"""Names the variable with what SocketFiles knows, as JSON."""
FIRST = 3
"""Of the service manager's (sd_listen_fds(3))."""


def handed_over(environment: Mapping[str, str]) -> tuple[Sockets, SocketFiles]:
    """From the process that this one takes over from, if it does."""
    given: dict[str, list[int]] = json.loads(environment.get(SOCKETS, "{}"))
    sockets = {key: [_socket(fd) for fd in fds] for key, fds in given.items()}
    return sockets, SocketFiles(environment.get(FILES, "{}"))


def activated(environment: Mapping[str, str], config: model.Config) -> Sockets:
    """From the service manager: for each address listened on, the sockets that are bound to it. Others are closed."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return {}
    given = [_socket(FIRST + number) for number in range(int(environment.get("LISTEN_FDS", "0")))]
    found = {key: list(_bound_to(given, declared.address)) for key, declared in wanted(config).items()}
    taken = {id(each) for sockets in found.values() for each in sockets}
    for each in given:
        if id(each) not in taken:
            each.close()
    return {key: sockets for key, sockets in found.items() if sockets}


def _bound_to(given: Iterable[socket.socket], address: Address | SocketFile) -> Iterable[socket.socket]:
    if isinstance(address, SocketFile):
        return (each for each in given if each.getsockname() == address.path)
    given = [each for each in given if each.type == socket.SOCK_STREAM]  # those of UDP are one for each worker
    names = {found[:2] for _, _, _, found in addresses(address.host, address.port)}
    return (each for each in given if each.getsockname()[:2] in names)


def _socket(fd: int) -> socket.socket:
    taken = socket.socket(fileno=fd)
    taken.setblocking(False)
    taken.set_inheritable(False)
    return taken
