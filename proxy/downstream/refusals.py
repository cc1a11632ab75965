"""Connections that come to nothing before anything of HTTP is said: counted, and told in the log now and then."""

from __future__ import annotations

import logging
import ssl
from collections import Counter
from collections.abc import Callable
from enum import StrEnum

logger = logging.getLogger(__name__)

INTERVAL = 60.0
"""Seconds between two lines in the log about the same: or whoever can connect could fill it."""


class Reason(StrEnum):
    """As in metrics."""

    CONNECTION_LIMIT = "connection_limit"
    OVERLOAD = "overload"
    """A handshake did not begin, as there was too much else to do."""
    PROXY_PROTOCOL_MALFORMED = "proxy_protocol_malformed"
    PROXY_PROTOCOL_TIMEOUT = "proxy_protocol_timeout"
    PROXY_PROTOCOL_LEFT = "proxy_protocol_left"
    TLS_NOT_TLS = "tls_not_tls"
    TLS_VERSION = "tls_version"
    TLS_CIPHER = "tls_cipher"
    TLS_ALERT = "tls_alert"
    """The client does not like what it is shown."""
    TLS_NO_CERTIFICATE = "tls_no_certificate"
    TLS_BAD_CERTIFICATE = "tls_bad_certificate"
    TLS_TIMEOUT = "tls_timeout"
    TLS_LEFT = "tls_left"
    TLS_OTHER = "tls_other"


_QUIET = frozenset((Reason.PROXY_PROTOCOL_LEFT, Reason.TLS_LEFT))
"""Load balancers connect and leave, to see whether somebody is there."""

_REASONS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": Reason.TLS_NO_CERTIFICATE,
    "HTTP_REQUEST": Reason.TLS_NOT_TLS,
    "WRONG_VERSION_NUMBER": Reason.TLS_NOT_TLS,
    "UNKNOWN_PROTOCOL": Reason.TLS_NOT_TLS,
    "UNSUPPORTED_PROTOCOL": Reason.TLS_VERSION,
    "VERSION_TOO_LOW": Reason.TLS_VERSION,
    "NO_SHARED_CIPHER": Reason.TLS_CIPHER,
    "NO_SUITABLE_KEY_SHARE": Reason.TLS_CIPHER,
    "NO_SUITABLE_SIGNATURE_ALGORITHM": Reason.TLS_CIPHER,
}
"""By OpenSSL's names."""


def of_tls(error: Exception | None) -> tuple[Reason, str]:
    """Why there is no TLS, and that in words. None: the client was gone."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Reason.TLS_BAD_CERTIFICATE, f"its certificate is refused: {error.verify_message}"
    if isinstance(error, ssl.SSLEOFError) or not isinstance(error, ssl.SSLError):
        return Reason.TLS_LEFT, "it left within the handshake"
    name = error.reason or str(error)
    found = Reason.TLS_ALERT if "ALERT" in name.upper() else _REASONS.get(name, Reason.TLS_OTHER)
    return found, name.replace("_", " ").lower()


def _nobody(where: str, reason: str) -> None: ...


class Refusals:
    """Of one listener. where: what it is called. count: is told of each, with that and the reason."""

    def __init__(self, where: str = "", count: Callable[[str, str], None] = _nobody) -> None:
        self._where = where
        self._count = count
        self._told: dict[Reason, float] = {}
        self._more: Counter[Reason] = Counter()

    def add(self, reason: Reason, client: str, detail: str, now: float) -> None:
        """client: its address. now: seconds by any clock."""
        self._count(self._where, reason)
        if reason in _QUIET:
            logger.debug("%s: %s: %s", self._where, client, detail)
        elif now - self._told.get(reason, -INTERVAL) < INTERVAL:
            self._more[reason] += 1
        else:
            more = self._more.pop(reason, 0)
            also = f" (and {more} more like it since the last such line)" if more else ""
            logger.warning("%s: no connection with %s, %s: %s%s", self._where, client, reason, detail, also)
            self._told[reason] = now
