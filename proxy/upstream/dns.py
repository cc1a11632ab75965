"""Looking names up, with their TTLs: c-ares, which knows /etc/hosts and /etc/resolv.conf."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

import aiodns

from proxy import errors
from proxy.errors import ProxyError
from proxy.upstream.names import Answer

Lookup = Callable[[str], Awaitable[Answer]]
"""Raises ProxyError (dns_error, dns_timeout)."""

_TRY = 2.0
_TRIES = 2
"""Seconds for an answer of a name server, and how often each is asked."""


class Resolver:
    """nameservers: host:port of each; those of the system when there are none. Opens nothing before the first name is
    looked up."""

    def __init__(self, nameservers: Sequence[str] = ()) -> None:
        self._nameservers = tuple(nameservers)
        self._channel: aiodns.DNSResolver | None = None

    async def lookup(self, host: str) -> Answer:
        if self._channel is None:
            self._channel = aiodns.DNSResolver(self._nameservers or None, timeout=_TRY, tries=_TRIES)
        try:
            async with asyncio.timeout(_TRY * _TRIES * 2):
                found = await self._channel.getaddrinfo(host, family=socket.AF_UNSPEC, type=socket.SOCK_STREAM)
        except TimeoutError as error:
            raise ProxyError(errors.DNS_TIMEOUT, f"{host}: no answer of a name server") from error
        except (aiodns.error.DNSError, UnicodeError) as error:
            raise _failure(host, error) from error
        addresses = tuple(_text(node.addr[0]) for node in found.nodes)
        return Answer(addresses, min(node.ttl for node in found.nodes))

    def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.cancel()


def _text(address: bytes | str) -> str:
    return address.decode() if isinstance(address, bytes) else address


def _failure(host: str, error: Exception) -> ProxyError:
    code = error.args[0] if error.args else None
    if code in (aiodns.error.ARES_ETIMEOUT, aiodns.error.ARES_ECONNREFUSED):
        return ProxyError(errors.DNS_TIMEOUT, f"{host}: no answer of a name server")
    return ProxyError(errors.DNS_ERROR, f"{host}: {error.args[-1] if error.args else error}")
