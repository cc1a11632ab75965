"""Opening a connection to an origin with TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from proxy import errors
from proxy.errors import ProxyError
from proxy.tls import Layer
from proxy.upstream.connect import Endpoint, P, connect_clear


@dataclass(frozen=True, slots=True)
class Secured:
    """A `Connect`, with TLS for those endpoints that are to have it.

    server_name: whom the certificate is to name, and what is asked for (SNI), instead of the endpoint's host.
    """

    context: ssl.SSLContext
    server_name: str | None = None

    async def __call__(self, endpoint: Endpoint, protocol: Callable[[], P]) -> P:
        if not endpoint.secure:
            return await connect_clear(endpoint, protocol)
        name = self.server_name or endpoint.host
        layer = await connect_clear(endpoint, lambda: _Layer(self.context, name, protocol))
        try:
            return await layer.ready
        except asyncio.CancelledError:
            layer.abort()
            raise
        except (ssl.SSLError, OSError) as error:
            raise failure(f"{name} at {endpoint}", error) from error


class _Layer(Layer, Generic[P]):
    def __init__(self, context: ssl.SSLContext, name: str, protocol: Callable[[], P]) -> None:
        super().__init__(context, server_side=False, server_name=name)
        self.ready: asyncio.Future[P] = asyncio.get_running_loop().create_future()
        self._protocol = protocol

    def established(self, tls: ssl.SSLObject) -> P:
        above = self._protocol()
        if not self.ready.done():
            self.ready.set_result(above)
        return above

    def failed(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(error or ConnectionResetError("closed"))


def failure(who: str, error: Exception) -> ProxyError:
    """Why there is no TLS with an origin, or none any more (RFC 9209 §2.3.13 to §2.3.15)."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return ProxyError(errors.TLS_CERTIFICATE_ERROR, f"{who}: {error.verify_message}")
    if isinstance(error, ssl.SSLEOFError) or not isinstance(error, ssl.SSLError):
        return ProxyError(errors.CONNECTION_TERMINATED, f"{who}: the connection broke within TLS: {error}")
    reason = error.reason or str(error)
    _, is_alert, alert = reason.partition("_ALERT_")
    if is_alert:
        return ProxyError(errors.TLS_ALERT_RECEIVED, f"{who}: refused with {_words(alert)}")
    return ProxyError(errors.TLS_PROTOCOL_ERROR, f"{who}: {_words(reason)}")


def _words(reason: str) -> str:
    """OpenSSL's name of it, for people."""
    return reason.replace("_", " ").lower()
