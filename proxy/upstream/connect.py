"""Opening a connection to an origin. TLS will be another `Connect`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from proxy import errors
from proxy.errors import ProxyError

Endpoint = tuple[str, int]
"""Host name or address (IPv6 without brackets), and port."""

P = TypeVar("P", bound=asyncio.Protocol)

Connect = Callable[[Endpoint, Callable[[], P]], Coroutine[Any, Any, P]]
"""Opens a connection for a protocol made by the second argument. Raises ProxyError; has no time limit of its own."""


async def connect_tcp(endpoint: Endpoint, protocol: Callable[[], P]) -> P:
    """HTTP in the clear. The addresses of a name are tried one after the other."""
    host, port = endpoint
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


def _failure(where: str, error: OSError) -> ProxyError:
    if isinstance(error, ConnectionRefusedError):
        return ProxyError(errors.CONNECTION_REFUSED, f"{where} refuses connections")
    if isinstance(error, TimeoutError):
        return ProxyError(errors.CONNECTION_TIMEOUT, f"{where} does not answer")
    if isinstance(error, ConnectionError):
        return ProxyError(errors.CONNECTION_TERMINATED, f"{where}: {error}")
    return ProxyError(errors.DESTINATION_IP_UNROUTABLE, f"{where}: {error}")
