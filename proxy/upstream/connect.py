"""Opening a connection to an origin, in the clear. With TLS: `secure`."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from proxy import errors
from proxy.errors import ProxyError


@dataclass(frozen=True, slots=True)
class Endpoint:
    """host: a name or an address (IPv6 without brackets). address: the one to connect to, where somebody has looked up
    the name; else it is looked up for each connection. weight: its part of the requests, relative to the others'.
    secure: with TLS. path: of a Unix socket, to connect to instead."""

    host: str
    port: int
    address: str | None = None
    weight: int = 1
    secure: bool = False
    path: str | None = None

    @property
    def authority(self) -> str:
        """What its Host would be called."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    def __str__(self) -> str:
        """As in metrics: the address that is connected to, if it is known."""
        if self.path is not None:
            return f"unix:{self.path}"
        host = self.address or self.host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


_OURS = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL))
"""What this machine has too little of, which says nothing of the origin: descriptors, memory, local ports."""

P = TypeVar("P", bound=asyncio.Protocol)

Connect = Callable[[Endpoint, Callable[[], P]], Coroutine[Any, Any, P]]
"""Opens a connection for a protocol made by the second argument. Raises ProxyError; has no time limit of its own."""


async def connect_clear(endpoint: Endpoint, protocol: Callable[[], P]) -> P:
    """Without TLS. The addresses of a name are tried one after the other."""
    if endpoint.path is not None:
        return await _connect_unix(endpoint.path, protocol)
    host, port = endpoint.address or endpoint.host, endpoint.port
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ProxyError(errors.DNS_ERROR, f"{host}: {error}") from error
    failure: ProxyError | None = None
    for address in dict.fromkeys(info[4][0] for info in found):
        try:
            _, connected = await loop.create_connection(protocol, str(address), port)
        except OSError as error:
            failure = _failure(f"{address} port {port}", error)
        else:
            return connected
    raise failure or ProxyError(errors.DNS_ERROR, f"{host} has no address")


async def _connect_unix(path: str, protocol: Callable[[], P]) -> P:
    try:
        _, connected = await asyncio.get_running_loop().create_unix_connection(protocol, path)
    except FileNotFoundError as error:
        raise ProxyError(errors.CONNECTION_REFUSED, f"there is no socket {path}") from error
    except OSError as error:
        raise _failure(path, error) from error
    return connected


def _failure(where: str, error: OSError) -> ProxyError:
    if isinstance(error, ConnectionRefusedError):
        return ProxyError(errors.CONNECTION_REFUSED, f"{where} refuses connections")
    if isinstance(error, TimeoutError):
        return ProxyError(errors.CONNECTION_TIMEOUT, f"{where} does not answer")
    if isinstance(error, ConnectionError):
        return ProxyError(errors.CONNECTION_TERMINATED, f"{where}: {error}")
    if error.errno in _OURS:
        return ProxyError(errors.CONNECTION_LIMIT_REACHED, f"no connection to {where} can be had: {error}")
    return ProxyError(errors.DESTINATION_IP_UNROUTABLE, f"{where}: {error}")
