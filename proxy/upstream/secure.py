"""Opening a connection to an origin with TLS."""

from __future__ import annotations

import asyncio
import re
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

    server_name: whom the certificate is to name, and what is asked for (SNI), instead of the endpoint's host. http2:
    the origin has to agree to it by ALPN (RFC 9113 §3.2).
    """

    context: ssl.SSLContext
    server_name: str | None = None
    http2: bool = False

    async def __call__(self, endpoint: Endpoint, protocol: Callable[[], P]) -> P:
        if not endpoint.secure:
            return await connect_clear(endpoint, protocol)
        name = self.server_name or endpoint.host
        layer = await connect_clear(endpoint, lambda: _Layer(self.context, name, protocol, self.http2))
        try:
            return await layer.ready
        except asyncio.CancelledError:
            layer.abort()
            raise
        except (ssl.SSLError, OSError, _NotAgreed) as error:
            raise failure(f"{name} at {endpoint}", error) from error


class _NotAgreed(Exception):
    """The origin speaks something else than h2."""


class _Closing(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class _Layer(Layer, Generic[P]):
    def __init__(self, context: ssl.SSLContext, name: str, protocol: Callable[[], P], http2: bool) -> None:
        super().__init__(context, server_side=False, server_name=name)
        self.ready: asyncio.Future[P] = asyncio.get_running_loop().create_future()
        self._protocol = protocol
        self._http2 = http2

    def established(self, tls: ssl.SSLObject) -> asyncio.Protocol:
        agreed = tls.selected_alpn_protocol()
        if self._http2 and agreed != "h2":
            self.failed(_NotAgreed(agreed or "nothing"))
            return _Closing()
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
    if isinstance(error, _NotAgreed):
        detail = f"{who}: agrees on {error} by ALPN, not on h2, which `protocol` of the upstream says that it speaks"
        return ProxyError(errors.TLS_PROTOCOL_ERROR, detail)
    if isinstance(error, ssl.SSLEOFError) or not isinstance(error, ssl.SSLError):
        return ProxyError(errors.CONNECTION_TERMINATED, f"{who}: the connection broke within TLS: {error}")
    reason = _words(error)
    _, is_alert, alert = reason.partition(" alert ")
    if alert == "no application protocol":
        detail = f"{who}: does not speak what it was offered by ALPN, which is the `protocol` of the upstream"
        return ProxyError(errors.TLS_ALERT_RECEIVED, detail)
    if is_alert:
        return ProxyError(errors.TLS_ALERT_RECEIVED, f"{who}: refused with {alert}")
    return ProxyError(errors.TLS_PROTOCOL_ERROR, f"{who}: {reason}")


def _words(error: ssl.SSLError) -> str:
    """OpenSSL's name of it, for people. Python does not know all of them: then it is in the text."""
    reason = error.reason or re.sub(r"^\[[^\]]*\] | \(_ssl\.c:\d+\)$", "", str(error))
    return reason.replace("_", " ").lower()
