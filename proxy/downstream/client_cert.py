"""What requests tell of the certificate that a client has shown (RFC 9440)."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from enum import Enum, auto

from proxy.http.fields import Fields, Line


class ClientCert(Enum):
    """What a listener does about it."""

    PASSED = auto()
    """Nothing: a proxy in front of us may have said it."""
    STRIPPED = auto()
    """What comes from a client says nothing of a certificate."""
    TOLD = auto()
    """Neither does it here, and we say what is true."""


NAME = b"client-cert"
_OURS = frozenset((NAME, b"client-cert-chain"))


def shown(transport: asyncio.BaseTransport) -> Line | None:
    """The field that tells of the certificate (§2.2); None when the client has shown none."""
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    certificate = None if tls is None else tls.getpeercert(binary_form=True)
    return None if certificate is None else (NAME, b":" + b64encode(certificate) + b":")


def certify(fields: Fields, certificate: Line | None) -> None:
    """Only we say it (§2.4): what the client has sent of these fields is taken away, and of names that an origin behind
    CGI or WSGI would take for them."""
    kept = [line for line in fields.lines if line[0].replace(b"_", b"-") not in _OURS]
    fields.lines = kept if certificate is None else [*kept, certificate]
